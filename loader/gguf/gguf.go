package gguf

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"eclat/loader/quant"
	"eclat/loader/safemath"
)

// Limits on what a header may ask for. They are far above any model in use and
// keep what a hostile file can make us allocate small: see TestHostileFiles.
const (
	maxKeys        = 1 << 16  // metadata keys
	MaxTensors     = 1 << 16  // tensors in one file
	maxKeyBytes    = 1 << 10  // bytes in a key
	MaxNameBytes   = 63       // bytes in a tensor name; ggml stores 64 with the final zero
	maxStringBytes = 16 << 20 // bytes in one string
	maxArrayLen    = 64 << 20 // elements in one array
	maxArrayDepth  = 4        // arrays within arrays
	MaxDims        = 4
	maxAlignment   = 1 << 20 // bytes
)

// Header is what one GGUF file says before its tensor data.
type Header struct {
	Version   uint32
	Alignment int64    // bytes
	Keys      []string // metadata keys in file order
	Meta      map[string]Value
	Tensors   []Tensor // in file order
	DataStart int64    // bytes from the start of the file
}

// Tensor is what a header says of a tensor: its kind, its shape and its place.
type Tensor struct {
	Name       string
	Type       quant.Type
	Dims       []int // elements, innermost first: a matrix is (columns, rows)
	RowBytes   int   // bytes of one row of Dims[0] elements
	Size       int64 // bytes of the whole tensor
	Offset     int64 // bytes from the start of its file
	InfoOffset int64 // where the header describes it, for errors
}

// Elems returns the number of elements.
func (t *Tensor) Elems() int {
	n := 1
	for _, d := range t.Dims {
		n *= d
	}
	return n
}

// Rows returns the number of rows of Dims[0] elements.
func (t *Tensor) Rows() int { return t.Elems() / t.Dims[0] }

// cursor reads little-endian values from data, which begins at byte base of the
// file. Every error names the field being read and the offset where it starts.
type cursor struct {
	path  string
	data  []byte
	pos   int
	field string
}

func (c *cursor) fail(off int, format string, args ...any) error {
	return Errorf(c.path, c.field, int64(off), format, args...)
}

func (c *cursor) left() uint64 { return uint64(len(c.data) - c.pos) }

// take returns the next n bytes.
func (c *cursor) take(n uint64) ([]byte, error) {
	if n > c.left() {
		return nil, c.fail(c.pos, "the file ends here: at least %d bytes are missing from the header", n-c.left())
	}
	b := c.data[c.pos:][:n:n]
	c.pos += int(n)
	return b, nil
}

func (c *cursor) u32() (uint32, error) {
	b, err := c.take(4)
	if err != nil {
		return 0, err
	}
	return binary.LittleEndian.Uint32(b), nil
}

func (c *cursor) u64() (uint64, error) {
	b, err := c.take(8)
	if err != nil {
		return 0, err
	}
	return binary.LittleEndian.Uint64(b), nil
}

// count reads a 64-bit count of things that take at least size bytes each, and
// refuses one that the rest of the file cannot hold or that is above limit.
func (c *cursor) count(what string, size, limit uint64) (int, error) {
	at := c.pos
	n, err := c.u64()
	if err != nil {
		return 0, err
	}
	if n > limit {
		return 0, c.fail(at, "%d %s, the limit is %d", n, what, limit)
	}
	if n > c.left()/size {
		return 0, c.fail(at, "%d %s need at least %d bytes, %d are left in the file", n, what, n*size, c.left())
	}
	return int(n), nil
}

func (c *cursor) str(limit uint64) (string, error) {
	n, err := c.count("bytes in a string", 1, limit)
	if err != nil {
		return "", err
	}
	b, err := c.take(uint64(n))
	return string(b), err
}

// name reads a key or tensor name, which must be printable for error messages' sake.
func (c *cursor) name(limit uint64) (string, error) {
	at := c.pos
	s, err := c.str(limit)
	if err != nil {
		return "", err
	}
	if s == "" {
		return "", c.fail(at, "the name is empty")
	}
	if !Printable(s) {
		return "", c.fail(at, "the name %q is not printable text", s)
	}
	return s, nil
}

// Printable reports whether s is text that may stand in a message as it is.
func Printable(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) })
}

// value walks one value of type t. depth counts the arrays around it.
func (c *cursor) value(t ValueType, depth int) (Value, error) {
	v := Value{Type: t, Offset: int64(c.pos)}
	start := c.pos
	switch {
	case t == String:
		n, err := c.count("bytes in a string", 1, maxStringBytes)
		if err != nil {
			return v, err
		}
		c.pos += n
	case t == Array:
		if depth >= maxArrayDepth {
			return v, c.fail(start, "arrays nested more than %d deep", maxArrayDepth)
		}
		e, err := c.u32()
		if err != nil {
			return v, err
		}
		v.Elem = ValueType(e)
		if int(v.Elem) >= len(valueTypes) {
			return v, c.fail(start, "unknown array element type %d", e)
		}
		size := uint64(valueTypes[v.Elem].size)
		n, err := c.count("array elements of type "+v.Elem.String(), size, maxArrayLen)
		if err != nil {
			return v, err
		}
		v.Len, start = n, c.pos
		switch v.Elem {
		case String, Array:
			for range n {
				if _, err := c.value(v.Elem, depth+1); err != nil {
					return v, err
				}
			}
		case Bool:
			b, _ := c.take(uint64(n))
			if i := slices.IndexFunc(b, func(x byte) bool { return x > 1 }); i >= 0 {
				return v, c.fail(start+i, "a bool is %d, not 0 or 1", b[i])
			}
		default:
			c.pos += n * int(size)
		}
	case int(t) < len(valueTypes):
		b, err := c.take(uint64(valueTypes[t].size))
		if err != nil {
			return v, err
		}
		if t == Bool && b[0] > 1 {
			return v, c.fail(start, "a bool is %d, not 0 or 1", b[0])
		}
	default:
		return v, c.fail(start-4, "unknown value type %d", uint32(t))
	}
	v.raw = c.data[start:c.pos:c.pos]
	return v, nil
}

// Parse reads everything before the tensor data and checks all of it, the
// place of each tensor in the file of fileSize bytes included. data is the file or
// its beginning.
func Parse(path string, data []byte, fileSize int64) (*Header, error) {
	c := &cursor{path: path, data: data, field: "magic"}
	magic, err := c.take(4)
	if err != nil {
		return nil, c.fail(0, "the file has %d bytes, too few for a GGUF file", len(data))
	}
	if string(magic) != "GGUF" {
		return nil, c.fail(0, "not a GGUF file: it begins with %q instead of \"GGUF\"", magic)
	}
	h := &Header{Alignment: 32, Meta: map[string]Value{}}
	c.field = "version"
	if h.Version, err = c.u32(); err != nil {
		return nil, err
	}
	switch v := h.Version; {
	case v == 2 || v == 3:
	case v&0xffff == 0 && v != 0:
		return nil, c.fail(4, "the file is big-endian; only little-endian files are supported")
	default:
		return nil, c.fail(4, "GGUF version %d; versions 2 and 3 are supported", v)
	}
	c.field = "tensor count"
	nTensors, err := c.count("tensors", 8+1+4+8+4+8, MaxTensors)
	if err != nil {
		return nil, err
	}
	c.field = "metadata count"
	nKeys, err := c.count("metadata keys", 8+1+4+1, maxKeys)
	if err != nil {
		return nil, err
	}
	for i := range nKeys {
		c.field = fmt.Sprintf("metadata key %d", i)
		at := c.pos
		key, err := c.name(maxKeyBytes)
		if err != nil {
			return nil, err
		}
		c.field = key
		if _, dup := h.Meta[key]; dup {
			return nil, c.fail(at, "the key appears twice")
		}
		t, err := c.u32()
		if err != nil {
			return nil, err
		}
		v, err := c.value(ValueType(t), 0)
		if err != nil {
			return nil, err
		}
		h.Meta[key] = v
		h.Keys = append(h.Keys, key)
	}
	if v, ok := h.Meta["general.alignment"]; ok {
		c.field = "general.alignment"
		if !isInt(v.Type) { // its value is not for a message: a string may be long and hold newlines
			return nil, c.fail(int(v.Offset), "the alignment must be an integer, not a value of type %s", v.Type)
		}
		a, ok := v.Uint()
		if !ok || a == 0 || a&(a-1) != 0 || a > maxAlignment {
			return nil, c.fail(int(v.Offset), "the alignment must be a power of two up to %d, not %v", maxAlignment, v.Any(0))
		}
		h.Alignment = int64(a)
	}
	seen := make(map[string]bool, nTensors)
	h.Tensors = make([]Tensor, 0, nTensors) // count saw to it that the file is long enough for as many
	for i := range nTensors {
		c.field = fmt.Sprintf("tensor %d", i)
		t, err := c.tensor(seen, uint64(h.Alignment))
		if err != nil {
			return nil, err
		}
		h.Tensors = append(h.Tensors, t)
	}
	h.DataStart = align(int64(c.pos), h.Alignment)
	return h, h.place(path, fileSize)
}

// tensor reads one tensor description. Offset is still relative to the data.
func (c *cursor) tensor(seen map[string]bool, alignment uint64) (Tensor, error) {
	var t Tensor
	at := c.pos
	name, err := c.name(MaxNameBytes)
	if err != nil {
		return t, err
	}
	t.Name, c.field = name, name
	if seen[name] {
		return t, c.fail(at, "the tensor appears twice")
	}
	seen[name] = true
	at = c.pos
	nd, err := c.u32()
	if err != nil {
		return t, err
	}
	if nd == 0 || nd > MaxDims {
		return t, c.fail(at, "%d dimensions; 1 to %d are allowed", nd, MaxDims)
	}
	elems := int64(1)
	for i := range nd {
		at := c.pos
		d, err := c.u64()
		if err != nil {
			return t, err
		}
		if d == 0 || d > math.MaxInt64 {
			return t, c.fail(at, "dimension %d is %d", i, int64(d))
		}
		all, ok := safemath.Mul(elems, int64(d))
		if !ok {
			return t, c.fail(at, "the dimensions overflow: %d × %d elements", elems, d)
		}
		elems = all
		t.Dims = append(t.Dims, int(d))
	}
	at = c.pos
	ty, err := c.u32()
	if err != nil {
		return t, err
	}
	t.Type = quant.Type(ty)
	if !t.Type.Known() {
		return t, c.fail(at, "unknown tensor type %d; known are %s", ty, quant.DecodableTypes())
	}
	block, _ := t.Type.Block()
	if t.Dims[0]%block != 0 {
		return t, c.fail(at, "a row of %d elements is not a whole number of %s blocks of %d", t.Dims[0], t.Type, block)
	}
	size, ok := t.Type.RowBytes(uint64(elems))
	if !ok {
		return t, c.fail(at, "the size in bytes overflows: %d elements of %s", elems, t.Type)
	}
	row, _ := t.Type.RowBytes(uint64(t.Dims[0])) // fits, since the whole does
	t.RowBytes, t.Size = int(row), int64(size)
	at = c.pos
	off, err := c.u64()
	if err != nil {
		return t, err
	}
	if off%alignment != 0 {
		return t, c.fail(at, "the offset %d is not a multiple of the alignment %d", off, alignment)
	}
	if off > math.MaxInt64/2 || int64(off) > math.MaxInt64/2-t.Size {
		return t, c.fail(at, "offset %d plus size %d overflows", off, t.Size)
	}
	t.Offset, t.InfoOffset = int64(off), int64(at)
	return t, nil
}

// place makes offsets absolute and checks that each tensor lies within the file
// and on nobody else.
func (h *Header) place(path string, fileSize int64) error {
	var end int64
	last := -1
	for i := range h.Tensors {
		t := &h.Tensors[i]
		t.Offset += h.DataStart
		if e := t.Offset + t.Size; e > end {
			end, last = e, i
		}
	}
	if end > fileSize {
		t := h.Tensors[last]
		return Errorf(path, t.Name, t.InfoOffset,
			"the file is cut short: %d bytes are missing (the tensor ends at %d, the file has %d)", end-fileSize, end, fileSize)
	}
	byOffset := make([]*Tensor, len(h.Tensors))
	for i := range h.Tensors {
		byOffset[i] = &h.Tensors[i]
	}
	slices.SortFunc(byOffset, func(a, b *Tensor) int { return int(min(1, max(-1, a.Offset-b.Offset))) })
	for i := 1; i < len(byOffset); i++ {
		a, b := byOffset[i-1], byOffset[i]
		if a.Offset+a.Size > b.Offset {
			return Errorf(path, b.Name, b.InfoOffset,
				"the tensor's bytes %d–%d overlap those of %s", b.Offset, b.Offset+b.Size, a.Name)
		}
	}
	return nil
}

// align rounds n up to a multiple of a, a power of two.
func align(n, a int64) int64 { return (n + a - 1) &^ (a - 1) }
