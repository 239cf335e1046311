package quant

import (
	"fmt"
	"math"
	"strings"
	"sync"

	"eclat/loader/safemath"
)

// Type is a ggml tensor type, numbered as in the file.
type Type uint32

const (
	F32     Type = 0
	F16     Type = 1
	Q4_0    Type = 2
	Q4_1    Type = 3
	Q5_0    Type = 6
	Q5_1    Type = 7
	Q8_0    Type = 8
	Q8_1    Type = 9
	Q2_K    Type = 10
	Q3_K    Type = 11
	Q4_K    Type = 12
	Q5_K    Type = 13
	Q6_K    Type = 14
	Q8_K    Type = 15
	IQ2_XXS Type = 16
	IQ2_XS  Type = 17
	IQ3_XXS Type = 18
	IQ1_S   Type = 19
	IQ4_NL  Type = 20
	IQ3_S   Type = 21
	IQ2_S   Type = 22
	IQ4_XS  Type = 23
	I8      Type = 24
	I16     Type = 25
	I32     Type = 26
	I64     Type = 27
	F64     Type = 28
	IQ1_M   Type = 29
	BF16    Type = 30
	TQ1_0   Type = 34
	TQ2_0   Type = 35
	MXFP4   Type = 39
	NVFP4   Type = 40
	Q1_0    Type = 41
	Q2_0    Type = 42
)

// typeInfo describes how a type lies in a file. A type is of floats or of integers;
// one that eclat cannot compute with yet is neither, and only its size is known.
type typeInfo struct {
	name   string
	block  int // elements per block
	bytes  int // bytes per block
	floats func(dst []float32, src []byte)
	ints   func(dst *Ints, src []byte)
}

// types is the one table of types, by their numbers. Adding a type: an entry here and a
// file with its function. (ggml.h, enum ggml_type; ggml.c, type_traits.)
var types = [...]typeInfo{
	F32:     {"F32", 1, 4, floatsF32, nil},
	F16:     {"F16", 1, 2, floatsF16, nil},
	Q4_0:    {"Q4_0", 32, 18, nil, intsQ4_0},
	Q4_1:    {"Q4_1", 32, 20, nil, intsQ4_1},
	Q5_0:    {"Q5_0", 32, 22, nil, intsQ5_0},
	Q5_1:    {"Q5_1", 32, 24, nil, intsQ5_1},
	Q8_0:    {"Q8_0", 32, 34, nil, intsQ8_0},
	Q8_1:    {"Q8_1", 32, 36, nil, nil},
	Q2_K:    {"Q2_K", 256, 84, nil, intsQ2_K},
	Q3_K:    {"Q3_K", 256, 110, nil, intsQ3_K},
	Q4_K:    {"Q4_K", 256, 144, nil, intsQ4_K},
	Q5_K:    {"Q5_K", 256, 176, nil, intsQ5_K},
	Q6_K:    {"Q6_K", 256, 210, nil, intsQ6_K},
	Q8_K:    {"Q8_K", 256, 292, nil, nil},
	IQ2_XXS: {"IQ2_XXS", 256, 66, nil, intsIQ2_XXS},
	IQ2_XS:  {"IQ2_XS", 256, 74, nil, intsIQ2_XS},
	IQ3_XXS: {"IQ3_XXS", 256, 98, nil, intsIQ3_XXS},
	IQ1_S:   {"IQ1_S", 256, 50, nil, intsIQ1_S},
	IQ4_NL:  {"IQ4_NL", 32, 18, nil, intsIQ4_NL},
	IQ3_S:   {"IQ3_S", 256, 110, nil, intsIQ3_S},
	IQ2_S:   {"IQ2_S", 256, 82, nil, intsIQ2_S},
	IQ4_XS:  {"IQ4_XS", 256, 136, nil, intsIQ4_XS},
	I8:      {"I8", 1, 1, nil, nil},
	I16:     {"I16", 1, 2, nil, nil},
	I32:     {"I32", 1, 4, nil, nil},
	I64:     {"I64", 1, 8, nil, nil},
	F64:     {"F64", 1, 8, nil, nil},
	IQ1_M:   {"IQ1_M", 256, 56, nil, intsIQ1_M},
	BF16:    {"BF16", 1, 2, floatsBF16, nil},
	TQ1_0:   {"TQ1_0", 256, 54, nil, intsTQ1_0},
	TQ2_0:   {"TQ2_0", 256, 66, nil, intsTQ2_0},
	MXFP4:   {"MXFP4", 32, 17, nil, intsMXFP4},
	NVFP4:   {"NVFP4", 64, 36, nil, intsNVFP4},
	Q1_0:    {"Q1_0", 128, 18, nil, intsQ1_0},
	Q2_0:    {"Q2_0", 64, 18, nil, intsQ2_0},
}

// info is the type's entry, one without a name for a number that no type has. Kernels ask
// between rows, so it is an index, not a search.
func (t Type) info() *typeInfo {
	if t < Type(len(types)) {
		return &types[t]
	}
	return &unknown
}

var unknown typeInfo

func (t Type) String() string {
	if t.Known() {
		return t.info().name
	}
	return fmt.Sprintf("type %d", uint32(t))
}

// MarshalText lets JSON show a type as its name.
func (t Type) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// ByName finds a type by what String calls it.
var ByName = func() map[string]Type {
	m := make(map[string]Type, len(types))
	for t := range Type(len(types)) {
		if t.Known() {
			m[t.String()] = t
		}
	}
	return m
}()

// Known reports whether the type's size is known.
func (t Type) Known() bool { return t.info().name != "" }

// CanDecode reports whether Decode works for the type.
func (t Type) CanDecode() bool { ti := t.info(); return ti.floats != nil || ti.ints != nil }

// Block returns the elements and the bytes of one block; 0, 0 for an unknown type.
func (t Type) Block() (elems, bytes int) { ti := t.info(); return ti.block, ti.bytes }

// RowBytes returns the size in bytes of n elements of type t. n must be a
// multiple of the block and the result must fit in 63 bits; otherwise ok is false.
func (t Type) RowBytes(n uint64) (size uint64, ok bool) {
	ti := t.info()
	if !t.Known() || n > math.MaxInt64 || n%uint64(ti.block) != 0 {
		return 0, false
	}
	bytes, ok := safemath.Mul(int64(n)/int64(ti.block), int64(ti.bytes))
	return uint64(bytes), ok
}

// Decodable lists the types that Decode accepts, by their numbers.
func Decodable() []Type {
	var ts []Type
	for t := range Type(len(types)) {
		if t.CanDecode() {
			ts = append(ts, t)
		}
	}
	return ts
}

// DecodableTypes lists, for error messages, the types Decode accepts.
func DecodableTypes() string {
	var names []string
	for _, t := range Decodable() {
		names = append(names, t.String())
	}
	return strings.Join(names, ", ")
}

// Integers reports whether the type's blocks are integers with scales, as Unpack gives
// them; else its elements are floats.
func (t Type) Integers() bool { return t.info().ints != nil }

// Ints is a block of a type of integers, in the order of its elements:
//
//	element j = D[j/16]·Q[j] − Min[j/16]
//
// D and Min are the products d·sc and dmin·mn of the definition (model/numerics). Types
// with a scale for 32 elements have the same in both of its D and Min, and Halves is false.
type Ints struct {
	Q      [256]int8
	D      [16]float32
	Min    [16]float32
	Halves bool // a term is the sum of those of its two halves
	Mins   bool // Min is not all zeros by the format
}

// scale sets the scale of the 32 elements of group g.
func (v *Ints) scale(g int, d float32) { v.D[2*g], v.D[2*g+1] = d, d }

// minimum sets the minimum of the 32 elements of group g.
func (v *Ints) minimum(g int, m float32) { v.Min[2*g], v.Min[2*g+1], v.Mins = m, m, true }

// Unpack reads one block of a type of integers. len(src) must be its size.
func Unpack(t Type, dst *Ints, src []byte) {
	ti := t.info()
	if ti.ints == nil || len(src) != ti.bytes {
		panic(fmt.Sprintf("quant: Unpack of %d bytes of %s", len(src), t))
	}
	dst.Halves, dst.Mins = false, false
	ti.ints(dst, src)
}

// halved and least are the types whose Ints have Halves, and Mins.
var halved, least = func() (halved, least [len(types)]bool) {
	for t := range types {
		if ti := &types[t]; ti.ints != nil {
			var v Ints
			ti.ints(&v, make([]byte, ti.bytes))
			halved[t], least[t] = v.Halves, v.Mins
		}
	}
	return halved, least
}()

// Halves reports whether the type has a scale for each 16 elements, as Ints have it.
func (t Type) Halves() bool { return t < Type(len(halved)) && halved[t] }

// Mins reports whether the type has minimums, as Ints have it.
func (t Type) Mins() bool { return t < Type(len(least)) && least[t] }

// blocks are Decode's: what a function of the table is given would else be allocated
// for every call.
var blocks = sync.Pool{New: func() any { return new(Ints) }}

// Decode writes the elements of src, whole blocks of type t, to dst as float32.
// len(dst) must be the number of elements in src, and t.CanDecode() must hold:
// anything else is a programmer's mistake and panics.
//
// The products D·Q have at most 11 + 5 + 8 significant bits and are exact; only the
// difference rounds, so a compiler that fuses it changes nothing.
func Decode(t Type, dst []float32, src []byte) {
	ti := t.info()
	if !t.CanDecode() {
		panic("quant: Decode of " + t.String())
	}
	if len(dst)%ti.block != 0 || len(src) != len(dst)/ti.block*ti.bytes {
		panic(fmt.Sprintf("quant: Decode of %d elements from %d bytes of %s", len(dst), len(src), t))
	}
	if ti.floats != nil {
		ti.floats(dst, src)
		return
	}
	v := blocks.Get().(*Ints)
	defer blocks.Put(v)
	for ; len(dst) > 0; dst, src = dst[ti.block:], src[ti.bytes:] {
		v.Halves, v.Mins = false, false
		ti.ints(v, src)
		for j, q := range v.Q[:ti.block] {
			y := v.D[j/16] * float32(q)
			if v.Mins {
				y -= v.Min[j/16]
			}
			dst[j] = y
		}
	}
}
