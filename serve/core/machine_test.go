package core

import (
	"testing"

	"eclat/model"
)

// TestBits: what is known of a model's bits is the least that is known of its devices.
func TestBits(t *testing.T) {
	c := New(Options{Models: NewRegistry(RegistryOptions{})})
	cpu, gpu, ref := model.DeviceInfo{ID: "cpu", Kind: model.Processor}, model.DeviceInfo{ID: "vulkan:0", Kind: model.DiscreteGPU}, model.DeviceInfo{ID: "ref"}
	is := func(want Bits, devices ...model.DeviceInfo) {
		t.Helper()
		if got := c.BitsOf(&Model{Devices: devices}); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	is(BitsEqual, ref)
	is(BitsEqual, gpu, ref)
	is(BitsUnchecked, gpu, cpu)
	if got := c.CheckOf(&gpu, false).Bits; got != BitsUnchecked {
		t.Errorf("a GPU that computes for nobody is %s", got)
	}
	c.Checked("cpu", Check{Bits: BitsEqual, Kernels: 7})
	is(BitsEqual, gpu, cpu)
	c.Checked("cpu", Check{Bits: BitsLimits})
	is(BitsLimits, gpu, cpu)
	c.Checked("vulkan:0", Check{Bits: BitsWrong})
	is(BitsWrong, gpu, cpu)
	is(BitsWrong, cpu, gpu)
}
