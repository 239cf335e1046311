//go:build cgo && !novulkan

package vk

import "fmt"

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
	if subject != "" {
		call += " " + subject
	}
	return fmt.Errorf("vk: %s: %w", call, err)
}
