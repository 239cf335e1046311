//go:build cgo && !novulkan

package gpu

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"eclat/gpu/lower"
	"eclat/gpu/vk"
	"eclat/model"
	"eclat/model/backendtest"
)

// sized is a program of n tokens.
func sized(n, want int) model.FitProgram {
	return model.FitProgram{CompileOptions: model.CompileOptions{Size: model.Size{Tokens: n, Want: want}}}
}

// answering are the programs that an engine compiles: decoding rows and prompts.
var answering = []model.FitProgram{sized(1, 1), sized(2, 2), sized(4, 4), sized(8, 8), sized(32, 8), sized(512, 8)}

// measuring are programs as engine.Probe compiles them, and one that takes rows.
var measuring = []model.FitProgram{
	{CompileOptions: model.CompileOptions{Size: model.Size{Tokens: 100, Want: 100}, Trace: true}, Logits: true},
	{CompileOptions: model.CompileOptions{Size: model.Size{Tokens: 1, Want: 1}, Profile: true}, Logits: true},
	{CompileOptions: model.CompileOptions{Size: model.Size{Tokens: 256, Want: 2}, Rows: true}},
}

// TestFitIsWhatIsHeld: what Fit says is what a backend holds once every program is
// compiled, in whatever order, within 2 %.
func TestFitIsWhatIsHeld(t *testing.T) {
	long(t)
	info, m := testDevice(t), backendtest.Open(t, builtIn)
	n := m.Config.NLayer
	a, x := answering, measuring
	type opened struct {
		st       model.Stage
		programs []model.FitProgram
	}
	var list []opened
	for _, st := range []model.Stage{m.Whole(), {First: 1, End: n, Head: true}, {End: 1, Embed: true}} {
		for _, programs := range [][]model.FitProgram{
			a, {a[5], a[4], a[3], a[2], a[1], a[0]}, {a[2], a[5], a[0], a[1], a[3], a[4]}, // the order says nothing
			x[:1], x[1:2], x[2:], slices.Concat(a, x), slices.Concat(x, a),
		} {
			list = append(list, opened{st, programs})
		}
	}
	for _, c := range backendtest.Deal(t, list, func(opened) string { return "" }) {
		st, programs := c.st, c.programs
		room := model.Room{Seqs: 8, Chunk: 512}
		fit, err := device{info}.Fit(m, model.FitRequest{Stage: &st, Pages: 100, Room: room, Programs: programs})
		if err != nil {
			t.Fatal(err)
		}
		room.Pages = fit.Pages
		logits, err := m.Plan(st, room)
		if err != nil {
			t.Fatal(err)
		}
		end := st
		end.Sample = st.Head
		plan, err := m.Plan(end, room)
		if err != nil {
			t.Fatal(err)
		}
		b := openTest(t, options{})
		if err := b.Load(t.Context(), m.File, plan); err != nil {
			t.Fatal(err)
		}
		for _, p := range programs {
			plan := plan
			if p.Logits {
				plan = logits
			}
			if _, err := b.Compile(plan, p.CompileOptions); err != nil {
				t.Fatal(err)
			}
		}
		need, held := fit.Weights+fit.Memory+fit.Work, b.Info().Held
		if d := need - held; d > held/50 || d < -held/50 {
			t.Errorf("%+v, %+v: %d bytes were planned, %d are held", st, programs, need, held)
		}
		b.Close()
	}
}

// TestFit: less and less memory gives fewer layers, then none, never an overrun.
func TestFit(t *testing.T) {
	long(t)
	info, m := testDevice(t), backendtest.Open(t, builtIn)
	n := m.Config.NLayer
	fit, err := device{info}.Fit(m, model.FitRequest{Layers: model.AutoLayers, Programs: answering})
	if err != nil {
		t.Fatal(err)
	}
	if fit.Layers != n || fit.Stage != m.Whole() || fit.Pages != model.Pages(m.Config.NCtx) || fit.Why != "" {
		t.Errorf("%+v", fit)
	}
	all, seen := fit.Weights+fit.Memory+fit.Work, map[int]bool{}
	for eighths := int64(8); eighths >= 0; eighths-- {
		f := &fitter{
			info: info, m: m, k: lower.NewKernels(lowerable(info)), available: all * eighths / 8,
			req: model.FitRequest{Layers: model.AutoLayers, Pages: fit.Pages, Programs: answering},
		}
		fit, err := f.fit()
		if err != nil {
			t.Fatal(err)
		}
		if fit.Layers > 0 && fit.Weights+fit.Memory+fit.Work > f.available || (fit.Why == "") != (fit.Layers == n) {
			t.Errorf("%d bytes: %+v", f.available, fit)
		}
		seen[fit.Layers] = true
	}
	if !seen[n] || !seen[0] || len(seen) < 3 {
		t.Errorf("layers %v", seen)
	}
	fit, err = device{info}.Fit(m, model.FitRequest{Layers: 1, Pages: 16})
	if err != nil || fit.Stage.Embed || fit.Stage.First != n-1 || fit.Layers != 1 || fit.Pages != 16 {
		t.Errorf("%+v, %v", fit, err)
	}
	if fit, err := (device{info}).Fit(m, model.FitRequest{Layers: 0, Pages: 16}); err != nil || fit.Layers != 0 || fit.Weights != 0 {
		t.Errorf("no layers: %+v, %v", fit, err)
	}
}

// TestFitRefuses: what cannot be had is refused by arithmetic, in one clear line.
func TestFitRefuses(t *testing.T) {
	info, m := testDevice(t), backendtest.Open(t, builtIn)
	narrow := info
	narrow.Limits.MaxStorageRange = 256 << 10
	for name, c := range map[string]struct {
		info vk.Info
		req  model.FitRequest
		say  string
		host bool // only of a device with the processor's memory
	}{
		"ten million positions": {info, model.FitRequest{Layers: model.AllLayers, Pages: 1e7 / model.PageLen}, "MiB", false},
		"as many as there are":  {info, model.FitRequest{Layers: model.AllLayers, Pages: 1 << 62}, "positions", false},
		"no main memory":        {info, model.FitRequest{Layers: model.AllLayers, Pages: 16, Host: 130 << 20}, "MiB", true},
		"a narrow binding":      {narrow, model.FitRequest{Layers: model.AllLayers, Pages: 32}, "use a context of ", false},
		"tokens by the million": {info, model.FitRequest{Layers: model.AllLayers, Pages: 16, Programs: []model.FitProgram{sized(1<<22, 1)}}, "rows", false},
		"tokens without end":    {info, model.FitRequest{Layers: model.AllLayers, Pages: 16, Programs: []model.FitProgram{sized(1<<60, 1)}}, "tokens", false},
	} {
		if c.host && !hostBacked(info) {
			continue
		}
		_, err := device{c.info}.Fit(m, c.req)
		if !errors.Is(err, model.ErrNoMemory) || !strings.Contains(err.Error(), c.say) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", name, err)
			continue
		}
		t.Logf("%s: %v", name, err)
		c.req.Layers = model.AutoLayers
		if fit, err := (device{c.info}).Fit(m, c.req); err != nil || fit.Layers == m.Config.NLayer || !strings.Contains(fit.Why, c.say) {
			t.Errorf("%s: with auto %+v, %v", name, fit, err)
		}
	}
}

// TestFewTexels: a device that binds few texels has kernels without them, and their
// number limits nothing.
func TestFewTexels(t *testing.T) {
	info, m := testDevice(t), backendtest.Open(t, builtIn)
	info.Limits.MaxTexelElements = 65536
	plan, err := m.Describe(m.Whole(), model.Room{Pages: model.Pages(8192), Seqs: 1, Chunk: 1})
	if err != nil {
		t.Fatal(err)
	}
	d, err := demandOf(lower.NewKernels(lowerable(info)), info.Limits, m.File, plan)
	if err != nil {
		t.Fatal(err)
	}
	for i, w := range d.weights {
		if len(w.Parts) != 1 {
			t.Errorf("%s is cut into %d parts", d.names[i], len(w.Parts))
		}
	}
}

func TestCopyRate(t *testing.T) {
	rate, err := device{testDevice(t)}.CopyRate()
	if err != nil {
		t.Fatal(err)
	}
	if rate < 1e6 || rate > 1e15 {
		t.Errorf("%g bytes a second", rate)
	}
}
