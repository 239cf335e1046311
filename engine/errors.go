package engine

import (
	"errors"
	"fmt"

	"eclat/model"
)

// What a device answers with, for users of this package.
var (
	ErrDevice = model.ErrNoDevice // no such device, or it cannot be used
	ErrMemory = model.ErrNoMemory // the model or its memory does not fit
	ErrLost   = model.ErrLost     // a device stopped answering and could not be brought back
)

var (
	// ErrNotFinite says that the model's output has a NaN or an infinity in it: a
	// damaged file or a faulty device.
	ErrNotFinite = errors.New("the model's output is not a finite number")
	// ErrNoPooling says that a model does not say how its embeddings are made.
	ErrNoPooling = errors.New("the model is not made for embeddings")
	// ErrNoToken says that the logit biases and Request.Allow leave no token to choose.
	ErrNoToken = errors.New("no token may be chosen")
	// ErrBusy says that as many requests wait as may.
	ErrBusy = errors.New("too many requests are waiting")
	// ErrForeign says that a session is of another model, definition of numbers or template:
	// its memory is of no use here.
	ErrForeign = errors.New("the session is another's")
	// ErrDamaged says that a session is not whole.
	ErrDamaged = errors.New("the session is damaged")
	// ErrSlow says that a placement on several machines was predicted to be of little use.
	ErrSlow = errors.New("these machines together are slow")
	// ErrNoRoom says that memory has no free unit for a page that was kept.
	ErrNoRoom = errors.New("no room is left for a page that was kept")
	// ErrClosed says that the engine was closed.
	ErrClosed = errors.New("the engine is closed")
)

// ContextError says that a prompt is longer than the context.
type ContextError struct{ Prompt, Context int } // in tokens

func (e *ContextError) Error() string {
	return fmt.Sprintf("the prompt has %d tokens, the context holds %d; give a shorter prompt or a larger context (-c)", e.Prompt, e.Context)
}
