package gpu

import (
	"errors"
	"fmt"

	"eclat/gpu/lower"
	"eclat/gpu/vk"
	"eclat/model"
)

// leastPages is what a context that is not asked for does not go below to keep all
// layers on the device.
const leastPages = 4096 / model.PageLen

// Fit implements model.Device: layers from the end, with the output matrix, because
// the head is the largest product of all, and the embedding too where every layer
// fits. What the sizes say is then tried by allocating it. Weights are counted as
// they lie on the device; nothing is loaded.
func (d device) Fit(m *model.Model, r model.FitRequest) (*model.Fitting, error) {
	f := &fitter{info: d.info, m: m, req: r, k: lower.NewKernels(lowerable(d.info)), available: available(d.info, r.Host)}
	if len(f.req.Programs) == 0 {
		for _, n := range []int{1, promptChunk} {
			o := model.CompileOptions{Size: model.Size{Tokens: n, Want: 1}}
			f.req.Programs = append(f.req.Programs, model.FitProgram{CompileOptions: o})
		}
	}
	fit, err := f.fit()
	if err != nil {
		return nil, fmt.Errorf("gpu: on %s: %w", d.info.Name, err)
	}
	return fit, nil
}

type fitter struct {
	info      vk.Info
	m         *model.Model
	req       model.FitRequest
	k         *lower.Kernels
	available int64
}

func (f *fitter) fit() (*model.Fitting, error) {
	r, n := &f.req, f.m.Config.NLayer
	layers := n
	if r.Layers >= 0 {
		layers = min(r.Layers, n)
	}
	st := f.m.Last(layers)
	if r.Stage != nil {
		st = *r.Stage
	}
	pages := r.Pages
	if pages <= 0 { // halve the context until what is asked for fits, or it is short
		if pages = r.Max; pages <= 0 {
			pages = model.Pages(f.m.Config.NCtx)
		}
		for pages > leastPages {
			if _, err := f.try(st, pages); !errors.Is(err, model.ErrNoMemory) {
				break
			}
			pages = max(leastPages, pages/2)
		}
	}
	if r.Stage != nil || r.Layers != model.AutoLayers {
		fit, err := f.try(st, pages)
		if err != nil && r.Stage == nil {
			err = fmt.Errorf("%d of %d layers with a context of %d: %w", layers, n, int64(min(pages, mostUnits))*model.PageLen, err)
		}
		return fit, err
	}
	why := ""
	for ; ; layers-- {
		fit, err := f.try(f.m.Last(layers), pages)
		if err == nil {
			fit.Why = why
			return fit, nil
		}
		if !errors.Is(err, model.ErrNoMemory) {
			return nil, err
		}
		why = err.Error()
	}
}

// try sizes up a stage and, where the sizes fit, allocates them once.
func (f *fitter) try(st model.Stage, pages int) (*model.Fitting, error) {
	fit := &model.Fitting{Layers: st.Layers(), Stage: st, Pages: pages, Available: f.available}
	if st.Layers() == 0 && !st.Head && !st.Embed || st.Layers() == 0 && f.req.Stage == nil {
		fit.Stage = model.Stage{First: f.m.Config.NLayer, End: f.m.Config.NLayer}
		return fit, nil
	}
	if pages > mostUnits {
		return nil, fmt.Errorf("a context of %d positions or more: %w", int64(mostUnits)*model.PageLen, model.ErrNoMemory)
	}
	d, w, err := f.sizes(st, pages)
	if err != nil {
		return nil, err
	}
	fit.Weights, fit.Memory, fit.Work = d.upload, d.kept, w.bytes()+d.bytes()-d.upload-d.kept
	if need := d.bytes() + w.bytes(); need > f.available {
		return nil, fmt.Errorf("%d MiB of weights, %d MiB of key–value memory and %d MiB of work memory are needed, %d MiB are available: %w",
			mib(fit.Weights), mib(fit.Memory), mib(fit.Work), mib(f.available), model.ErrNoMemory)
	}
	return fit, f.probe(d, w)
}

// works is the memory of several programs: what they share, as large as the largest
// needs, and what each has of its own.
type works struct {
	shared int64 // activations and scratch
	answer int64 // copied for the host; 0 where it can read the device's memory
	own    []int64
}

func (w *works) bytes() int64 {
	n := w.shared + w.answer
	for _, size := range w.own {
		n += size
	}
	return n
}

// sizes asks for the buffers of a stage and the memory of its programs.
func (f *fitter) sizes(st model.Stage, pages int) (*demand, *works, error) {
	plan, programs, err := f.req.Plans(f.m, st, pages)
	if err != nil {
		return nil, nil, err
	}
	info := describe(f.info)
	if err := info.Lacks(plan); err != nil {
		return nil, nil, err
	}
	d, err := demandOf(f.k, f.info.Limits, f.m.File, plan)
	if err != nil {
		return nil, nil, err
	}
	infos := map[string]*lower.WeightInfo{}
	for i, w := range d.weights {
		infos[d.names[i]] = &w.WeightInfo
	}
	ws := &works{}
	for _, p := range programs {
		if err := sound(p.Size); err != nil {
			return nil, nil, err
		}
		l := lower.NewLowering(p.Plan, p.CompileOptions, func(name string) *lower.WeightInfo { return infos[name] })
		groups, err := f.k.All(l)
		if err != nil {
			return nil, nil, err
		}
		w, err := lower.WorkOf(l, groups)
		if err != nil {
			return nil, nil, err
		}
		if err := f.binds(p.Plan, p.Size, &w); err != nil {
			return nil, nil, err
		}
		mem, answer := up256(up256(w.Act)+w.Scratch), int64(0)
		if !readsDevice(f.info) {
			answer = up256(max(w.Answer, 4))
		}
		if most := min(f.info.Limits.MaxBuffer, f.info.Limits.MaxAllocation); mem > most {
			return nil, nil, fmt.Errorf("%d MiB of activations of %d tokens, the device's largest buffer has %d: %w", mib(mem), p.Tokens, mib(most), model.ErrNoMemory)
		}
		if p.Trace { // it has a workspace of its own
			ws.own = append(ws.own, mem, answer)
		} else {
			ws.shared, ws.answer = max(ws.shared, mem), max(ws.answer, answer)
		}
		ws.own = append(ws.own, up256(w.Inputs))
		if w.Tokens > 0 {
			ws.own = append(ws.own, up256(w.Tokens))
		}
	}
	return d, ws, nil
}

// mostTokens bounds a program: what is larger never fits, and sizes are multiplied.
const mostTokens = 1 << 24

// sound refuses a program's size that makes no sense.
func sound(s model.Size) error {
	switch {
	case s.Tokens < 1 || s.Want < 0 || s.Want > s.Tokens:
		return fmt.Errorf("a program of %d tokens with %d answers", s.Tokens, s.Want)
	case s.Tokens > mostTokens:
		return fmt.Errorf("a program of %d tokens: %w", s.Tokens, model.ErrNoMemory)
	}
	return nil
}

// binds checks that the device can bind a program's inputs and every activation.
func (f *fitter) binds(p *model.Plan, s model.Size, w *lower.Work) error {
	most := f.info.Limits.MaxStorageRange
	if w.Inputs > most {
		return fmt.Errorf("the inputs of %d tokens are %d MiB, the device binds %d: %w", s.Tokens, mib(w.Inputs), mib(most), model.ErrNoMemory)
	}
	for i, place := range w.Place {
		if place.Len > most {
			return fmt.Errorf("%s of %d tokens is %d MiB, the device binds %d: %w", p.Tensors[i].Name, s.Tokens, mib(place.Len), mib(most), model.ErrNoMemory)
		}
	}
	return nil
}

func up256(n int64) int64 { return (n + 255) &^ 255 }

// readsDevice reports whether the host can read the device's main memory where it
// lies, as vk.NewBuffer chooses it.
func readsDevice(i vk.Info) bool {
	for _, t := range i.Memory {
		if t.Device && t.Visible && t.Coherent && t.Cached && i.Heaps[t.Heap].Size == ownMemory(i) {
			return true
		}
	}
	return false
}

// probe allocates what was sized up, and frees it again: what a driver says about
// its memory and what it gives are not always the same.
func (f *fitter) probe(d *demand, w *works) error {
	dev, err := vk.Open(f.info, vk.Options{})
	if err != nil {
		return named(err)
	}
	defer dev.Close()
	for _, size := range append(append([]int64{w.shared, w.answer}, d.buffers...), w.own...) {
		if size == 0 {
			continue
		}
		if _, err := dev.NewBuffer("probe", size, vk.OnDevice); err != nil {
			return fmt.Errorf("%w: %w", err, model.ErrNoMemory)
		}
	}
	return nil
}

// available is the memory a device may be given, in bytes: what the driver's
// budget leaves, or most of the heap, less a reserve for the driver and the screen.
// host is the main memory that can be had, 0 for unknown.
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
