package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"eclat/cmd/eclat/out"
	"eclat/cpu"
	"eclat/engine"
	"eclat/gpu"
	"eclat/gpu/vk"
)

func newDevices() *cobra.Command {
	var asJSON, quick bool
	cmd := &cobra.Command{
		Use:   "devices",
		Short: "List the devices a model can run on",
		Long: `List every Vulkan device and the CPU: what it is, its driver and memory, the
limits and features that decide which kernels run, and how fast it copies its own
memory (bytes read plus bytes written). The device that --device auto takes is
marked.`,
		Example: `  eclat devices
  eclat devices --json`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, args []string) error {
			list, err := listDevices(!quick)
			if err != nil { // no Vulkan is no failure: the CPU is there
				out.Error(describe(err))
			}
			if asJSON {
				return out.JSON(stdout, list, true)
			}
			return printDevices(stdout, list)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.Flags().BoolVar(&quick, "quick", false, "do not measure the bandwidth")
	return cmd
}

// deviceEntry is one device of the list.
type deviceEntry struct {
	Name      string   `json:"name"` // for --device
	Title     string   `json:"title"`
	Type      string   `json:"type"`
	Auto      bool     `json:"auto"`                  // what --device auto takes
	Bandwidth float64  `json:"copy_bytes_per_second"` // 0 where it was not measured
	Threads   int      `json:"threads,omitempty"`     // of the CPU
	Vulkan    *vk.Info `json:"vulkan,omitempty"`
	Error     string   `json:"error,omitempty"`
}

// listDevices describes every device. An error says why there is no Vulkan device.
func listDevices(measure bool) (list []deviceEntry, err error) {
	auto := -1
	if info, _, err := gpu.Select("auto", os.Getenv("ECLAT_ALLOW_SOFTWARE") == "1"); err == nil {
		auto = info.Index
	}
	infos, err := gpu.Devices()
	for _, i := range infos {
		d := deviceEntry{Name: fmt.Sprintf("vulkan:%d", i.Index), Title: i.Name, Type: i.Type.String(), Auto: i.Index == auto, Vulkan: &i}
		if measure {
			var err error
			if d.Bandwidth, err = gpu.Bandwidth(i); err != nil {
				d.Error = err.Error()
			}
		}
		list = append(list, d)
	}
	b := cpu.New(cpu.Options{})
	defer b.Close()
	d := deviceEntry{Name: "cpu", Title: engine.Processor(), Type: "cpu", Auto: auto < 0, Threads: b.Threads()}
	if measure {
		d.Bandwidth = b.CopyRate()
	}
	return append(list, d), err
}

func printDevices(w io.Writer, list []deviceEntry) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	line := func(what, format string, args ...any) { out.Fprintf(t, "  "+what+"\t"+format+"\n", args...) }
	for n, d := range list {
		if n > 0 {
			out.Fprintf(t, "\n")
		}
		mark := ""
		if d.Auto {
			mark = "   (auto)"
		}
		out.Fprintf(t, "%s\t%s%s\n", d.Name, d.Title, mark)
		if i := d.Vulkan; i != nil {
			vulkanLines(line, i)
		} else {
			line("type", "%s, %d threads", d.Type, d.Threads)
		}
		switch {
		case d.Error != "":
			line("error", "%s", d.Error)
		case d.Bandwidth > 0:
			line("copies", "%.1f GB/s", d.Bandwidth/1e9)
		}
	}
	return t.Flush()
}

func vulkanLines(line func(what, format string, args ...any), i *vk.Info) {
	line("type", "%s", i.Type)
	line("driver", "%s, Vulkan %d.%d.%d", i.Driver, i.API>>22, i.API>>12&0x3ff, i.API&0xfff)
	for _, h := range i.Heaps {
		kind := "of the host"
		if h.Device {
			kind = "of the device"
		}
		free := ""
		if i.Features.MemoryBudget {
			free = fmt.Sprintf(", %d MiB to be had", (h.Budget-h.Used)>>20)
		}
		line("memory", "%d MiB %s%s", h.Size>>20, kind, free)
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
}
