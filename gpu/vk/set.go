//go:build cgo && !novulkan

package vk

/*
#include "shim.h"
*/
import "C"

import (
	"fmt"

	vulkan "github.com/vulkan-go/vulkan"
)

// Set is a descriptor set: what a dispatch reads and writes.
type Set struct {
	set C.ev_object
	end func()
}

// setPool is a descriptor pool and the room left in it.
type setPool struct {
	handle               C.ev_object
	sets, storage, texel int
}

// Room of one pool; an average set has four storage and two texel buffers.
const (
	poolSets    = 256
	poolStorage = 4 * poolSets
	poolTexel   = 2 * poolSets
)

// NewSet makes the descriptor set of p for the bindings b, storage buffers first,
// and writes it, once.
func (d *Device) NewSet(p *Pipeline, b []Binding) (*Set, error) {
	l := p.layout
	if len(b) != l.Storage+l.Texel {
		return nil, fmt.Errorf("vk: %d bindings for %s, which has %d", len(b), p.name, l.Storage+l.Texel)
	}
	var buffers, views [32]C.ev_object
	var offsets, sizes [32]C.uint64_t
	var made []C.ev_object
	dropViews := func() {
		for _, v := range made {
			vulkan.DestroyBufferView(d.handle, handle[vulkan.BufferView](v), nil)
		}
	}
	for i, x := range b {
		texel := i >= l.Storage
		align, most := d.info.Limits.StorageAlign, d.info.Limits.MaxStorageRange
		if texel {
			align, most = max(16, d.info.Limits.TexelAlign), d.info.Limits.MaxTexelElements*16
		}
		if x.Offset%align != 0 || x.Size <= 0 || x.Size > most || x.Offset+x.Size > x.Buffer.size || texel && x.Size%16 != 0 {
			dropViews()
			return nil, fmt.Errorf("vk: binding %d of %s: %d bytes at %d of %s (%d bytes) is not a range the device can bind",
				i, p.name, x.Size, x.Offset, x.Buffer.name, x.Buffer.size)
		}
		if !texel {
			buffers[i], offsets[i], sizes[i] = x.Buffer.c(), C.uint64_t(x.Offset), C.uint64_t(x.Size)
			continue
		}
		v := &views[i-l.Storage]
		if r := C.ev_view(d.c, x.Buffer.c(), C.uint64_t(x.Offset), C.uint64_t(x.Size), v); r != 0 {
			dropViews()
			return nil, fail("vkCreateBufferView", x.Buffer.name, int32(r))
		}
		made = append(made, *v)
	}
	pool, set, err := d.allocateSet(p)
	if err != nil {
		dropViews()
		return nil, err
	}
	s := &Set{}
	s.end = d.own(func() {
		C.ev_free_set(d.c, pool.handle, set)
		pool.sets, pool.storage, pool.texel = pool.sets+1, pool.storage+l.Storage, pool.texel+l.Texel
		dropViews()
	})
	if r := C.ev_write(d.c, set, C.uint32_t(l.Storage), &buffers[0], &offsets[0], &sizes[0], C.uint32_t(l.Texel), &views[0]); r != 0 {
		s.Close()
		return nil, fail("vkUpdateDescriptorSets", p.name, int32(r))
	}
	s.set = set
	return s, nil
}

// allocateSet takes a set from the first pool with room, or from a new one.
func (d *Device) allocateSet(p *Pipeline) (*setPool, C.ev_object, error) {
	l := p.layout
	var set C.ev_object
	for i := 0; ; i++ {
		if i == len(d.pools) {
			pool := &setPool{sets: poolSets, storage: poolStorage, texel: poolTexel}
			if r := C.ev_pool(d.c, poolSets, poolStorage, poolTexel, &pool.handle); r != 0 {
				return nil, 0, fail("vkCreateDescriptorPool", p.name, int32(r))
			}
			d.own(func() { vulkan.DestroyDescriptorPool(d.handle, handle[vulkan.DescriptorPool](pool.handle), nil) })
			d.pools = append(d.pools, pool)
		}
		pool := d.pools[i]
		if pool.sets == 0 || pool.storage < l.Storage || pool.texel < l.Texel {
			continue
		}
		r := int32(C.ev_set(d.c, pool.handle, p.c.set, &set))
		const fragmented, exhausted = -12, -1000069000
		if (r == fragmented || r == exhausted) && pool.sets < poolSets {
			continue
		}
		if r != 0 {
			return nil, 0, fail("vkAllocateDescriptorSets", p.name, r)
		}
		pool.sets, pool.storage, pool.texel = pool.sets-1, pool.storage-l.Storage, pool.texel-l.Texel
		return pool, set, nil
	}
}

// Close frees the set.
func (s *Set) Close() { s.end() }
