//go:build !cgo || novulkan

package vk

import "time"

// Device is an open device; there is none in this build.
type Device struct{ info Info }

// Buffer is a range of device memory.
type Buffer struct{ size int64 }

// Pipeline is a compiled shader.
type Pipeline struct{}

// Set is a written descriptor set.
type Set struct{}

// Recorder records commands.
type Recorder struct{}

// Commands is a recorded command buffer.
type Commands struct{}

// Enumerate returns ErrNoVulkan.
func Enumerate() ([]Info, error) { return nil, ErrNoVulkan }

// Open returns ErrNoVulkan.
func Open(Info, Options) (*Device, error) { return nil, ErrNoVulkan }

// Info describes the device.
func (d *Device) Info() Info { return d.info }

// Validating reports whether the validation layer is on.
func (d *Device) Validating() bool { return false }

// Memory returns the bytes that live buffers hold.
func (d *Device) Memory() int64 { return 0 }

// Budget returns the heaps as they are now.
func (d *Device) Budget() []Heap { return nil }

// Close does nothing.
func (d *Device) Close() error { return nil }

// NewBuffer returns ErrNoVulkan.
func (d *Device) NewBuffer(name string, size int64, use Use) (*Buffer, error) {
	return nil, ErrNoVulkan
}

// Name returns the buffer's name.
func (b *Buffer) Name() string { return "" }

// Size returns the buffer's size in bytes.
func (b *Buffer) Size() int64 { return b.size }

// Bytes returns nil.
func (b *Buffer) Bytes() []byte { return nil }

// Words returns nil.
func (b *Buffer) Words() []uint32 { return nil }

// Floats returns nil.
func (b *Buffer) Floats() []float32 { return nil }

// Readable reports false.
func (b *Buffer) Readable() bool { return false }

// Close does nothing.
func (b *Buffer) Close() {}

// NewPipeline returns ErrNoVulkan.
func (d *Device) NewPipeline(name string, spirv []byte, layout Layout, spec []uint32, subgroup uint32) (*Pipeline, error) {
	return nil, ErrNoVulkan
}

// Name returns the pipeline's name.
func (p *Pipeline) Name() string { return "" }

// Close does nothing.
func (p *Pipeline) Close() {}

// NewSet returns ErrNoVulkan.
func (d *Device) NewSet(p *Pipeline, b []Binding) (*Set, error) { return nil, ErrNoVulkan }

// Close does nothing.
func (s *Set) Close() {}

// NewRecorder returns ErrNoVulkan.
func (d *Device) NewRecorder() (*Recorder, error) { return nil, ErrNoVulkan }

// Dispatch does nothing.
func (r *Recorder) Dispatch(p *Pipeline, s *Set, push []uint32, x, y, z uint32) {}

// DispatchIndirect does nothing.
func (r *Recorder) DispatchIndirect(p *Pipeline, s *Set, push []uint32, b *Buffer, offset int64) {}

// Barrier does nothing.
func (r *Recorder) Barrier() {}

// Copy does nothing.
func (r *Recorder) Copy(src *Buffer, srcOff int64, dst *Buffer, dstOff, n int64) {}

// Fill does nothing.
func (r *Recorder) Fill(b *Buffer, offset, n int64, word uint32) {}

// Timestamp does nothing.
func (r *Recorder) Timestamp(i int) {}

// End returns ErrNoVulkan.
func (r *Recorder) End() (*Commands, error) { return nil, ErrNoVulkan }

// Submit returns ErrNoVulkan.
func (d *Device) Submit(c *Commands) error { return ErrNoVulkan }

// Start returns ErrNoVulkan.
func (d *Device) Start(c *Commands) error { return ErrNoVulkan }

// Wait returns ErrNoVulkan.
func (d *Device) Wait(c *Commands) error { return ErrNoVulkan }

// Timestamps returns nothing.
func (c *Commands) Timestamps(dst []time.Duration) ([]time.Duration, error) { return dst, ErrNoVulkan }

// Close does nothing.
func (c *Commands) Close() {}
