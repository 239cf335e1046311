//go:build never

package gpu

import (
	"errors"
	"strings"
	"testing"

	"eclat/gpu/vk"
	"eclat/loader"
	"eclat/model"
)

func TestFit(t *testing.T) {
	info := testDevice(t)
	f, err := loader.Open(builtIn)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	m, err := model.Open(f)
	if err != nil {
		t.Fatal(err)
	}
	n := m.Config.NLayer
	fit, err := Fit(info, m, Want{Layers: AutoLayers})
	if err != nil {
		t.Fatal(err)
	}
	if fit.Layers != n || len(fit.Stages) != 1 || fit.Ctx != m.Config.NCtx {
		t.Errorf("%d layers, %d positions, stages %v", fit.Layers, fit.Ctx, fit.Stages)
	}
	t.Logf("\n%s", fit)

	// What Fit says is what loading takes.
	b := open(t, Options{})
	r := newRunner(t, builtIn, b, m.Config.NCtx)
	r.program(1, 1, false)
	r.program(32, 1, false)
	if need, got := fit.Weights+fit.Cache+fit.Work, b.Memory(); got > need+need/10 || need > got+got/10 {
		t.Errorf("%d bytes were planned, %d are held", need, got)
	}

	// Less and less memory: fewer layers, then none, never an overrun.
	all := fit.Weights + fit.Cache + fit.Work
	seen := map[int]bool{}
	for eighths := int64(8); eighths >= 0; eighths-- {
		k := &fitter{info: info, m: m, want: Want{Shapes: []Shape{{1, 1}, {32, 1}}}, k: NewKernels(info), available: all * eighths / 8}
		layers := n
		for ; ; layers-- {
			fit, err := k.try(layers, m.Config.NCtx)
			if err == nil {
				if fit.OnDevice && fit.Weights+fit.Cache+fit.Work > k.available {
					t.Errorf("%d layers do not fit", layers)
				}
				break
			}
			if !errors.Is(err, ErrNoRoom) || !errors.Is(err, vk.ErrOutOfDeviceMemory) {
				t.Fatal(err)
			}
		}
		seen[layers] = true
	}
	if !seen[n] || !seen[0] || len(seen) < 3 {
		t.Errorf("layers %v", seen)
	}

	fit, err = Fit(info, m, Want{Layers: 1, Ctx: 512})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("\n%s", fit)
	if len(fit.Stages) != 2 || fit.Stages[1].Embed || fit.Stages[1].First != n-1 || fit.HostCache == 0 || fit.HostFile == 0 {
		t.Errorf("stages %+v", fit.Stages)
	}
	if !strings.Contains(fit.String(), "MiB") {
		t.Error("no table")
	}
	if fit, err = Fit(info, m, Want{Layers: AllLayers, Ctx: 512, Host: 130 << 20}); info.Type == vk.Software && !errors.Is(err, ErrNoRoom) {
		t.Errorf("all layers in nothing: %v, %v", fit, err)
	}
}

func TestBandwidth(t *testing.T) {
	rate, err := Bandwidth(testDevice(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%.1f GB/s", rate/1e9)
	if rate < 1e8 || rate > 1e14 {
		t.Errorf("%g bytes a second", rate)
	}
}

// TestFitSaysWhy: a context longer than one binding holds leaves the model to the
// processor, with the reason.
func TestFitSaysWhy(t *testing.T) {
	info := testDevice(t)
	f, err := loader.Open(builtIn)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	m, err := model.Open(f)
	if err != nil {
		t.Fatal(err)
	}
	info.Limits.MaxStorageRange = 256 << 10
	fit, err := Fit(info, m, Want{Layers: AutoLayers, Ctx: 1024})
	if err != nil {
		t.Fatal(err)
	}
	if fit.OnDevice || !strings.Contains(fit.Why, "too long a context") || !strings.Contains(fit.String(), fit.Why) {
		t.Errorf("%+v\n%s", fit, fit)
	}
	t.Logf("\n%s", fit)
}
