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

// loader is the Vulkan loader library. Its lock is held while instances and devices
// are made and ended.
var loader struct {
	sync.Mutex
	getProc unsafe.Pointer // vkGetInstanceProcAddr; nil until the library is open
	root    *instance      // nil until there is one
}

// load opens the library and makes the root instance, once. vulkan-go keeps its
// functions in global variables that Init sets to nil for a moment, so it runs
// before there is any device, and never again; the functions are those of the root
// instance, which lives as long as the process. The caller holds loader's lock.
func load() error {
	if loader.root != nil {
		return nil
	}
	if loader.getProc == nil {
		if loader.getProc = C.ev_load(); loader.getProc == nil {
			return fmt.Errorf("vk: no Vulkan loader library is installed: %w", ErrNoVulkan)
		}
	}
	vulkan.SetGetInstanceProcAddr(loader.getProc)
	if err := vulkan.Init(); err != nil {
		return fmt.Errorf("vk: %v: %w", err, ErrNoVulkan)
	}
	root, err := makeInstance(Options{})
	if err != nil {
		return err
	}
	if err := vulkan.InitInstance(root.handle); err != nil {
		return fmt.Errorf("vk: %v: %w", err, ErrNoVulkan)
	}
	loader.root = root
	return nil
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

// makeInstance makes an instance. The caller holds loader's lock.
func makeInstance(opt Options) (*instance, error) {
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
	if err := load(); err != nil {
		return nil, err
	}
	n := loader.root
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
