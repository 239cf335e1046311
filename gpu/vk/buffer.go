//go:build cgo && !novulkan

package vk

/*
#include "shim.h"
*/
import "C"

import (
	"fmt"
	"unsafe"

	vulkan "github.com/vulkan-go/vulkan"
)

// Buffer is a buffer with memory of its own.
type Buffer struct {
	d      *Device
	name   string
	handle vulkan.Buffer
	size   int64
	mapped unsafe.Pointer // nil where the host can't reach it
	cached bool           // and it is fast to read
	end    func()
}

// NewBuffer makes a buffer of size bytes. Its contents are undefined. It never
// falls back from the device's own memory to the host's.
func (d *Device) NewBuffer(name string, size int64, use Use) (*Buffer, error) {
	if most := min(d.info.Limits.MaxBuffer, d.info.Limits.MaxAllocation); size <= 0 || size > most {
		return nil, fmt.Errorf("vk: buffer %s of %d bytes, the device takes 1 to %d: %w", name, size, most, ErrNotSupported)
	}
	size = (size + 255) &^ 255 // so that a last binding can be rounded up
	ci := vulkan.BufferCreateInfo{
		SType: vulkan.StructureTypeBufferCreateInfo,
		Size:  vulkan.DeviceSize(size),
		Usage: vulkan.BufferUsageFlags(vulkan.BufferUsageStorageBufferBit | vulkan.BufferUsageUniformTexelBufferBit |
			vulkan.BufferUsageTransferSrcBit | vulkan.BufferUsageTransferDstBit | vulkan.BufferUsageIndirectBufferBit),
	}
	var handle vulkan.Buffer // a local: C must not be given memory that holds pointers of Go
	r := vulkan.CreateBuffer(d.handle, &ci, nil, &handle)
	ci.Free()
	b := &Buffer{d: d, name: name, handle: handle, size: size}
	if r != 0 {
		return nil, fail("vkCreateBuffer", fmt.Sprintf("%s (%d bytes)", name, size), int32(r))
	}
	var need vulkan.MemoryRequirements
	vulkan.GetBufferMemoryRequirements(d.handle, b.handle, &need)
	need.Deref()
	defer need.Free()

	var memory vulkan.DeviceMemory
	kind, err := -1, fmt.Errorf("vk: buffer %s: no memory for use %s: %w", name, use, ErrNotSupported)
	for _, t := range d.memoryTypes(use) {
		if need.MemoryTypeBits&(1<<t) == 0 {
			continue
		}
		ai := vulkan.MemoryAllocateInfo{SType: vulkan.StructureTypeMemoryAllocateInfo, AllocationSize: need.Size, MemoryTypeIndex: uint32(t)}
		r := vulkan.AllocateMemory(d.handle, &ai, nil, &memory)
		ai.Free()
		if r == 0 {
			kind = t
			break
		}
		err = fail("vkAllocateMemory", fmt.Sprintf("%s (%d bytes)", name, size), int32(r))
	}
	if kind < 0 {
		vulkan.DestroyBuffer(d.handle, b.handle, nil)
		return nil, err
	}
	bytes := int64(need.Size)
	d.memory.Add(bytes)
	b.end = d.own(func() {
		vulkan.DestroyBuffer(d.handle, b.handle, nil)
		vulkan.FreeMemory(d.handle, memory, nil) // unmaps
		b.mapped = nil
		d.memory.Add(-bytes)
	})
	if r := vulkan.BindBufferMemory(d.handle, b.handle, memory, 0); r != 0 {
		b.Close()
		return nil, fail("vkBindBufferMemory", name, int32(r))
	}
	if d.info.Memory[kind].Visible {
		var p unsafe.Pointer
		if r := vulkan.MapMemory(d.handle, memory, 0, vulkan.DeviceSize(vulkan.WholeSize), 0, &p); r != 0 {
			b.Close()
			return nil, fail("vkMapMemory", name, int32(r))
		}
		b.mapped, b.cached = p, d.info.Memory[kind].Cached
	}
	return b, nil
}

// memoryTypes lists the memory types that suit a use, best first. Mapped memory is
// always coherent, so that nothing needs flushing.
func (d *Device) memoryTypes(use Use) []int {
	// The whole of the device's memory is mapped on integrated and software devices
	// and on cards with a resizable window; the small window of others is kept for Shared.
	var largest int64
	for _, h := range d.info.Heaps {
		if h.Device {
			largest = max(largest, h.Size)
		}
	}
	var lists [3][]int
	for i, t := range d.info.Memory {
		mapped, rank := t.Visible && t.Coherent, -1
		switch use {
		case OnDevice:
			switch {
			case !t.Device || d.info.Heaps[t.Heap].Size < largest:
			case mapped && t.Cached:
				rank = 0
			case mapped:
				rank = 1
			case !t.Visible:
				rank = 2
			}
		case Upload:
			if mapped {
				rank = rankIf(t.Device, 1)
			}
		case Shared:
			if mapped {
				rank = rankIf(!t.Device, 1)
			}
		case Readback:
			if mapped {
				rank = rankIf(!t.Cached, 1) + rankIf(t.Device, 1)
			}
		}
		if rank >= 0 {
			lists[rank] = append(lists[rank], i)
		}
	}
	return append(append(lists[0], lists[1]...), lists[2]...)
}

func rankIf(worse bool, by int) int {
	if worse {
		return by
	}
	return 0
}

// Name returns the name that the buffer was made with.
func (b *Buffer) Name() string { return b.name }

// Size returns the buffer's size in bytes, as asked for and rounded up to 256.
func (b *Buffer) Size() int64 { return b.size }

// Bytes returns the buffer's memory where it is mapped, else nil. It must not be
// used after Close.
func (b *Buffer) Bytes() []byte { return mappedAs[byte](b) }

// Words returns the same memory as 32-bit words.
func (b *Buffer) Words() []uint32 { return mappedAs[uint32](b) }

// Floats returns the same memory as 32-bit floats.
func (b *Buffer) Floats() []float32 { return mappedAs[float32](b) }

// Readable reports whether the memory is mapped and fast for the host to read.
func (b *Buffer) Readable() bool { return b.mapped != nil && b.cached }

func mappedAs[T any](b *Buffer) []T {
	if b.mapped == nil {
		return nil
	}
	var one T
	return unsafe.Slice((*T)(b.mapped), b.size/int64(unsafe.Sizeof(one)))
}

// Close frees the buffer and its memory.
func (b *Buffer) Close() { b.end() }

func (b *Buffer) c() C.ev_object { return object(b.handle) }
