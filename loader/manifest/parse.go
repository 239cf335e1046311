package manifest

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"eclat/loader/gguf"
	"eclat/loader/quant"
)

// reader reads a manifest that is written in the one canonical way. Since
// the order of the fields is fixed, it expects each where it must stand instead of
// building a tree: memory stays below a small multiple of the text. The first
// fault is kept in err and the rest of the reading is harmless.
type reader struct {
	path  string
	data  []byte
	pos   int
	field string // being read, for errors: "blobs.sha256"
	err   error
}

// Parse reads and checks a manifest. name stands for it in errors, which
// are *gguf.FormatError.
func Parse(name string, data []byte) (*Manifest, error) {
	r := &reader{path: name, data: data, field: "manifest"}
	if len(data) > MaxBytes {
		r.fail(-1, "%d bytes, the limit is %d", len(data), MaxBytes)
		return nil, r.err
	}
	m := &Manifest{ID: sha256.Sum256(data)}
	r.object("", []string{"schema", "source", "architecture", "config", "tensor_specifics", "fragments", "blobs"},
		func() {
			at := r.pos
			if s := r.str(64); r.err == nil && s != Schema {
				r.fail(at, "%q; this program reads %s", s, Schema)
			}
		},
		func() { r.source(&m.Source) },
		func() { m.Architecture = r.str(maxArchitecture) },
		func() { m.Config = r.config() },
		func() { m.Tensors = r.tensors() },
		func() { m.Fragments = r.fragments() },
		func() { m.Blobs = r.blobs() })
	if r.field = "manifest"; r.err == nil && r.pos < len(data) {
		r.fail(r.pos, "%d bytes follow the end", len(data)-r.pos)
	}
	if r.err != nil {
		return nil, r.err
	}
	return m, m.check(name)
}

func (r *reader) fail(at int, format string, args ...any) {
	if r.err == nil {
		r.err = gguf.Errorf(r.path, r.field, int64(at), format, args...)
	}
}

// peek reports whether c comes next.
func (r *reader) peek(c byte) bool {
	return r.err == nil && r.pos < len(r.data) && r.data[r.pos] == c
}

// expect reads the byte c.
func (r *reader) expect(c byte) {
	switch {
	case r.err != nil:
	case r.pos >= len(r.data):
		r.fail(r.pos, "the manifest ends here, %q is missing", c)
	case r.data[r.pos] != c:
		r.fail(r.pos, "%q instead of %q: not canonical JSON", r.data[r.pos], c)
	default:
		r.pos++
	}
}

// object reads an object with these fields in this order; read[i] reads the value
// of fields[i]. A field whose name ends in "?" may be absent. Errors name a field
// with prefix before it.
func (r *reader) object(prefix string, fields []string, read ...func()) {
	r.expect('{')
	first := true
	for i, want := range fields {
		want, optional := strings.CutSuffix(want, "?")
		if r.err != nil || optional && !bytes.HasPrefix(r.data[r.pos:], []byte(`,"`+want+`":`)) {
			continue
		}
		if r.peek('}') {
			r.field = prefix + want
			r.fail(r.pos, "the field is missing")
		}
		if !first {
			r.expect(',') // an error here is about the value before
		}
		r.field, first = prefix+want, false
		at := r.pos
		if got := r.str(64); r.err == nil && got != want {
			r.misplaced(at, prefix, got, want, fields[:i])
		}
		r.expect(':')
		if r.err == nil {
			read[i]()
		}
		if r.err == nil {
			r.field = prefix + want
		}
	}
	if r.peek(',') {
		r.pos++
		at := r.pos
		if got := r.str(64); r.err == nil {
			r.misplaced(at, prefix, got, "", fields)
		}
	}
	r.expect('}')
}

// misplaced says what is wrong with a field that stands where want must: before
// are the fields already read.
func (r *reader) misplaced(at int, prefix, got, want string, before []string) {
	r.field = fmt.Sprintf("%s%.64s", prefix, got)
	switch {
	case slices.Contains(before, got) || slices.Contains(before, got+"?"):
		r.fail(at, "the field appears twice")
	case want == "":
		r.fail(at, "the field is unknown")
	default:
		r.fail(at, "the field is unknown or out of order; here must be %q", want)
	}
}

// list reads an array of at most limit values, each with read.
func (r *reader) list(limit int, read func()) {
	r.expect('[')
	for n := 0; r.err == nil && !r.peek(']'); n++ {
		if n >= limit {
			r.fail(r.pos, "more than %d entries", limit)
		}
		if n > 0 {
			r.expect(',')
		}
		if r.err == nil {
			read()
		}
	}
	r.expect(']')
}

// str reads a printable string of at most limit bytes.
func (r *reader) str(limit int) string {
	at := r.pos
	r.expect('"')
	var out []byte
	for r.err == nil && !r.peek('"') {
		if r.peek('\\') {
			r.pos++
			if !r.peek('"') && !r.peek('\\') {
				r.fail(r.pos-1, "a needless escape: not canonical JSON")
			}
		}
		if r.pos >= len(r.data) {
			r.fail(at, "the string does not end")
		}
		if len(out) >= limit {
			r.fail(at, "a string of more than %d bytes", limit)
		}
		if r.err == nil {
			out = append(out, r.data[r.pos])
			r.pos++
		}
	}
	r.expect('"')
	if r.err == nil && !gguf.Printable(string(out)) {
		r.fail(at, "the string %q is not printable text", out)
	}
	if r.err != nil {
		return ""
	}
	return string(out)
}

// whole reads a number from 0 to limit.
func (r *reader) whole(limit int64) int64 {
	at := r.pos
	var n int64
	for r.err == nil && r.pos < len(r.data) && r.data[r.pos] >= '0' && r.data[r.pos] <= '9' {
		n = n*10 + int64(r.data[r.pos]-'0')
		if r.pos++; n > limit {
			r.fail(at, "a number above %d", limit)
		}
	}
	switch digits := r.pos - at; {
	case r.err != nil:
		return 0
	case digits == 0:
		r.fail(at, "not a whole number")
	case digits > 1 && r.data[at] == '0':
		r.fail(at, "a leading zero: not canonical JSON")
	}
	return n
}

func (r *reader) sum() Sum {
	at := r.pos
	text := r.str(2 * len(Sum{}))
	s, ok := ParseSum(text)
	if r.err == nil && !ok {
		r.fail(at, "%q is not a sha256: 64 digits 0–9, a–f", text)
	}
	return s
}

func (r *reader) source(s *Source) {
	r.object("source.", []string{"name", "size", "sha256", "parts"},
		func() {
			at := r.pos
			if s.Name = r.str(maxSourceName); r.err == nil && !soundSourceName(s.Name) {
				r.fail(at, "%q is not a plain file name", s.Name)
			}
		},
		func() { s.Size = r.whole(maxWhole) },
		func() { s.Sum = r.sum() },
		func() {
			r.list(maxParts, func() {
				var p Part
				r.object("source.parts.", []string{"size", "header"},
					func() { p.Size = r.whole(maxWhole) },
					func() { p.Header = r.sum() })
				s.Parts = append(s.Parts, p)
			})
		})
}

// config reads the one value whose fields are not ours.
func (r *reader) config() json.RawMessage {
	at := r.pos
	var raw json.RawMessage
	d := json.NewDecoder(bytes.NewReader(r.data[at:min(len(r.data), at+maxConfigBytes)]))
	if err := d.Decode(&raw); err != nil {
		r.fail(at, "%v", jsonError(err))
		return nil
	}
	r.pos = at + int(d.InputOffset())
	canonical, err := CanonicalConfig(raw)
	if err != nil {
		r.fail(at, "%v", err)
	} else if !utf8.Valid(raw) || !bytes.Equal(canonical, r.data[at:r.pos]) {
		r.fail(at, "not canonical JSON")
	}
	return canonical
}

func (r *reader) tensors() []Tensor {
	var out []Tensor
	seen := map[string]bool{}
	r.expect('{')
	for r.err == nil && !r.peek('}') {
		if r.field = "tensor_specifics"; len(out) >= gguf.MaxTensors {
			r.fail(r.pos, "more than %d tensors", gguf.MaxTensors)
		}
		if len(out) > 0 {
			r.expect(',')
		}
		at := r.pos
		t := Tensor{Name: r.str(gguf.MaxNameBytes)}
		switch {
		case r.err != nil:
		case t.Name == "":
			r.fail(at, "an empty name")
		case seen[t.Name]:
			r.field += "." + t.Name
			r.fail(at, "the tensor appears twice")
		}
		seen[t.Name] = true
		r.expect(':')
		r.specifics("tensor_specifics."+t.Name+".", &t.Specifics)
		out = append(out, t)
	}
	r.expect('}')
	return out
}

func (r *reader) specifics(prefix string, t *Specifics) {
	r.object(prefix, []string{"shape", "type", "row_bytes", "size", "offset", "shard?", "blob"},
		func() { r.list(gguf.MaxDims, func() { t.Shape = append(t.Shape, int(r.whole(maxWhole))) }) },
		func() {
			at := r.pos
			name := r.str(16)
			ty, ok := quant.ByName[name]
			if t.Type = ty; r.err == nil && !ok {
				r.fail(at, "%q is no tensor type", name)
			}
		},
		func() { t.RowBytes = int(r.whole(maxWhole)) },
		func() { t.Size = r.whole(maxWhole) },
		func() { t.Offset = r.whole(maxWhole) },
		func() {
			at := r.pos
			if t.Shard = int(r.whole(maxParts)); r.err == nil && t.Shard == 0 {
				r.fail(at, "a shard of 0 is not written: not canonical")
			}
		},
		func() { t.Blob = r.sum() })
}

func (r *reader) fragments() []Fragment {
	var out []Fragment
	left := gguf.MaxTensors + 1 // names in all fragments: each tensor has one, a tied embedding two
	r.list(gguf.MaxTensors+3, func() {
		var f Fragment
		r.object("fragments.", []string{"name", "tensors"},
			func() { f.Name = r.str(32) },
			func() { r.list(left, func() { f.Tensors = append(f.Tensors, r.str(gguf.MaxNameBytes)) }) })
		left -= len(f.Tensors)
		out = append(out, f)
	})
	return out
}

func (r *reader) blobs() []Blob {
	var out []Blob
	r.list(gguf.MaxTensors+maxParts, func() {
		var b Blob
		r.object("blobs.", []string{"sha256", "size", "chunks"},
			func() { b.Sum = r.sum() },
			func() { b.Size = r.whole(maxWhole) },
			func() { r.list(MaxBytes, func() { b.Chunks = append(b.Chunks, r.sum()) }) })
		out = append(out, b)
	})
	return out
}
