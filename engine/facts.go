package engine

import (
	"bufio"
	"cmp"
	"os"
	"runtime"
	"strings"

	"eclat/cpu"
	"eclat/gpu"
	"eclat/model"
)

// Facts describes one device of an open model, for reports.
type Facts struct {
	Backend string // as llama-bench names it: "CPU", "Vulkan"; "ref" for the reference
	Name    string // of the processor or the card
	Driver  string // name and version; empty for the processor
	Threads int    // 0 for a device that has none
	Layers  int    // of the model that the device computes
	GPU     bool

	// CopyRate measures how fast the device copies its main memory, in bytes a
	// second, each copied byte counted as read and as written; nil where it cannot.
	CopyRate func() (float64, error)
	// Memory returns the bytes of memory on the device that the model takes; nil
	// for a device that shares the processor's.
	Memory func() int64
}

// Facts describes the devices of the chain in its order.
func (e *Engine) Facts() []Facts {
	out := make([]Facts, len(e.chain.links))
	for i, l := range e.chain.links {
		out[i] = factsOf(l.backend)
		out[i].Layers = l.stage.End - l.stage.First
	}
	return out
}

func factsOf(b model.Backend) Facts {
	switch b := b.(type) {
	case *cpu.Backend:
		f := Facts{Backend: "CPU", Name: Processor(), Threads: b.Threads()}
		if b.IsRef() {
			f.Backend = "ref"
		}
		f.CopyRate = func() (float64, error) { return b.CopyRate(), nil }
		return f
	case *gpu.Backend:
		info := b.Info()
		return Facts{
			Backend: "Vulkan", Name: info.Name, Driver: info.Driver, GPU: true,
			CopyRate: func() (float64, error) { return gpu.Bandwidth(info) },
			Memory:   b.Memory,
		}
	}
	return Facts{Backend: "other"}
}

// Processor returns the name of the machine's processor.
func Processor() string {
	f, err := os.Open("/proc/cpuinfo")
	if err != nil {
		return runtime.GOARCH
	}
	defer f.Close()
	var name string
	for s := bufio.NewScanner(f); s.Scan() && name == ""; {
		if key, value, ok := strings.Cut(s.Text(), ":"); ok && strings.TrimSpace(key) == "model name" {
			name = strings.TrimSpace(value)
		}
	}
	return cmp.Or(name, runtime.GOARCH)
}
