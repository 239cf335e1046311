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

// Pipeline is a compiled shader with its interface.
type Pipeline struct {
	d      *Device
	name   string
	layout Layout
	c      struct{ set, layout, pipeline C.ev_object }
	end    func()
}

// NewPipeline compiles a shader for its specialization constants 0…len(spec)−1. A
// subgroup above 0 asks for full subgroups of that size; a device that can't
// promise them gives ErrNotSupported, unless it has only that size.
func (d *Device) NewPipeline(name string, spirv []byte, layout Layout, spec []uint32, subgroup uint32) (*Pipeline, error) {
	l := &d.info.Limits
	switch {
	case len(spirv) == 0 || len(spirv)%4 != 0:
		return nil, fmt.Errorf("vk: pipeline %s: %d bytes are not SPIR-V", name, len(spirv))
	case layout.Storage > l.MaxStorageBindings || layout.Texel > l.MaxTexelBindings || layout.PushWords*4 > l.MaxPush || layout.Storage+layout.Texel > 32 || len(spec) > 32:
		return nil, fmt.Errorf("vk: pipeline %s: %d+%d bindings, %d push words and %d constants are too many: %w",
			name, layout.Storage, layout.Texel, layout.PushWords, len(spec), ErrNotSupported)
	}
	full := C.int(0)
	if subgroup > 0 {
		switch {
		case d.info.Features.SubgroupSize && int(subgroup) >= l.SubgroupMin && int(subgroup) <= l.SubgroupMax:
			full = 1
		case int(subgroup) == l.Subgroup && l.SubgroupMin == l.SubgroupMax:
			subgroup = 0
		default:
			return nil, fmt.Errorf("vk: pipeline %s: subgroups of %d: %w", name, subgroup, ErrNotSupported)
		}
	}
	code := make([]uint32, len(spirv)/4) // embedded bytes need not be aligned
	copy(unsafe.Slice((*byte)(unsafe.Pointer(&code[0])), len(spirv)), spirv)
	p := &Pipeline{d: d, name: name, layout: layout}
	r := C.ev_pipeline(d.c, d.cache, (*C.uint32_t)(unsafe.Pointer(&code[0])), C.size_t(len(spirv)),
		C.uint32_t(layout.Storage), C.uint32_t(layout.Texel), C.uint32_t(layout.PushWords),
		words(spec), C.uint32_t(len(spec)), C.uint32_t(subgroup), full, &p.c.set, &p.c.layout, &p.c.pipeline)
	if r != 0 {
		return nil, fail("vkCreateComputePipelines", name, int32(r))
	}
	p.end = d.own(func() {
		vulkan.DestroyPipeline(d.handle, handle[vulkan.Pipeline](p.c.pipeline), nil)
		vulkan.DestroyPipelineLayout(d.handle, handle[vulkan.PipelineLayout](p.c.layout), nil)
		vulkan.DestroyDescriptorSetLayout(d.handle, handle[vulkan.DescriptorSetLayout](p.c.set), nil)
	})
	return p, nil
}

// Name returns the name that the pipeline was made with.
func (p *Pipeline) Name() string { return p.name }

// Close frees the pipeline. Its sets may be closed before or after.
func (p *Pipeline) Close() { p.end() }

// words passes a slice to C.
func words(w []uint32) *C.uint32_t {
	if len(w) == 0 {
		return nil
	}
	return (*C.uint32_t)(unsafe.Pointer(&w[0]))
}

// handle converts to a handle of vulkan-go; see object.
func handle[T any](o C.ev_object) T { return *(*T)(unsafe.Pointer(&o)) }
