package gpu

import (
	"errors"
	"fmt"

	"eclat/gpu/vk"
	"eclat/model"
)

// LostError says that the device was lost, and what it was asked to do. It is a
// model.ErrLost: the backend is of no use afterwards but to be closed; a new one may
// be opened on the same device.
type LostError struct {
	Device      string
	Submit      int    // counted from the opening of the device
	First, Last string // the tensors that the submit's first and last steps write
	Err         error
}

func (e *LostError) Error() string {
	if e.First == "" {
		return fmt.Sprintf("gpu: %s: submit %d: %v", e.Device, e.Submit, e.Err)
	}
	return fmt.Sprintf("gpu: %s: submit %d, steps %s to %s: %v", e.Device, e.Submit, e.First, e.Last, e.Err)
}

func (e *LostError) Unwrap() []error { return []error{e.Err, model.ErrLost} }

// vkError is an error of package vk that also is one of model's.
type vkError struct {
	error
	is error
}

func (e vkError) Unwrap() []error { return []error{e.error, e.is} }

// errWrong says that a device cannot be used, as one that is not there cannot.
var errWrong = vkError{errors.New("no kernel takes its place"), model.ErrNoDevice}

// named marks what package vk says with what model calls it.
func named(err error) error {
	for _, pair := range [...]struct{ vk, model error }{
		{vk.ErrDeviceLost, model.ErrLost},
		{vk.ErrOutOfDeviceMemory, model.ErrNoMemory},
		{vk.ErrOutOfHostMemory, model.ErrNoMemory},
		{vk.ErrNoVulkan, model.ErrNoDevice},
	} {
		if errors.Is(err, pair.vk) && !errors.Is(err, pair.model) {
			return vkError{err, pair.model}
		}
	}
	return err
}

// errorf is fmt.Errorf for what comes from package vk.
func errorf(format string, args ...any) error { return named(fmt.Errorf("gpu: "+format, args...)) }
