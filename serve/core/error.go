package core

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"eclat/engine"
	"eclat/model/chat"
	"eclat/model/grammar"
	"eclat/serve/field"
)

// Error is what an API tells its client. Its Type is of the names that OpenAI's and
// llama.cpp's servers use; other APIs have names by Status.
type Error struct {
	Status     int
	Type       string
	Code       string // "" for none
	Param      string // the path of the field that is wrong; "" for none
	Message    string
	RetryAfter int // seconds; 0 for none

	Prompt, Context int // of a prompt that is too long, in tokens; else 0
}

func (e *Error) Error() string { return e.Message }

// Errorf makes an error of a status.
func Errorf(status int, format string, args ...any) *Error {
	return &Error{Status: status, Type: typeOf(status), Message: fmt.Sprintf(format, args...)}
}

// Wrong is the error of a field.
func Wrong(path, format string, args ...any) *Error { return Of(field.Errorf(path, format, args...)) }

// ErrEnding is why a request is cancelled when the server ends.
var ErrEnding = Errorf(http.StatusServiceUnavailable, "the server ends")

// statusGone is what is logged where the client has left: nobody reads it.
const statusGone = 499

func typeOf(status int) string {
	switch status {
	case http.StatusUnauthorized:
		return "authentication_error"
	case http.StatusForbidden:
		return "permission_error"
	case http.StatusNotFound:
		return "not_found_error"
	case http.StatusTooManyRequests:
		return "rate_limit_error"
	case http.StatusNotImplemented:
		return "not_supported_error"
	case http.StatusServiceUnavailable:
		return "unavailable_error"
	}
	if status >= 500 {
		return "server_error"
	}
	return "invalid_request_error"
}

// Of is an error as clients are told it.
func Of(err error) *Error {
	var (
		own   *Error
		wrong *field.Error
		long  *engine.ContextError
		large *http.MaxBytesError
	)
	switch {
	case errors.As(err, &own):
		return own
	case errors.As(err, &wrong):
		e := Errorf(http.StatusBadRequest, "%v", err)
		e.Param = wrong.Path
		return e
	case errors.As(err, &long):
		e := Errorf(http.StatusBadRequest, "the prompt has %d tokens, the context holds %d; nothing is cut off: send less, or serve with a larger --context", long.Prompt, long.Context)
		e.Type, e.Code, e.Prompt, e.Context = "exceed_context_size_error", "context_length_exceeded", long.Prompt, long.Context
		return e
	case errors.As(err, &large):
		return Errorf(http.StatusRequestEntityTooLarge, "the body has more than %d bytes", large.Limit)
	case errors.Is(err, engine.ErrBusy):
		return busy("%v", err)
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return Errorf(statusGone, "the request was cancelled")
	case errors.Is(err, engine.ErrClosed):
		e := Errorf(http.StatusServiceUnavailable, "the model was unloaded, or the server ends")
		e.RetryAfter = 1
		return e
	case errors.Is(err, engine.ErrLost), errors.Is(err, engine.ErrMemory), errors.Is(err, engine.ErrDevice):
		e := Errorf(http.StatusServiceUnavailable, "%v", err)
		e.RetryAfter = 5
		return e
	case errors.Is(err, engine.ErrNoToken), errors.Is(err, grammar.ErrStuck), errors.Is(err, grammar.ErrAmbiguous):
		return Errorf(http.StatusBadRequest, "%v", err) // what was asked for leaves nothing to say
	case errors.Is(err, engine.ErrNoPooling):
		return Errorf(http.StatusNotImplemented, "%v; serve with --pooling to have them all the same", err)
	case errors.Is(err, chat.ErrNoTemplate):
		return Errorf(http.StatusBadRequest, "the model has no chat template; use /v1/completions, or serve with --template")
	}
	return Errorf(http.StatusInternalServerError, "%v", err)
}

// busy asks the client to come again.
func busy(format string, args ...any) *Error {
	e := Errorf(http.StatusTooManyRequests, format, args...)
	e.RetryAfter = 1
	return e
}
