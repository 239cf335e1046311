package engine

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"eclat/cpu/host"
	"eclat/model"
)

// parseLayers reads Options.GPULayers and Options.CPUMoE.
func parseLayers(s string) (int, error) {
	switch s {
	case "", "auto":
		return model.AutoLayers, nil
	case "all":
		return model.AllLayers, nil
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 0 {
		return 0, fmt.Errorf("engine: %q layers: give a number, auto or all", s)
	}
	return n, nil
}

// place deals the model's layers out to devices: the links of a chain, without
// their backends. The device that was chosen gets the last layers, as many as it
// holds; the processor computes the others before it. It sets Context and Chunk.
func (e *Engine) place(ctx context.Context) ([]link, error) {
	o := &e.options
	d, err := choose(o)
	if err != nil {
		return nil, err
	}
	info := d.Info()
	chunk := info.Chunk
	for _, p := range o.Peers { // a batch goes through all
		chunk = min(chunk, p.Info().Chunk)
	}
	if err := e.setChunk(chunk); err != nil {
		return nil, err
	}
	e.Context = o.Context
	if e.Context == 0 {
		e.Context = min(e.Model.Config.NCtx, DefaultContext)
	}
	r := model.FitRequest{
		Layers: model.AllLayers, Pages: model.Pages(max(0, e.Context)), Max: model.Pages(e.Model.Config.NCtx), Host: o.memory(),
	}
	if len(o.Peers) > 0 {
		return e.placeOnPeers(ctx, d, r)
	}
	if info.GPU() {
		if r.Layers, err = parseLayers(o.GPULayers); err != nil {
			return nil, err
		}
	}
	apart, err := parseLayers(o.CPUMoE)
	if err != nil {
		return nil, err
	}
	var fit *model.Fitting
	if info.GPU() && apart != 0 && e.hasExperts() {
		d, fit, err = e.fitExperts(d, r, apart)
	} else {
		fit, err = e.fit(d, r)
	}
	if err != nil {
		return nil, err
	}
	var notice strings.Builder
	var links []link
	if fit.Layers < e.Model.Config.NLayer {
		if o.RequireGPU && fit.Layers == 0 {
			return nil, fmt.Errorf("%w: no layer fits on %s, and a GPU is required; %s", ErrMemory, info.ID, fit.Why)
		}
		rest := processor(o)
		if n := rest.Info().Chunk; n < e.Chunk { // a batch goes through both
			if err := e.setChunk(n); err != nil {
				return nil, err
			}
			why := fit.Why
			r.Layers, r.Pages = fit.Layers, fit.Pages
			if fit, err = e.fit(d, r); err != nil {
				return nil, err
			}
			fit.Why = why
		}
		st := e.Model.Whole()
		if fit.Layers > 0 {
			st = e.Model.Before(fit.Stage)
		}
		r.Stage, r.Pages = &st, fit.Pages
		left, err := e.fit(rest, r)
		if err != nil {
			return nil, err
		}
		e.fitLines(&notice, left, rest.Info())
		links = append(links, link{stage: st, device: rest, fit: left})
	}
	if fit.Layers > 0 {
		e.fitLines(&notice, fit, info)
		links = append(links, link{stage: fit.Stage, device: d, fit: fit})
	}
	if e.Context < 0 {
		e.Context = fit.Pages * model.PageLen
	}
	first := links[0].device.Info()
	device := first.Describe()
	switch {
	case len(links) > 1:
		device = fmt.Sprintf("%d layers on %s, %d on %s", fit.Layers, info.Describe(), e.Model.Config.NLayer-fit.Layers, device)
	case fit.Layers == 0:
		device += "; no layer is on " + info.ID
	}
	if fit.Apart != nil {
		rest := processor(o).Info()
		device += fmt.Sprintf("; experts of %d layers on %s", fit.Apart.Layers, rest.Describe())
	}
	e.where.Store(&where{device: device})
	if info.GPU() {
		o.notice(strings.TrimRight(notice.String(), "\n"))
	}
	return links, nil
}

// setChunk bounds a batch, which says what is compiled.
func (e *Engine) setChunk(n int) (err error) {
	if e.Chunk = n; e.options.Probe != nil {
		e.probe, err = e.options.Probe(e)
	}
	return err
}

// memory returns the bytes of main memory that can be had, or 0 with a notice that
// nothing is refused for its sake.
func (o *Options) memory() int64 {
	have := host.AvailableMemory
	if o.available != nil {
		have = o.available
	}
	n := have()
	if n == 0 {
		o.notice("memory: unknown; not checked")
	}
	return n
}

// fit asks a device how much it holds.
func (e *Engine) fit(d model.Device, r model.FitRequest) (*model.Fitting, error) {
	r.Room, r.Programs = e.room(0), e.programs()
	return d.Fit(e.Model, r)
}

// placeOnProcessor makes the links of a chain that needs no other device: one of all layers,
// or where rows are rounded between them the same ones.
func (e *Engine) placeOnProcessor() (links []link, err error) {
	links = []link{{stage: e.Model.Whole()}}
	if e.rounding != "" {
		links = nil
		for i := range e.owner.chain.links {
			l := &e.owner.chain.links[i]
			links = append(links, link{stage: l.stage, rows: l.rows})
		}
	}
	d, host := processor(&e.options), e.options.memory()
	for i := range links {
		l := &links[i]
		l.device = d
		if l.fit, err = e.fit(d, model.FitRequest{Stage: &l.stage, Pages: model.Pages(e.Context), Host: host}); err != nil {
			return nil, err
		}
		if host > 0 {
			host = max(1, host-l.fit.Weights-l.fit.Memory-l.fit.Work)
		}
	}
	return links, nil
}

// kept is how keys and values are kept, for people; nothing where both are float16.
func (o *Options) kept() string {
	if o.Keys == model.CacheF16 && o.Values == model.CacheF16 {
		return ""
	}
	return fmt.Sprintf(" in %s, %s", o.Keys, o.Values)
}

// fitLines prints what lies on a device as a table, sizes in MiB.
func (e *Engine) fitLines(b *strings.Builder, f *model.Fitting, info model.DeviceInfo) {
	where := info.ID
	line := func(what string, bytes int64) {
		fmt.Fprintf(b, "%-9s %-40s %8d MiB\n", where, what, (bytes+1<<20-1)>>20)
		where = ""
	}
	what := "weights of all layers"
	if n := f.Stage.Layers(); n < e.Model.Config.NLayer {
		what = fmt.Sprintf("weights of layers %d–%d", f.Stage.First, f.Stage.End-1)
		if n == 1 {
			what = fmt.Sprintf("weights of layer %d", f.Stage.First)
		}
		if f.Stage.Head {
			what += ", output"
		}
		if f.Stage.Embed {
			what += ", embedding"
		}
	}
	if f.Apart != nil {
		what += " but experts"
	}
	if f.Mapped > 0 {
		line(what+" (mapped)", f.Mapped)
	} else {
		line(what, f.Weights)
	}
	line(fmt.Sprintf("memory of %d positions", f.Pages*model.PageLen)+e.options.kept(), f.Memory)
	line("work memory", f.Work)
	if f.Available > 0 {
		line(fmt.Sprintf("together, of %d available", f.Available>>20), f.Weights+f.Memory+f.Work)
	}
	if a := f.Apart; a != nil {
		where = processor(&e.options).Info().ID
		line(fmt.Sprintf("experts of layers %d–%d (mapped)", a.Stage.First, a.Stage.End-1), a.Mapped)
		line("work memory", a.Work+a.Weights)
	}
	if f.Why != "" {
		fmt.Fprintf(b, "not more on %s: %s\n", info.ID, f.Why)
	}
}
