package keep

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"

	"eclat/engine"
	"eclat/loader/atomicfile"
	"eclat/model"
)

// A page's file is
//
//	magic, a line of JSON: head
//	the bytes of each pool that has some, in the order of head.Has
//	SHA-256 of all before it
const magic = "eclat page\n"

// mostHead is the longest head that is read, in bytes.
const mostHead = 1 << 16

// head says what a page is of. Its order of fields is that of the file.
type head struct {
	engine.CacheKind
	Template string  `json:"template"` // the SHA-256 of what made text into tokens
	Caller   string  `json:"caller"`
	Before   string  `json:"before"`
	Tokens   []int32 `json:"tokens"`
	Has      []bool  `json:"has"` // by pool: the page has a unit of it
}

// named is how the files of pages are called: the first digits of the model's identity, of
// what the page is of, and of the page's name.
var named = regexp.MustCompile(`^([0-9a-f]{12})-([0-9a-f]{12})-([0-9a-f]{64})\.page$`)

// kindOf is what the files of a kind of pages begin with.
func kindOf(k engine.CacheKind, template string) string {
	sum := sha256.New()
	json.NewEncoder(sum).Encode(k) // of strings and numbers: it cannot fail
	io.WriteString(sum, template)
	return short(k.Model) + "-" + hex.EncodeToString(sum.Sum(nil))[:12] + "-"
}

// short is the beginning of a hexadecimal name.
func short(s string) string { return s[:min(12, len(s))] }

// pageOf lays out a page's file, in parts, and returns its size in bytes.
func pageOf(k engine.CacheKind, template string, p *engine.KeptPage) (parts [][]byte, size int64, err error) {
	h := head{CacheKind: k, Template: template, Caller: p.Caller, Before: p.Before, Tokens: p.Tokens}
	for _, u := range p.Units {
		h.Has = append(h.Has, u != nil)
	}
	line, err := json.Marshal(h)
	if err != nil {
		return nil, 0, err
	}
	if len(line) >= mostHead {
		return nil, 0, fmt.Errorf("keep: the head of a page has %d bytes", len(line))
	}
	parts = append([][]byte{[]byte(magic), line, []byte("\n")}, p.Units...)
	for _, b := range parts {
		size += int64(len(b))
	}
	return parts, size + sha256.Size, nil
}

// write writes the parts of a page's file and their sum.
func write(path string, parts [][]byte) error {
	return atomicfile.Write(path, atomicfile.Options{Mode: 0o600}, func(w io.Writer) error {
		sum := sha256.New()
		out := io.MultiWriter(w, sum)
		for _, b := range parts {
			if _, err := out.Write(b); err != nil {
				return err
			}
		}
		_, err := w.Write(sum.Sum(nil))
		return err
	})
}

// readHead reads the beginning of a page's file.
func readHead(path string) (*head, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	h, _, err := parseHead(bufio.NewReader(io.LimitReader(f, int64(len(magic)+mostHead))))
	return h, err
}

// parseHead also returns what it read.
func parseHead(in *bufio.Reader) (*head, []byte, error) {
	all := make([]byte, len(magic))
	if _, err := io.ReadFull(in, all); err != nil || string(all) != magic {
		return nil, nil, fmt.Errorf("%w: it does not begin as a page does", engine.ErrDamaged)
	}
	line, err := in.ReadBytes('\n') // the reader is bounded
	if err != nil {
		return nil, nil, fmt.Errorf("%w: its head has no end", engine.ErrDamaged)
	}
	h := new(head)
	d := json.NewDecoder(bytes.NewReader(line))
	d.DisallowUnknownFields()
	if err := d.Decode(h); err != nil {
		return nil, nil, fmt.Errorf("%w: its head: %.100q", engine.ErrDamaged, err)
	}
	if len(h.Has) != len(h.Units) || len(h.Tokens) > model.PageLen {
		return nil, nil, fmt.Errorf("%w: its head has %d pools of %d, %d tokens", engine.ErrDamaged, len(h.Has), len(h.Units), len(h.Tokens))
	}
	return h, append(all, line...), nil
}

// parse reads a page that must be of a kind, made with a template. Nothing is allocated for
// what the file only says that it has.
func parse(data []byte, name string, k engine.CacheKind, template string) (*engine.KeptPage, error) {
	h, begin, err := parseHead(bufio.NewReader(bytes.NewReader(data[:min(len(data), len(magic)+mostHead)])))
	if err != nil {
		return nil, err
	}
	if why := differs(h, k, template); why != "" {
		return nil, fmt.Errorf("%w: %s", engine.ErrForeign, why)
	}
	want := len(begin) + sha256.Size
	for pool, has := range h.Has {
		if has {
			want += k.Units[pool].Bytes
		}
	}
	if len(data) != want {
		return nil, fmt.Errorf("%w: it has %d bytes, not %d", engine.ErrDamaged, len(data), want)
	}
	end := len(data) - sha256.Size
	if sum := sha256.Sum256(data[:end]); !bytes.Equal(sum[:], data[end:]) {
		return nil, fmt.Errorf("%w: its sum is another", engine.ErrDamaged)
	}
	p := &engine.KeptPage{Caller: h.Caller, Name: name, Before: h.Before, Tokens: h.Tokens, Units: make([][]byte, len(h.Has))}
	at := len(begin)
	for pool, has := range h.Has {
		if has {
			n := k.Units[pool].Bytes
			p.Units[pool] = data[at : at+n]
			at += n
		}
	}
	return p, nil
}

// differs says what keeps a page from being of use for a kind; "" for nothing.
func differs(h *head, k engine.CacheKind, template string) string {
	switch {
	case h.Model != k.Model:
		return fmt.Sprintf("it is of another model (%.16q, this is %.16s)", h.Model, k.Model)
	case h.Numbers != k.Numbers:
		return fmt.Sprintf("its numbers are of definition %d, these of %d", h.Numbers, k.Numbers)
	case h.Keys != k.Keys || h.Values != k.Values:
		return fmt.Sprintf("its keys and values are kept as %.10q and %.10q, here as %s and %s", h.Keys, h.Values, k.Keys, k.Values)
	case h.Rounded != k.Rounded:
		return fmt.Sprintf("its rows were rounded otherwise between machines (%.40q, here %.40q)", h.Rounded, k.Rounded)
	case h.Template != template:
		return "it was made with another template"
	case len(h.Units) != len(k.Units):
		return fmt.Sprintf("it has %d pools of memory, here are %d", len(h.Units), len(k.Units))
	}
	for i, u := range h.Units {
		if u != k.Units[i] {
			return fmt.Sprintf("its %.20q memory has %d bytes a page, here it is %q with %d", u.Kind, u.Bytes, k.Units[i].Kind, k.Units[i].Bytes)
		}
	}
	return ""
}

// readPage reads a page's file.
func readPage(path, name string, k engine.CacheKind, template string) (*engine.KeptPage, error) {
	most := int64(len(magic) + mostHead + sha256.Size)
	for _, u := range k.Units {
		most += int64(u.Bytes)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if st, err := f.Stat(); err != nil {
		return nil, err
	} else if !st.Mode().IsRegular() || st.Size() > most {
		return nil, fmt.Errorf("%w: it has %d bytes, a page has %d at most", engine.ErrDamaged, st.Size(), most)
	}
	data, err := io.ReadAll(io.LimitReader(f, most+1))
	if err != nil {
		return nil, err
	}
	return parse(data, name, k, template)
}

// refused reports whether an error says that a file is of no use, rather than that it could
// not be read.
func refused(err error) bool {
	return errors.Is(err, engine.ErrDamaged) || errors.Is(err, engine.ErrForeign)
}
