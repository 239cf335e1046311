package vk

import (
	"errors"
	"fmt"
)

// The faults a caller can do something about. Errors of this package wrap them
// with the call and its subject.
var (
	ErrNoVulkan          = errors.New("Vulkan is not available")
	ErrDeviceLost        = errors.New("the device was lost")
	ErrOutOfDeviceMemory = errors.New("out of device memory")
	ErrOutOfHostMemory   = errors.New("out of host memory")
	ErrNotSupported      = errors.New("not supported by the device")
)

// result is a VkResult as an error.
type result int32

var resultNames = map[result]string{
	-3: "initialization failed", -5: "memory map failed", -6: "layer not present",
	-7: "extension not present", -8: "feature not present", -9: "incompatible driver",
	-10: "too many objects", -11: "format not supported", -12: "fragmented pool",
	-13: "unknown error", -1000069000: "out of pool memory", -1000012000: "invalid shader",
}

func (r result) Error() string {
	if s, ok := resultNames[r]; ok {
		return s
	}
	return fmt.Sprintf("VkResult %d", int32(r))
}

// fail wraps a failed call's result with the call and its subject; nil for success.
func fail(call, subject string, r int32) error {
	var err error
	switch r {
	case 0:
		return nil
	case -1:
		err = ErrOutOfHostMemory
	case -2:
		err = ErrOutOfDeviceMemory
	case -4:
		err = ErrDeviceLost
	default:
		err = result(r)
	}
	return fmt.Errorf("vk: %s %s: %w", call, subject, err)
}
