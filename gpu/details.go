package gpu

import (
	"fmt"
	"strings"

	"eclat/gpu/vk"
	"eclat/model"
)

// details are what a person wants to know of a device whose kernels are slow or do
// not run.
func details(i vk.Info) (out []model.Detail) {
	line := func(name, format string, args ...any) {
		out = append(out, model.Detail{Name: name, Value: fmt.Sprintf(format, args...)})
	}
	line("vulkan", "%d.%d.%d", i.API>>22, i.API>>12&0x3ff, i.API&0xfff)
	for _, h := range i.Heaps {
		kind := "of the host"
		if h.Device {
			kind = "of the device"
		}
		free := ""
		if i.Features.MemoryBudget {
			free = fmt.Sprintf(", %d MiB to be had", (h.Budget-h.Used)>>20)
		}
		line("heap", "%d MiB %s%s", h.Size>>20, kind, free)
	}
	l := i.Limits
	line("limits", "storage range %d MiB, allocation %d MiB, shared memory %d KiB, subgroup %d (%d–%d)",
		l.MaxStorageRange>>20, l.MaxAllocation>>20, l.SharedMemory>>10, l.Subgroup, l.SubgroupMin, l.SubgroupMax)
	var has []string
	for _, f := range []struct {
		name string
		has  bool
	}{
		{"8-bit storage", i.Features.Storage8}, {"16-bit storage", i.Features.Storage16}, {"float16", i.Features.Float16},
		{"int dot", i.Features.IntDot}, {"fast int dot", i.Features.IntDotFast}, {"coopmat", i.Features.Coopmat},
		{"coopmat2", i.Features.Coopmat2}, {"subgroup arithmetic", i.Features.SubgroupArithmetic},
		{"subgroup size control", i.Features.SubgroupSize}, {"memory budget", i.Features.MemoryBudget},
	} {
		if f.has {
			has = append(has, f.name)
		}
	}
	line("features", "%s", strings.Join(has, ", "))
	return out
}
