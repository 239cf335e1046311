package gguf

import (
	"encoding/binary"
	"fmt"
	"math"
)

// ValueType is the type of a metadata value, numbered as in the file.
type ValueType uint32

const (
	Uint8 ValueType = iota
	Int8
	Uint16
	Int16
	Uint32
	Int32
	Float32
	Bool
	String
	Array
	Uint64
	Int64
	Float64
)

var valueTypes = [...]struct {
	name string
	size int // bytes of a fixed-size value; for String and Array the smallest encoding
}{
	Uint8: {"uint8", 1}, Int8: {"int8", 1}, Uint16: {"uint16", 2}, Int16: {"int16", 2},
	Uint32: {"uint32", 4}, Int32: {"int32", 4}, Float32: {"float32", 4}, Bool: {"bool", 1},
	String: {"string", 8}, Array: {"array", 12}, Uint64: {"uint64", 8}, Int64: {"int64", 8}, Float64: {"float64", 8},
}

func (t ValueType) String() string {
	if int(t) < len(valueTypes) {
		return valueTypes[t].name
	}
	return fmt.Sprintf("value type %d", uint32(t))
}

// Value is one metadata value. Its bytes stay in the mapped file and are decoded
// on demand; Parse has already walked them, so decoding cannot run past their end.
type Value struct {
	Type   ValueType
	Elem   ValueType // element type when Type is Array
	Len    int       // number of elements when Type is Array
	Offset int64     // of the payload, bytes from the start of the file
	raw    []byte    // the payload: without type, and for arrays without element type and count
}

// Uint returns any non-negative integer value.
func (v Value) Uint() (uint64, bool) { return uintOf(v.Type, v.raw) }

func uintOf(t ValueType, raw []byte) (uint64, bool) {
	var i int64
	switch t {
	case Uint8:
		return uint64(raw[0]), true
	case Uint16:
		return uint64(binary.LittleEndian.Uint16(raw)), true
	case Uint32:
		return uint64(binary.LittleEndian.Uint32(raw)), true
	case Uint64:
		return binary.LittleEndian.Uint64(raw), true
	case Int8:
		i = int64(int8(raw[0]))
	case Int16:
		i = int64(int16(binary.LittleEndian.Uint16(raw)))
	case Int32:
		i = int64(int32(binary.LittleEndian.Uint32(raw)))
	case Int64:
		i = int64(binary.LittleEndian.Uint64(raw))
	default:
		return 0, false
	}
	return uint64(i), i >= 0
}

// Float returns a float32 or float64 value.
func (v Value) Float() (float64, bool) { return floatOf(v.Type, v.raw) }

func floatOf(t ValueType, raw []byte) (float64, bool) {
	switch t {
	case Float32:
		return float64(math.Float32frombits(binary.LittleEndian.Uint32(raw))), true
	case Float64:
		return math.Float64frombits(binary.LittleEndian.Uint64(raw)), true
	}
	return 0, false
}

// Bool returns a bool value.
func (v Value) Bool() (b, ok bool) {
	if v.Type != Bool {
		return false, false
	}
	return v.raw[0] != 0, true
}

// Str returns a string value, copied.
func (v Value) Str() (string, bool) {
	if v.Type != String {
		return "", false
	}
	return string(v.raw[8:]), true
}

// Strings returns an array of strings. All share one copy of the payload, so a
// vocabulary costs two allocations.
func (v Value) Strings() ([]string, bool) {
	if v.Type != Array || v.Elem != String {
		return nil, false
	}
	all, out := string(v.raw), make([]string, v.Len)
	o := 0
	for i := range out {
		n := int(binary.LittleEndian.Uint64(v.raw[o:]))
		out[i] = all[o+8 : o+8+n]
		o += 8 + n
	}
	return out, true
}

// Uints returns an array of integers, none of them negative.
func (v Value) Uints() ([]uint64, bool) {
	if v.Type != Array || !isInt(v.Elem) {
		return nil, false
	}
	out, n := make([]uint64, v.Len), valueTypes[v.Elem].size
	for i := range out {
		u, ok := uintOf(v.Elem, v.raw[i*n:])
		if !ok {
			return nil, false
		}
		out[i] = u
	}
	return out, true
}

// Bools returns the values of an array of truth values.
func (v Value) Bools() ([]bool, bool) {
	if v.Type != Array || v.Elem != Bool {
		return nil, false
	}
	out := make([]bool, v.Len)
	for i, b := range v.raw[:v.Len] {
		out[i] = b != 0
	}
	return out, true
}

// Floats returns an array of float32 or float64.
func (v Value) Floats() ([]float64, bool) {
	if v.Type != Array || v.Elem != Float32 && v.Elem != Float64 {
		return nil, false
	}
	out, n := make([]float64, v.Len), valueTypes[v.Elem].size
	for i := range out {
		out[i], _ = floatOf(v.Elem, v.raw[i*n:])
	}
	return out, true
}

func isInt(t ValueType) bool {
	return t <= Int32 || t == Uint64 || t == Int64
}

// Any returns the value as a Go value for printing: uint64, int64, float64,
// bool, string, or for an array its first limit elements as []any.
func (v Value) Any(limit int) any {
	switch {
	case v.Type == Array:
		out := []any{}
		c := cursor{data: v.raw}
		for i := 0; i < min(limit, v.Len); i++ {
			e, err := c.value(v.Elem, 1)
			if err != nil {
				break // cannot happen: Parse walked the array
			}
			out = append(out, e.Any(limit))
		}
		return out
	case v.Type == String:
		s, _ := v.Str()
		return s
	case v.Type == Bool:
		return v.raw[0] != 0
	case isInt(v.Type):
		u, ok := v.Uint()
		if !ok {
			return int64(u)
		}
		return u
	}
	f, _ := v.Float()
	return f
}
