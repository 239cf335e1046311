package manifest

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"eclat/loader/gguf"
	"eclat/loader/quant"
)

// Schema names the format described at Manifest.
const Schema = "eclat.fragments/1"

// Limits on a manifest.
const (
	MaxBytes        = 64 << 20
	maxParts        = 1 << 10 // files of one source
	maxConfigBytes  = 64 << 10
	maxConfigDepth  = 8
	maxSourceName   = 255       // bytes
	maxArchitecture = 256       // bytes
	maxWhole        = 1<<53 - 1 // largest number: what every JSON reader holds exactly
)

// Manifest says of which pieces a model consists. A piece has three sizes: a
// fragment is what a machine is given (the header, a layer), a blob is what is
// stored and mapped (a tensor, named by its sha256), a chunk is what is fetched
// and checked (4 MiB of a blob).
//
// On disk it is one JSON object, shown here with spaces and line ends that the
// real one does not have:
//
//	{"schema": "eclat.fragments/1",
//	 "source": {"name": "m.gguf", "size": 1000, "sha256": SUM, "parts": [{"size": 1000, "header": SUM}]},
//	 "architecture": "llama",
//	 "config": {…},
//	 "tensor_specifics": {"blk.0.attn_q.weight": {"shape": [5120, 4096], "type": "Q4_K", "row_bytes": 2880,
//	                      "size": 11796480, "offset": 7000, "blob": SUM}, …},
//	 "fragments": [{"name": "header", "tensors": []}, {"name": "layer-0", "tensors": ["blk.0.attn_q.weight", …]}, …],
//	 "blobs": [{"sha256": SUM, "size": 11796480, "chunks": [SUM, …]}, …]}
//
// Shapes are in elements, innermost first; sizes and offsets in bytes. parts are
// the files of the source, one unless it is split; its sha256 and size are of all
// of them one after the other, and "shard" follows "offset" in tensors of other
// parts than the first. header is the blob of all bytes of a part that belong to
// no tensor, in order: the GGUF header, then the padding between tensors, if any,
// and what follows the last. tensor_specifics stand in the order of the header,
// fragments as header, embed, layer-0…, head, blobs in the order of their sums.
// config is whatever the writer knows of the model's shape, an object or null.
//
// There is one way to write a manifest, so that its sha256 is its id: no white
// space; members in the order above, none missing, repeated or unknown; numbers
// as whole decimals without sign or leading zero, up to 2^53−1 (in config also
// fractions, as the shortest form that reads back equal); in strings nothing
// escaped but \" and \\ and, in config, control characters (\b \t \n \f \r or
// \u00xx with small letters).
type Manifest struct {
	ID           Sum // sha256 of the encoded manifest; set by Encode and Parse
	Source       Source
	Architecture string          // general.architecture; "" where it is not a short printable string
	Config       json.RawMessage // canonical JSON: an object or null
	Tensors      []Tensor
	Fragments    []Fragment // what FragmentsOf returns for Tensors
	Blobs        []Blob     // by rising sum
	blobs        map[Sum]*Blob
}

// Source is the GGUF file, or the files, that a manifest was made from.
type Source struct {
	Name  string // base name of the (first) file, for people
	Size  int64  // bytes
	Sum   Sum
	Parts []Part
}

// Part is one file of a source.
type Part struct {
	Size   int64 // bytes
	Header Sum   // the blob of all bytes that belong to no tensor
}

// Tensor is a tensor's name and what is to be known of it.
type Tensor struct {
	Name string
	Specifics
}

// Specifics describes a tensor to people and in manifests.
type Specifics struct {
	Shape    []int      `json:"shape"` // elements, innermost first
	Type     quant.Type `json:"type"`
	RowBytes int        `json:"row_bytes"`       // bytes of one row of Shape[0] elements
	Size     int64      `json:"size"`            // bytes
	Offset   int64      `json:"offset"`          // bytes from the start of its source file
	Shard    int        `json:"shard,omitempty"` // which file of a split source, from 0
	Blob     Sum        `json:"blob,omitzero"`   // zero for a tensor that lies in a GGUF file
}

// Blob is a piece as it is stored.
type Blob struct {
	Sum    Sum
	Size   int64 // bytes
	Chunks []Sum // of every ChunkBytes
}

// Blob returns the blob of a sum, or nil.
func (m *Manifest) Blob(s Sum) *Blob { return m.blobs[s] }

// FileName is the name a manifest has in its folder: for people the source's,
// for the machine the id.
func (m *Manifest) FileName() string {
	base := strings.TrimSuffix(m.Source.Name, ".gguf")
	for len(base) > 150 { // file names end at 255 bytes
		_, n := utf8.DecodeLastRuneInString(base)
		base = base[:len(base)-n]
	}
	if base == "" || base[0] == '.' || base[0] == '-' {
		base = "model" + base
	}
	return base + "." + m.ID.String() + ".json"
}

// ArchitectureOf returns what a manifest says of a file's architecture, which is
// the value of its key general.architecture.
func ArchitectureOf(v gguf.Value) string {
	if s, ok := v.Str(); ok && len(s) <= maxArchitecture && gguf.Printable(s) {
		return s
	}
	return ""
}

// SourceName makes a file's base name fit for a manifest.
func SourceName(base string) string {
	base = strings.Map(func(r rune) rune {
		if r == utf8.RuneError || !unicode.IsPrint(r) || r == '/' || r == '\\' {
			return '_'
		}
		return r
	}, base)
	for len(base) > maxSourceName {
		_, n := utf8.DecodeLastRuneInString(base)
		base = base[:len(base)-n]
	}
	if !soundSourceName(base) {
		return "model.gguf"
	}
	return base
}

func soundSourceName(s string) bool {
	return s != "" && s != "." && s != ".." && len(s) <= maxSourceName && gguf.Printable(s) && !strings.ContainsAny(s, `/\`)
}

// Encode returns the manifest's bytes and sets its ID. The contents are checked
// by reading them back: what Encode returns, Parse accepts.
func (m *Manifest) Encode() ([]byte, error) {
	b := []byte(`{"schema":`)
	b = appendString(b, Schema)
	b = append(b, `,"source":{"name":`...)
	b = appendString(b, m.Source.Name)
	b = append(b, `,"size":`...)
	b = strconv.AppendInt(b, m.Source.Size, 10)
	b = appendSum(append(b, `,"sha256":`...), m.Source.Sum)
	b = append(b, `,"parts":[`...)
	for i, p := range m.Source.Parts {
		b = comma(b, i)
		b = append(b, `{"size":`...)
		b = strconv.AppendInt(b, p.Size, 10)
		b = appendSum(append(b, `,"header":`...), p.Header)
		b = append(b, '}')
	}
	b = append(b, `]},"architecture":`...)
	b = appendString(b, m.Architecture)
	b = append(b, `,"config":`...)
	b = append(b, m.Config...)
	b = append(b, `,"tensor_specifics":{`...)
	for i := range m.Tensors {
		t := &m.Tensors[i]
		b = appendString(comma(b, i), t.Name)
		b = append(b, ':')
		j, err := json.Marshal(t.Specifics) // numbers and plain words only: canonical
		if err != nil {
			return nil, fmt.Errorf("manifest: encode the manifest: %w", err)
		}
		b = append(b, j...)
	}
	b = append(b, `},"fragments":[`...)
	for i, f := range m.Fragments {
		b = comma(b, i)
		b = append(b, `{"name":`...)
		b = appendString(b, f.Name)
		b = append(b, `,"tensors":[`...)
		for j, name := range f.Tensors {
			b = appendString(comma(b, j), name)
		}
		b = append(b, `]}`...)
	}
	b = append(b, `],"blobs":[`...)
	for i := range m.Blobs {
		x := &m.Blobs[i]
		b = comma(b, i)
		b = appendSum(append(b, `{"sha256":`...), x.Sum)
		b = append(b, `,"size":`...)
		b = strconv.AppendInt(b, x.Size, 10)
		b = append(b, `,"chunks":[`...)
		for j, c := range x.Chunks {
			b = appendSum(comma(b, j), c)
		}
		b = append(b, `]}`...)
	}
	b = append(b, `]}`...)
	read, err := Parse("manifest", b)
	if err != nil {
		return nil, err
	}
	m.ID, m.blobs = read.ID, make(map[Sum]*Blob, len(m.Blobs))
	for i := range m.Blobs {
		m.blobs[m.Blobs[i].Sum] = &m.Blobs[i]
	}
	return b, nil
}

func comma(b []byte, i int) []byte {
	if i > 0 {
		return append(b, ',')
	}
	return b
}

func appendSum(b []byte, s Sum) []byte {
	b = append(b, '"')
	b = append(b, s.String()...)
	return append(b, '"')
}
