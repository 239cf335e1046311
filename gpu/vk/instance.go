//go:build cgo && !novulkan

package vk

/*
#cgo linux LDFLAGS: -ldl
#cgo CFLAGS: -O2 -Wall -Wno-missing-field-initializers
#include "shim.h"
*/
import "C"

import (
	"fmt"
	"runtime/cgo"
	"sync"
	"unsafe"

	vulkan "github.com/vulkan-go/vulkan"
)

// Available reports whether this program was built with Vulkan.
const Available = true

// loader is the Vulkan loader library; instances are made and ended under its lock,
// because vulkan-go keeps its functions in global variables.
var loader struct {
	sync.Mutex
	tried   bool
	getProc unsafe.Pointer // vkGetInstanceProcAddr; nil where there is no library
}

// instance is a VkInstance and what it needs to end.
type instance struct {
	handle     vulkan.Instance
	messenger  C.ev_object
	api        uint32
	validating bool
	listener   cgo.Handle // of the func(string) that gets messages; 0 for none
}

//export evMessage
func evMessage(user C.uintptr_t, severity C.uint32_t, message *C.char) {
	cgo.Handle(user).Value().(func(string))(C.GoString(message))
}

// newInstance opens the library where that is still to do and makes an instance.
// The caller holds loader's lock.
func newInstance(opt Options) (*instance, error) {
	if !loader.tried {
		loader.tried = true
		loader.getProc = C.ev_load()
	}
	if loader.getProc == nil {
		return nil, fmt.Errorf("vk: no Vulkan loader library is installed: %w", ErrNoVulkan)
	}
	vulkan.SetGetInstanceProcAddr(loader.getProc)
	if err := vulkan.Init(); err != nil {
		return nil, fmt.Errorf("vk: %v: %w", err, ErrNoVulkan)
	}
	n := &instance{}
	if opt.OnMessage != nil {
		n.listener = cgo.NewHandle(opt.OnMessage)
	}
	var handle C.ev_handle
	var api C.uint32_t
	var validating, validation C.int
	if opt.Validation {
		validation = 1
	}
	r := C.ev_make_instance(loader.getProc, validation, C.uintptr_t(n.listener), &handle, &n.messenger, &api, &validating)
	if r != 0 {
		n.close()
		return nil, fmt.Errorf("%w: %w", fail("vkCreateInstance", "", int32(r)), ErrNoVulkan)
	}
	n.handle, n.api, n.validating = *(*vulkan.Instance)(unsafe.Pointer(&handle)), uint32(api), validating != 0
	if err := vulkan.InitInstance(n.handle); err != nil {
		n.close()
		return nil, fmt.Errorf("vk: %v: %w", err, ErrNoVulkan)
	}
	return n, nil
}

func (n *instance) c() C.ev_handle { return C.ev_handle(unsafe.Pointer(n.handle)) }

// close ends the instance. The caller holds loader's lock.
func (n *instance) close() {
	if n.handle != nil {
		C.ev_destroy_messenger(loader.getProc, n.c(), n.messenger)
		vulkan.DestroyInstance(n.handle, nil)
	}
	if n.listener != 0 {
		n.listener.Delete()
	}
}

// physical lists the instance's devices.
func (n *instance) physical() ([]vulkan.PhysicalDevice, error) {
	var count uint32
	if r := vulkan.EnumeratePhysicalDevices(n.handle, &count, nil); r != 0 {
		return nil, fail("vkEnumeratePhysicalDevices", "", int32(r))
	}
	if count == 0 {
		return nil, nil
	}
	devices := make([]vulkan.PhysicalDevice, count)
	if r := vulkan.EnumeratePhysicalDevices(n.handle, &count, devices); r < 0 {
		return nil, fail("vkEnumeratePhysicalDevices", "", int32(r))
	}
	return devices[:count], nil
}

// Enumerate describes every device that can compute. It returns ErrNoVulkan where
// there is no Vulkan, and an empty list where Vulkan has no device.
func Enumerate() ([]Info, error) {
	loader.Lock()
	defer loader.Unlock()
	n, err := newInstance(Options{})
	if err != nil {
		return nil, err
	}
	defer n.close()
	devices, err := n.physical()
	if err != nil {
		return nil, err
	}
	var infos []Info
	for i, dev := range devices {
		info, _, err := n.query(dev)
		if err != nil {
			return nil, err
		}
		if info != nil {
			info.Index = i
			infos = append(infos, *info)
		}
	}
	return infos, nil
}
