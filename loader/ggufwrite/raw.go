package ggufwrite

import (
	"encoding/binary"
	"fmt"
	"reflect"

	"eclat/loader/gguf"
	"eclat/loader/quant"
)

// Raw is a file under construction, field by field. The zero Raw is empty.
type Raw struct{ buf []byte }

// Len returns the number of bytes so far: the offset of the next field.
func (r *Raw) Len() int { return len(r.buf) }

// Bytes returns what was written. It shares memory with r.
func (r *Raw) Bytes() []byte { return r.buf }

// Append writes b as it is.
func (r *Raw) Append(b ...byte) { r.buf = append(r.buf, b...) }

// U32 writes a little-endian 32-bit field.
func (r *Raw) U32(v uint32) { r.buf = binary.LittleEndian.AppendUint32(r.buf, v) }

// U64 writes a little-endian 64-bit field.
func (r *Raw) U64(v uint64) { r.buf = binary.LittleEndian.AppendUint64(r.buf, v) }

// Str writes a string: its length in bytes, then the bytes.
func (r *Raw) Str(s string) {
	r.U64(uint64(len(s)))
	r.buf = append(r.buf, s...)
}

// Pad writes zeros up to a multiple of alignment bytes.
func (r *Raw) Pad(alignment int) {
	for len(r.buf)%alignment != 0 {
		r.buf = append(r.buf, 0)
	}
}

// Header writes the magic, the version and the two counts.
func (r *Raw) Header(version uint32, tensors, keys uint64) {
	r.Append([]byte("GGUF")...)
	r.U32(version)
	r.U64(tensors)
	r.U64(keys)
}

// KV writes a metadata key, its value's type and the value. The Go type chooses
// the GGUF type: any sized number, bool, string, and slices of these or of
// slices for arrays.
func (r *Raw) KV(key string, value any) {
	r.Str(key)
	v := reflect.ValueOf(value)
	r.U32(uint32(valueType(v.Type())))
	r.payload(v)
}

// TensorInfo writes the description of a tensor. dims are in elements, innermost
// first; offset is in bytes from the start of the data section.
func (r *Raw) TensorInfo(name string, dims []uint64, t quant.Type, offset uint64) {
	r.Str(name)
	r.U32(uint32(len(dims)))
	for _, d := range dims {
		r.U64(d)
	}
	r.U32(uint32(t))
	r.U64(offset)
}

// payload writes a value without its type.
func (r *Raw) payload(v reflect.Value) {
	switch v.Kind() {
	case reflect.String:
		r.Str(v.String())
	case reflect.Slice:
		r.U32(uint32(valueType(v.Type().Elem())))
		r.U64(uint64(v.Len()))
		for i := range v.Len() {
			r.payload(v.Index(i))
		}
	default:
		b, err := binary.Append(r.buf, binary.LittleEndian, v.Interface())
		if err != nil {
			panic(fmt.Sprintf("ggufwrite: %s: %v", v.Type(), err))
		}
		r.buf = b
	}
}

// valueType returns the GGUF type that a Go type is written as.
func valueType(t reflect.Type) gguf.ValueType {
	switch t.Kind() {
	case reflect.Uint8:
		return gguf.Uint8
	case reflect.Int8:
		return gguf.Int8
	case reflect.Uint16:
		return gguf.Uint16
	case reflect.Int16:
		return gguf.Int16
	case reflect.Uint32:
		return gguf.Uint32
	case reflect.Int32:
		return gguf.Int32
	case reflect.Uint64:
		return gguf.Uint64
	case reflect.Int64:
		return gguf.Int64
	case reflect.Float32:
		return gguf.Float32
	case reflect.Float64:
		return gguf.Float64
	case reflect.Bool:
		return gguf.Bool
	case reflect.String:
		return gguf.String
	case reflect.Slice:
		return gguf.Array
	}
	panic(fmt.Sprintf("ggufwrite: a metadata value cannot be a Go %s; numbers need a size, as in uint32", t))
}
