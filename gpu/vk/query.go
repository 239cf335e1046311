//go:build cgo && !novulkan

package vk

/*
#include "shim.h"
*/
import "C"

import (
	"strings"
	"unsafe"

	vulkan "github.com/vulkan-go/vulkan"
)

// query describes a device; nil for one that cannot compute or is older than Vulkan 1.1.
func (n *instance) query(dev vulkan.PhysicalDevice) (*Info, *C.ev_info, error) {
	var p vulkan.PhysicalDeviceProperties
	vulkan.GetPhysicalDeviceProperties(dev, &p)
	p.Deref()
	p.Limits.Deref()
	defer p.Free()
	api := min(p.ApiVersion, n.api)
	if api < 1<<22|1<<12 {
		return nil, nil, nil
	}
	q := new(C.ev_info)
	if r := C.ev_query(loader.getProc, n.c(), C.ev_handle(unsafe.Pointer(dev)), C.uint32_t(api), q); r != 0 {
		return nil, nil, fail("vkGetPhysicalDeviceFeatures2", vulkan.ToString(p.DeviceName[:]), int32(r))
	}
	if q.queue_family == 1<<32-1 {
		return nil, nil, nil
	}
	info := &Info{
		Name:          vulkan.ToString(p.DeviceName[:]),
		Type:          Type(min(uint32(p.DeviceType), uint32(Software))),
		Driver:        strings.TrimSpace(C.GoString(&q.driver[0]) + " " + C.GoString(&q.driver_info[0])),
		DriverVersion: p.DriverVersion,
		API:           api,
		VendorID:      p.VendorID,
		DeviceID:      p.DeviceID,
		UUID:          *(*[16]byte)(unsafe.Pointer(&q.uuid)),
		DriverUUID:    *(*[16]byte)(unsafe.Pointer(&q.driver_uuid)),
		Heaps:         heaps(q),
	}
	for i := range int(q.types) {
		f := q.type_flags[i]
		info.Memory = append(info.Memory, MemoryType{
			Heap: int(q.type_heap[i]), Device: f&1 != 0, Visible: f&2 != 0, Coherent: f&4 != 0, Cached: f&8 != 0,
		})
	}
	l := &p.Limits
	info.Limits = Limits{
		MaxStorageRange:     int64(l.MaxStorageBufferRange),
		MaxTexelElements:    int64(l.MaxTexelBufferElements),
		MaxAllocation:       int64(min(q.max_allocation, 1<<62)),
		MaxBuffer:           int64(min(q.max_buffer, 1<<62)),
		MaxAllocations:      int(l.MaxMemoryAllocationCount),
		SharedMemory:        int(l.MaxComputeSharedMemorySize),
		MaxPush:             int(l.MaxPushConstantsSize),
		StorageAlign:        int64(l.MinStorageBufferOffsetAlignment),
		TexelAlign:          int64(l.MinTexelBufferOffsetAlignment),
		MaxGroups:           l.MaxComputeWorkGroupCount,
		MaxGroupSize:        l.MaxComputeWorkGroupSize,
		MaxGroupInvocations: int(l.MaxComputeWorkGroupInvocations),
		Subgroup:            int(q.subgroup),
		SubgroupMin:         int(q.subgroup_min),
		SubgroupMax:         int(q.subgroup_max),
		MaxStorageBindings:  int(min(l.MaxPerStageDescriptorStorageBuffers, l.MaxDescriptorSetStorageBuffers)),
		MaxTexelBindings:    int(min(l.MaxPerStageDescriptorSampledImages, l.MaxDescriptorSetSampledImages)),
		TimestampBits:       int(q.timestamp_bits),
		ComputeUnits:        int(q.compute_units),
	}
	if info.Limits.MaxBuffer == 0 { // a driver without maintenance4 doesn't say
		info.Limits.MaxBuffer = info.Limits.MaxAllocation
	}
	if q.timestamp_bits > 0 {
		info.Limits.TimestampPeriod = float64(l.TimestampPeriod)
	}
	compute := q.subgroup_stages&0x20 != 0
	info.Features = Features{
		Storage8:           q.storage8 != 0,
		Storage16:          q.storage16 != 0,
		Float16:            q.float16 != 0,
		Int8:               q.int8 != 0,
		Int16:              q.int16 != 0,
		Int64:              q.int64 != 0,
		IntDot:             q.int_dot != 0,
		IntDotFast:         q.int_dot_fast != 0,
		Coopmat:            q.coopmat != 0,
		Coopmat2:           q.coopmat2 != 0,
		SubgroupSize:       q.size_control != 0 && q.full_subgroups != 0,
		SubgroupVote:       compute && q.subgroup_ops&0x2 != 0,
		SubgroupArithmetic: compute && q.subgroup_ops&0x4 != 0,
		SubgroupShuffle:    compute && q.subgroup_ops&0x10 != 0,
		MemoryBudget:       q.budget != 0,
		MemoryModel:        q.memory_model != 0,
	}
	for i := range int(q.shapes) {
		s := q.shape[i]
		info.Features.CoopmatShapes = append(info.Features.CoopmatShapes, CoopmatShape{uint32(s[0]), uint32(s[1]), uint32(s[2])})
	}
	return info, q, nil
}

func heaps(q *C.ev_info) []Heap {
	var h []Heap
	for i := range int(q.heaps) {
		h = append(h, Heap{
			Size: int64(q.heap_size[i]), Budget: int64(q.heap_budget[i]), Used: int64(q.heap_used[i]),
			Device: q.heap_flags[i]&1 != 0,
		})
	}
	return h
}
