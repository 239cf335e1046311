package loader

import (
	"errors"

	"eclat/loader/gguf"
)

// FormatError says that a model file is not what it claims to be.
type FormatError = gguf.FormatError

// ErrFault says that mapped bytes could not be read. It is wrapped with the file's
// path, in one line.
var ErrFault = errors.New("the file was cut short or its disk failed while it was read")

// Value is a metadata value, ValueType its type.
type (
	Value     = gguf.Value
	ValueType = gguf.ValueType
)

// The types of metadata values, for users of File.Get.
const (
	Uint8   = gguf.Uint8
	Int8    = gguf.Int8
	Uint16  = gguf.Uint16
	Int16   = gguf.Int16
	Uint32  = gguf.Uint32
	Int32   = gguf.Int32
	Float32 = gguf.Float32
	Bool    = gguf.Bool
	String  = gguf.String
	Array   = gguf.Array
	Uint64  = gguf.Uint64
	Int64   = gguf.Int64
	Float64 = gguf.Float64
)
