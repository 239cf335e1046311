//go:build cgo && !novulkan

package vk

/*
#include "shim.h"
*/
import "C"

import (
	"container/list"
	"fmt"
	"sync"
	"sync/atomic"
	"unsafe"

	vulkan "github.com/vulkan-go/vulkan"
)

// Device is an open device with one compute queue.
type Device struct {
	info     Info
	query    *C.ev_info
	inst     *instance
	physical vulkan.PhysicalDevice
	handle   vulkan.Device
	c        *C.ev_device
	queue    sync.Mutex // held while submitting
	commands vulkan.CommandPool
	pools    []*setPool
	cache    C.ev_object
	opt      Options
	loaded   int          // bytes of the pipeline cache as it was read
	memory   atomic.Int64 // bytes allocated
	owned    sync.Mutex   // guards live
	live     list.List    // clean-up of live objects in the order of their making, func()
}

// own remembers how to end an object; the returned function ends it once.
func (d *Device) own(end func()) func() {
	d.owned.Lock()
	defer d.owned.Unlock()
	e := d.live.PushBack(end)
	return func() {
		d.owned.Lock()
		mine := e != nil && e.Value != nil
		if mine {
			d.live.Remove(e)
			e.Value, e = nil, nil
		}
		d.owned.Unlock()
		if mine {
			end()
		}
	}
}

// Open opens the device that info describes.
func Open(info Info, opt Options) (*Device, error) {
	loader.Lock()
	defer loader.Unlock()
	if err := load(); err != nil {
		return nil, err
	}
	inst, err := makeInstance(opt)
	if err != nil {
		return nil, err
	}
	d := &Device{inst: inst, opt: opt}
	if err := d.open(info); err != nil {
		d.close()
		return nil, err
	}
	return d, nil
}

func (d *Device) open(info Info) error {
	devices, err := d.inst.physical()
	if err != nil {
		return err
	}
	// Layers may reorder devices, so the number only breaks ties between equals.
	found := -1
	for i, dev := range devices {
		now, q, err := d.inst.query(dev)
		if err != nil {
			return err
		}
		if now == nil || now.UUID != info.UUID || now.Name != info.Name || (found >= 0 && i != info.Index) {
			continue
		}
		now.Index, found = info.Index, i
		d.info, d.query, d.physical = *now, q, dev
	}
	if found < 0 {
		return fmt.Errorf("vk: the device %s is gone: %w", info.Name, ErrNoVulkan)
	}
	var handle C.ev_handle
	r := C.ev_open(loader.getProc, d.inst.c(), C.ev_handle(unsafe.Pointer(d.physical)), C.uint32_t(d.info.API), d.query, &d.c, &handle)
	if r != 0 {
		return fail("vkCreateDevice", d.info.Name, int32(r))
	}
	d.handle = *(*vulkan.Device)(unsafe.Pointer(&handle))
	ci := vulkan.CommandPoolCreateInfo{SType: vulkan.StructureTypeCommandPoolCreateInfo, QueueFamilyIndex: uint32(d.query.queue_family)}
	var commands vulkan.CommandPool // a local: C must not be given memory that holds pointers of Go
	r2 := vulkan.CreateCommandPool(d.handle, &ci, nil, &commands)
	ci.Free()
	d.commands = commands
	if r2 != 0 {
		return fail("vkCreateCommandPool", d.info.Name, int32(r2))
	}
	d.own(func() { vulkan.DestroyCommandPool(d.handle, d.commands, nil) })
	return d.openCache()
}

// Info describes the device as it was when it was opened.
func (d *Device) Info() Info { return d.info }

// Validating reports whether the validation layer was asked for and found.
func (d *Device) Validating() bool { return d.inst.validating }

// Memory returns the bytes of device and host memory that live buffers hold. Any
// goroutine may ask at any time.
func (d *Device) Memory() int64 { return d.memory.Load() }

// Budget returns the heaps as they are now.
func (d *Device) Budget() []Heap {
	q := *d.query
	C.ev_budget(loader.getProc, d.inst.c(), C.ev_handle(unsafe.Pointer(d.physical)), &q)
	return heaps(&q)
}

// Close waits for the device, ends all that is left on it, newest first, writes the
// pipeline cache and ends the device. An error says that the cache was not written.
func (d *Device) Close() error {
	loader.Lock()
	defer loader.Unlock()
	return d.close()
}

func (d *Device) close() error {
	var err error
	if d.c != nil {
		vulkan.DeviceWaitIdle(d.handle) // a lost device fails here and can still be ended
		err = d.saveCache()
		for e := d.live.Back(); e != nil; e = d.live.Back() {
			end := e.Value.(func())
			d.live.Remove(e)
			e.Value = nil // a Close that comes later does nothing
			end()
		}
		C.ev_close(d.c)
		d.c = nil
	}
	if d.inst != nil {
		d.inst.close()
		d.inst = nil
	}
	return err
}

// object converts a handle of vulkan-go, which is 64 bits wide like all handles here.
func object[T any](h T) C.ev_object { return *(*C.ev_object)(unsafe.Pointer(&h)) }
