package quantize

import "errors"

var (
	// ErrType is a type or mix that cannot be written, or a tensor's that cannot be read.
	ErrType = errors.New("unknown type")

	// ErrImportance is an importance matrix of another model.
	ErrImportance = errors.New("wrong importance matrix")

	// ErrValues is a tensor with elements that the type cannot hold.
	ErrValues = errors.New("values cannot be written")
)
