package model

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

func TestChoose(t *testing.T) {
	dev := func(id, name string, kind DeviceKind, gib int64) DeviceInfo {
		return DeviceInfo{ID: id, Name: name, Kind: kind, Memory: gib << 30}
	}
	cpu, ref := dev("cpu", "Xeon", Processor, 0), dev("ref", "", Reference, 0)
	uhd, pipe := dev("vulkan:0", "Intel UHD", IntegratedGPU, 0), dev("vulkan:1", "llvmpipe", Software, 0)
	small, large := dev("vulkan:2", "Radeon small", DiscreteGPU, 8), dev("vulkan:3", "Radeon large", DiscreteGPU, 24)
	virtio := dev("vulkan:4", "Virtio", VirtualGPU, 48)
	all := []DeviceInfo{cpu, ref, uhd, pipe, small, large, virtio}
	var many []DeviceInfo
	for i := range 40 {
		many = append(many, dev(fmt.Sprint("vulkan:", i), "Some Vendor Graphics Processor 9000", DiscreteGPU, 8))
	}
	for _, c := range []struct {
		infos    []DeviceInfo
		spec     string
		software bool
		want     string // ID; empty: ErrNoDevice
		why      string // in why, or in the error
	}{
		{all, "auto", false, "vulkan:3", "24576 MiB of memory, vulkan:2 has 8192"},
		{all, "", true, "vulkan:3", ""},
		{all, " auto ", true, "vulkan:3", ""},
		{[]DeviceInfo{cpu, uhd, pipe}, "gpu", true, "vulkan:0", "integrated is preferred to software"},
		{[]DeviceInfo{cpu, virtio, uhd}, "auto", false, "vulkan:0", "integrated is preferred to virtual"},
		{[]DeviceInfo{pipe, cpu, ref}, "auto", false, "cpu", "no GPU; vulkan:1 computes on the processor"},
		{[]DeviceInfo{pipe, cpu, ref}, "auto", true, "vulkan:1", "the only one"},
		{[]DeviceInfo{cpu, ref}, "auto", false, "cpu", "no GPU"},
		{[]DeviceInfo{ref}, "auto", false, "", "no GPU"},
		{[]DeviceInfo{cpu, pipe}, "gpu", false, "", "ECLAT_ALLOW_SOFTWARE"},
		{[]DeviceInfo{cpu, pipe}, "vulkan", true, "vulkan:1", ""},
		{all, "vulkan:1", false, "vulkan:1", ""},
		{all, "VULKAN:2", false, "vulkan:2", ""},
		{all, "vulkan:9", false, "", `"vulkan:9"; there are: cpu Xeon`},
		{all, "vulkan:x", false, "", "vulkan:x"},
		{all, "cpu", false, "cpu", ""},
		{all, "ref", false, "ref", ""},
		{all, "LLVM", false, "vulkan:1", "name"},
		{all, "radeon", false, "vulkan:3", "name; 24576 MiB"},
		{all, "xeon", false, "cpu", "name"},
		{all, "geforce", false, "", "Radeon small"},
		{[]DeviceInfo{dev("vulkan:0", "llvmpipe (LLVM 15.0.6, 256 bits)", Software, 0), dev("cpu", strings.Repeat("x", 60), Processor, 0)}, "gpu", false, "", "SOFTWARE=1"},
		{many, strings.Repeat("fast ", 50), false, "", "and 38 more"},
		{nil, "auto", true, "", "no GPU"},
		{nil, "", true, "", ""},
	} {
		i, why, err := Choose(c.infos, c.spec, c.software)
		switch {
		case c.want == "":
			if !errors.Is(err, ErrNoDevice) || !strings.Contains(err.Error(), c.why) {
				t.Errorf("%q: %v", c.spec, err)
			}
		case err != nil || c.infos[i].ID != c.want || !strings.Contains(why, c.why):
			t.Errorf("%q: device %d because %q, %v", c.spec, i, why, err)
		}
		if err != nil && len(err.Error()) > 190 {
			t.Errorf("%q: %d characters: %v", c.spec, len(err.Error()), err)
		}
		if strings.Contains(why, "\n") || strings.Contains(why, ErrNoDevice.Error()) {
			t.Errorf("%q: %q", c.spec, why)
		}
	}
}
