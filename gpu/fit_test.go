//go:build cgo && !novulkan

package gpu

import (
	"errors"
	"strings"
	"testing"

	"eclat/gpu/lower"
	"eclat/gpu/vk"
	"eclat/model"
)

// allSizes are the programs that an engine compiles: decoding rows and prompts.
var allSizes = []model.Size{{Tokens: 1, Want: 1}, {Tokens: 2, Want: 2}, {Tokens: 4, Want: 4}, {Tokens: 8, Want: 8}, {Tokens: 32, Want: 8}, {Tokens: 512, Want: 8}}

// TestFitIsWhatIsHeld: what Fit says is what a backend holds once every program is
// compiled, in whatever order, within 2 %.
func TestFitIsWhatIsHeld(t *testing.T) {
	long(t)
	info, m := testDevice(t), openModel(t, builtIn)
	n := m.Config.NLayer
	for _, st := range []model.Stage{m.Whole(), {First: 1, End: n, Head: true}, {End: 1, Embed: true}} {
		room := model.Room{Seqs: 8, Chunk: 512}
		fit, err := device{info}.Fit(m, model.FitRequest{Stage: &st, Pages: 100, Room: room, Sizes: allSizes})
		if err != nil {
			t.Fatal(err)
		}
		room.Pages = fit.Pages
		st.Sample = st.Head
		plan, err := m.Plan(st, room)
		if err != nil {
			t.Fatal(err)
		}
		for _, order := range [][]int{{0, 1, 2, 3, 4, 5}, {5, 4, 3, 2, 1, 0}, {2, 5, 0, 1, 3, 4}} {
			b := openTest(t, options{})
			if err := b.Load(t.Context(), m.File, plan); err != nil {
				t.Fatal(err)
			}
			for _, i := range order {
				if _, err := b.Compile(plan, model.CompileOptions{Size: allSizes[i]}); err != nil {
					t.Fatal(err)
				}
			}
			need, held := fit.Weights+fit.Memory+fit.Work, b.Info().Held
			if d := need - held; d > held/50 || d < -held/50 {
				t.Errorf("%+v: %d bytes were planned, %d are held", st, need, held)
			}
			b.Close()
		}
	}
}

// TestFit: less and less memory gives fewer layers, then none, never an overrun.
func TestFit(t *testing.T) {
	long(t)
	info, m := testDevice(t), openModel(t, builtIn)
	n := m.Config.NLayer
	fit, err := device{info}.Fit(m, model.FitRequest{Layers: model.AutoLayers, Sizes: allSizes})
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
			req: model.FitRequest{Layers: model.AutoLayers, Pages: fit.Pages, Sizes: allSizes},
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
	info, m := testDevice(t), openModel(t, builtIn)
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
		"tokens by the million": {info, model.FitRequest{Layers: model.AllLayers, Pages: 16, Sizes: []model.Size{{Tokens: 1 << 22, Want: 1}}}, "MiB", false},
		"tokens without end":    {info, model.FitRequest{Layers: model.AllLayers, Pages: 16, Sizes: []model.Size{{Tokens: 1 << 60, Want: 1}}}, "tokens", false},
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

func TestCopyRate(t *testing.T) {
	rate, err := device{testDevice(t)}.CopyRate()
	if err != nil {
		t.Fatal(err)
	}
	if rate < 1e6 || rate > 1e15 {
		t.Errorf("%g bytes a second", rate)
	}
}
