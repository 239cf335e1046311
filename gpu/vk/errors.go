package vk

import "errors"

// The faults a caller can do something about. Errors of this package wrap them
// with the call and its subject.
var (
	ErrNoVulkan          = errors.New("no Vulkan is available")
	ErrDeviceLost        = errors.New("the device was lost")
	ErrOutOfDeviceMemory = errors.New("out of device memory")
	ErrOutOfHostMemory   = errors.New("out of host memory")
	ErrNotSupported      = errors.New("not supported by the device")
)
