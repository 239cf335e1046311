package main

import (
	"context"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"eclat/cmd/eclat/out"
	"eclat/engine"
	"eclat/engine/bench"
	"eclat/model"
)

func newDevices() *cobra.Command {
	var asJSON, quick bool
	cmd := &cobra.Command{
		Use:   "devices",
		Short: "List the devices a model can run on",
		Long: `List every Vulkan device, the CPU and the slow reference: what each is, its driver
and memory, the types of weights that it computes with and of keys and values that it
keeps, and how fast it copies its own memory (bytes read plus bytes written). The device
that --device auto takes is marked.`,
		Example: `  eclat devices
  eclat devices --json`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, args []string) error {
			list, err := listDevices(cmd.Context(), !quick)
			if ctxErr := cmd.Context().Err(); ctxErr != nil {
				return ctxErr
			}
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
	Kernels   string   `json:"kernels,omitempty"`     // of the CPU: plain, avx2, avx512 or vnni
	Driver    string   `json:"driver,omitempty"`
	Memory    int64    `json:"memory_bytes,omitempty"` // of its own
	Chunk     int      `json:"prompt_chunk"`           // tokens of a prompt that are computed at once
	Types     []string `json:"weight_types"`
	Cache     []string `json:"cache_types"`     // how it keeps keys and values
	Lacks     []string `json:"lacks,omitempty"` // ops that it cannot compute
	Error     string   `json:"error,omitempty"`

	Details []model.Detail `json:"details,omitempty"`
}

// listDevices describes every device. An error says why there is no Vulkan device.
func listDevices(ctx context.Context, measure bool) (list []deviceEntry, err error) {
	devices, err := engine.Devices(0)
	auto := engine.Auto(devices)
	for i := range devices {
		info := devices[i].Info()
		d := newDeviceEntry(&info)
		d.Auto = i == auto
		if measure && info.Kind != model.Reference { // which has the processor's memory
			var err error
			if d.Bandwidth, err = bench.Rate(ctx, devices[i].CopyRate); err != nil {
				d.Error = err.Error()
			}
		}
		list = append(list, d)
	}
	return list, err
}

func newDeviceEntry(i *model.DeviceInfo) deviceEntry {
	d := deviceEntry{Name: i.ID, Title: i.Name, Type: i.Kind.String(), Threads: i.Threads, Kernels: i.Kernels, Driver: i.Driver, Memory: i.Memory, Chunk: i.Chunk, Cache: model.CacheTypes(), Details: i.Details}
	for _, ty := range i.Types {
		d.Types = append(d.Types, ty.String())
	}
	for _, op := range model.Ops() {
		if !slices.Contains(i.Ops, op) {
			d.Lacks = append(d.Lacks, op.String())
		}
	}
	return d
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
		if d.Threads > 0 {
			line("type", "%s, threads: %d", d.Type, d.Threads)
		} else {
			line("type", "%s", d.Type)
		}
		if d.Kernels != "" {
			line("kernels", "%s", d.Kernels)
		}
		if d.Driver != "" {
			line("driver", "%s", d.Driver)
		}
		if d.Memory > 0 {
			line("memory", "%s", mib(d.Memory))
		}
		for _, x := range d.Details {
			line(x.Name, "%s", x.Value)
		}
		line("weights", "%s", strings.Join(d.Types, ", "))
		line("keys, values", "%s", strings.Join(d.Cache, ", "))
		if len(d.Lacks) > 0 {
			line("lacks", "%s", strings.Join(d.Lacks, ", "))
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
