package gpu

import (
	"errors"
	"fmt"
	"strings"

	"eclat/gpu/vk"
	"eclat/model"
)

// Numbers of layers with a meaning of their own.
const (
	AutoLayers = -1 // as many as fit
	AllLayers  = -2 // all, or an error
)

// Want is what a model should get on a device.
type Want struct {
	Layers int     // on the device; AutoLayers, AllLayers or a number
	Ctx    int     // positions; 0 for as many as fit with all layers, up to MaxCtx
	MaxCtx int     // most positions for Ctx 0; 0 for the model's
	Shapes []Shape // programs to make room for; none for one token and one prompt of 32
	// Host is the main memory that can be had, in bytes, 0 for unknown. Devices
	// without memory of their own take from it.
	Host int64
}

// Shape is the size of a program.
type Shape struct{ Tokens, Logits int }

// Fitting is what lies where. Sizes are in bytes.
type Fitting struct {
	Device    vk.Info
	Layers    int           // on the device: the last ones
	Ctx       int           // positions
	Stages    []model.Stage // for a chain: the processor's, if any, and then the device's, if any
	OnDevice  bool          // the last stage is the device's
	Weights   int64         // on the device, repacked
	Cache     int64
	Work      int64 // activations, inputs and scratch of the programs
	Available int64 // on the device
	HostFile  int64 // weights left to the processor, in the mapped file
	HostCache int64
	Why       string // what kept one more layer off the device; empty where all are on it or fewer were asked for
	layers    int    // of the model
}

// leastCtx is the context that Ctx 0 does not go below to keep all layers on the device.
const leastCtx = 4096

// ErrNoRoom says that what was asked for does not fit. It wraps
// vk.ErrOutOfDeviceMemory.
var ErrNoRoom = fmt.Errorf("it does not fit: %w", vk.ErrOutOfDeviceMemory)

// Fit finds how much of a model a device holds: layers from the end, with the
// output matrix, because the head is the largest product of all, and the embedding
// too where every layer fits. What the sizes say is then tried by allocating it.
// Weights are counted as they lie on the device; nothing is loaded.
func Fit(info vk.Info, m *model.Model, want Want) (*Fitting, error) {
	if len(want.Shapes) == 0 {
		want.Shapes = []Shape{{1, 1}, {32, 1}}
	}
	f := &fitter{info: info, m: m, want: want, k: NewKernels(info), available: available(info, want.Host)}
	n := m.Config.NLayer
	most := want.MaxCtx
	if most <= 0 || most > m.Config.NCtx {
		most = m.Config.NCtx
	}
	ctx, chosen := want.Ctx, want.Ctx > 0
	if !chosen {
		ctx = most
	}
	layers := n
	if want.Layers >= 0 {
		layers = min(want.Layers, n)
	}
	if !chosen { // halve the context until what is asked for fits, or the context is short
		for ctx > leastCtx && f.tryAll(layers, ctx) != nil {
			ctx = max(leastCtx, ctx/2)
		}
	}
	if want.Layers != AutoLayers {
		fit, err := f.try(layers, ctx)
		if err != nil {
			return nil, fmt.Errorf("gpu: %d of %d layers with a context of %d on %s: %w", layers, n, ctx, info.Name, err)
		}
		return fit, nil
	}
	why := ""
	for {
		fit, err := f.try(layers, ctx)
		if err == nil {
			fit.Why = why
			return fit, nil
		}
		if !errors.Is(err, ErrNoRoom) {
			return nil, fmt.Errorf("gpu: fit on %s: %w", info.Name, err)
		}
		why = err.Error()
		layers--
	}
}

type fitter struct {
	info      vk.Info
	m         *model.Model
	want      Want
	k         *Kernels
	available int64
}

func (f *fitter) tryAll(layers, ctx int) error {
	_, err := f.try(layers, ctx)
	return err
}

// try sizes up the last `layers` layers on the device and, where the sizes fit,
// allocates them once.
func (f *fitter) try(layers, ctx int) (*Fitting, error) {
	n := f.m.Config.NLayer
	fit := &Fitting{Device: f.info, Layers: layers, Ctx: ctx, Available: f.available, layers: n}
	whole := f.m.Whole()
	pages := model.Pages(ctx)
	switch {
	case layers == 0:
		fit.Stages = []model.Stage{whole}
	case layers == n:
		fit.Stages, fit.OnDevice = []model.Stage{whole}, true
	default:
		host, device := whole, whole
		host.End, host.Head = n-layers, false
		device.First, device.Embed = n-layers, false
		fit.Stages, fit.OnDevice = []model.Stage{host, device}, true
	}
	if first := fit.Stages[0]; !fit.OnDevice || len(fit.Stages) == 2 {
		plan, err := f.m.Plan(first, 1, 1, pages)
		if err != nil {
			return nil, err
		}
		for _, t := range plan.Keep() {
			if t.Kind == model.Cache {
				fit.HostCache += int64(t.Rows) * int64(t.Cols) * 2
			} else {
				fit.HostFile += f.m.File.Tensor(t.Name).Size
			}
		}
	}
	if !fit.OnDevice {
		return fit, nil
	}
	d, works, err := f.sizes(fit.Stages[len(fit.Stages)-1], pages)
	if err != nil {
		return nil, err
	}
	fit.Weights, fit.Cache = d.upload, d.cached
	for _, w := range works {
		fit.Work += w.total()
	}
	if need := fit.Weights + fit.Cache + fit.Work; need > f.available {
		return nil, fmt.Errorf("%d MiB of weights, %d MiB of key–value memory and %d MiB of work memory are needed, %d MiB are available; %w",
			mib(fit.Weights), mib(fit.Cache), mib(fit.Work), mib(f.available), ErrNoRoom)
	}
	return fit, f.probe(d, works)
}

// sizes asks for the buffers of a stage and the work memory of its programs.
func (f *fitter) sizes(st model.Stage, pages int) (*demand, []work, error) {
	var d *demand
	var works []work
	for _, s := range f.want.Shapes {
		plan, err := f.m.Plan(st, s.Tokens, s.Logits, pages)
		if err != nil {
			return nil, nil, err
		}
		if d == nil {
			if d, err = f.k.plan(f.m.File, plan.Keep()); err != nil {
				if errors.Is(err, errCacheRange) {
					err = fmt.Errorf("%w; %w", err, ErrNoRoom)
				}
				return nil, nil, err
			}
		}
		infos := map[string]*WeightInfo{}
		for i, w := range d.weights {
			infos[d.names[i]] = &w.WeightInfo
		}
		groups, err := f.k.lowerAll(f.k.lowering(plan, func(name string) *WeightInfo { return infos[name] }, pages))
		if err != nil {
			return nil, nil, err
		}
		works = append(works, workOf(plan, groups, pages))
	}
	return d, works, nil
}

// probe allocates what was sized up, and frees it again: what a driver says about
// its memory and what it gives are not always the same.
func (f *fitter) probe(d *demand, works []work) error {
	dev, err := vk.Open(f.info, vk.Options{})
	if err != nil {
		return err
	}
	defer dev.Close()
	sizes := append([]int64(nil), d.buffers...)
	for _, w := range works {
		sizes = append(sizes, w.act, w.scratch, w.control)
	}
	for _, size := range sizes {
		if size == 0 {
			continue
		}
		if _, err := dev.NewBuffer("probe", size, vk.OnDevice); err != nil {
			return fmt.Errorf("%w; %w", err, ErrNoRoom)
		}
	}
	return nil
}

// available is the memory a device may be given, in bytes: what the driver's
// budget leaves, or most of the heap, less a reserve for the driver and the screen.
func available(info vk.Info, host int64) int64 {
	var best int64
	for _, h := range info.Heaps {
		if !h.Device {
			continue
		}
		free := h.Size - h.Size/10
		if info.Features.MemoryBudget {
			free = h.Budget - h.Used
		}
		best = max(best, free)
	}
	switch {
	case host <= 0:
	case info.Type == vk.Software: // the heap that such a driver states is the most it gives at once
		best = host - host/10
	case info.Type == vk.Integrated:
		best = min(best, host-host/10)
	}
	const reserve = 128 << 20
	return max(0, best-reserve)
}

// String prints the plan as a table, sizes in MiB.
func (f *Fitting) String() string {
	var b strings.Builder
	line := func(where, what string, bytes int64) {
		fmt.Fprintf(&b, "%-6s %-40s %8d MiB\n", where, what, mib(bytes))
	}
	if f.HostFile > 0 {
		what := "weights of " + layerRange(0, f.layers-f.Layers) + ", embedding (mapped)"
		if !f.OnDevice {
			what = "weights of all layers (mapped)"
		}
		line("cpu", what, f.HostFile)
		line("", fmt.Sprintf("key–value memory, %d positions", f.Ctx), f.HostCache)
	}
	if f.OnDevice {
		what := "weights of " + layerRange(f.layers-f.Layers, f.layers) + ", output"
		if f.Layers == f.layers {
			what = "weights of all layers"
		}
		line("gpu", what, f.Weights)
		line("", fmt.Sprintf("key–value memory, %d positions", f.Ctx), f.Cache)
		line("", "work memory", f.Work)
		line("", fmt.Sprintf("together, of %d available", mib(f.Available)), f.Weights+f.Cache+f.Work)
	}
	if f.Why != "" {
		fmt.Fprintf(&b, "not more on the device: %s\n", f.Why)
	}
	return b.String()
}

func layerRange(first, end int) string {
	if end-first == 1 {
		return fmt.Sprintf("layer %d", first)
	}
	return fmt.Sprintf("layers %d–%d", first, end-1)
}
