package gguf

import "encoding/binary"

// Append appends the value as a file has it after its key: the type, and what the type
// says follows.
func (v Value) Append(dst []byte) []byte {
	dst = binary.LittleEndian.AppendUint32(dst, uint32(v.Type))
	if v.Type == Array {
		dst = binary.LittleEndian.AppendUint32(dst, uint32(v.Elem))
		dst = binary.LittleEndian.AppendUint64(dst, uint64(v.Len))
	}
	return append(dst, v.raw...)
}
