package gpu

import (
	"context"
	"fmt"
	"time"

	"eclat/gpu/lower"
	"eclat/gpu/vk"
	"eclat/model"
	"eclat/shaders"
)

// promptChunk is how many tokens of a prompt a device is given at once: more would
// not be faster by much, and every activation has room for them.
const promptChunk = 512

// Devices lists every Vulkan device, software ones among them. Without Vulkan, or
// where it has no device, the error is a model.ErrNoDevice.
func Devices() ([]model.Device, error) {
	infos, err := vk.Enumerate()
	if err != nil {
		return nil, errorf("%w", err)
	}
	var list []model.Device
	for _, i := range infos {
		list = append(list, device{i})
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("gpu: Vulkan lists no device that can compute: %w", model.ErrNoDevice)
	}
	return list, nil
}

// device implements model.Device.
type device struct{ info vk.Info }

// Info describes the device without opening it.
func (d device) Info() model.DeviceInfo { return describe(d.info) }

// Open makes a backend on the device.
func (d device) Open(ctx context.Context, o model.OpenOptions) (model.Backend, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	b, err := open(d.info, options{OpenOptions: o})
	if err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		b.Close()
		return nil, err
	}
	return b, nil
}

var kinds = [...]model.DeviceKind{
	vk.Other: model.OtherGPU, vk.Integrated: model.IntegratedGPU, vk.Discrete: model.DiscreteGPU,
	vk.Virtual: model.VirtualGPU, vk.Software: model.Software,
}

// describe says who a device is and what it can do.
func describe(i vk.Info) model.DeviceInfo {
	d := model.DeviceInfo{
		ID: fmt.Sprintf("vulkan:%d", i.Index), Backend: "Vulkan", Name: i.Name, Kind: kinds[i.Type], Driver: i.Driver,
		Chunk: promptChunk, Ops: lower.Ops(), Types: shaders.Types, Details: details(i),
		Variants: lower.NewKernels(lowerable(i)).Variants(),
	}
	if !hostBacked(i) {
		d.Memory = ownMemory(i)
	}
	return d
}

// hostBacked reports whether the device's memory is the processor's.
func hostBacked(i vk.Info) bool { return i.Type == vk.Software || i.Type == vk.Integrated }

// ownMemory is the size of the device's largest own memory, in bytes.
func ownMemory(i vk.Info) (size int64) {
	for _, h := range i.Heaps {
		if h.Device {
			size = max(size, h.Size)
		}
	}
	return size
}

// lowerable is what package lower must know of a device.
func lowerable(i vk.Info) lower.Device {
	l := i.Limits
	d := lower.Device{
		Name: i.Name, Vendor: i.VendorID, Software: i.Type == vk.Software,
		Subgroup: l.Subgroup, SubgroupMin: l.SubgroupMin, SubgroupMax: l.SubgroupMax,
		SubgroupSize: i.Features.SubgroupSize, SubgroupArithmetic: i.Features.SubgroupArithmetic,
		Dot: i.Features.IntDot, DotFast: i.Features.IntDotFast,
		MaxStorageRange: l.MaxStorageRange, MaxTexelElements: l.MaxTexelElements,
		MaxGroupInvocations: l.MaxGroupInvocations, SharedMemory: l.SharedMemory,
	}
	if i.Features.Coopmat && i.Features.Int8 && i.Features.MemoryModel {
		for _, s := range i.Features.CoopmatShapes {
			d.Matrices = append(d.Matrices, lower.Matrix(s))
		}
	}
	return d
}

// ReadRate implements model.Device.
func (d device) ReadRate() (float64, error) { return 0, nil }

// CopyRate measures how fast the device copies its own memory: bytes read plus
// bytes written a second. It is the yardstick of every kernel that is bound by
// memory.
func (d device) CopyRate() (float64, error) {
	dev, err := vk.Open(d.info, vk.Options{})
	if err != nil {
		return 0, errorf("%w", err)
	}
	defer dev.Close()
	rate, err := copyRate(dev)
	if err != nil {
		return 0, errorf("%w", err)
	}
	return rate, nil
}

func copyRate(d *vk.Device) (float64, error) {
	// Beyond any cache, but small where the memory is the processor's.
	size := int64(256 << 20)
	if hostBacked(d.Info()) {
		size = 64 << 20
	}
	a, err := d.NewBuffer("source", size, vk.OnDevice)
	if err != nil {
		return 0, err
	}
	defer a.Close()
	b, err := d.NewBuffer("target", size, vk.OnDevice)
	if err != nil {
		return 0, err
	}
	defer b.Close()
	const copies = 4
	r, err := d.NewRecorder()
	if err != nil {
		return 0, err
	}
	r.Fill(a, 0, size, 0) // memory that was never written may not be there yet
	for range copies {
		r.Barrier()
		r.Copy(a, 0, b, 0, size)
	}
	c, err := r.End()
	if err != nil {
		return 0, err
	}
	defer c.Close()
	best := 0.0
	for range 3 {
		begin := time.Now()
		if err := d.Submit(c); err != nil {
			return 0, err
		}
		// The fill counts as half a copy: it only writes.
		best = max(best, (copies*2+1)*float64(size)/time.Since(begin).Seconds())
	}
	return best, nil
}
