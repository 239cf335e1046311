package engine

import (
	"errors"
	"fmt"
)

var (
	// ErrDevice says that no such device exists or that it cannot be used.
	ErrDevice = errors.New("no such device")
	// ErrMemory says that the model or its key–value memory does not fit.
	ErrMemory = errors.New("not enough memory")
	// ErrLost says that a device stopped answering and could not be brought back.
	ErrLost = errors.New("the device was lost")
	// ErrNaN says that the model's output was not a number for any token: a
	// damaged file or a faulty device.
	ErrNaN = errors.New("the model's output is not a number")
)

// ContextError says that a prompt is longer than the context.
type ContextError struct{ Prompt, Context int } // in tokens

func (e *ContextError) Error() string {
	return fmt.Sprintf("the prompt has %d tokens, the context holds %d; give a shorter prompt or a larger context (-c)", e.Prompt, e.Context)
}
