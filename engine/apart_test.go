package engine

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"eclat/loader"
	"eclat/model"
	"eclat/model/arch"
	"eclat/model/tokenizer"
)

const withExperts = "../testdata/experts-small.gguf"

// proofOf is the hash of all logits of some tokens.
func proofOf(t *testing.T, e *Engine) string {
	t.Helper()
	p := newProver()
	err := e.Score(context.Background(), familyIDs(40), ScoreOptions{}, func(r Row) error { p.add(r.Logits); return nil })
	if err != nil {
		t.Fatal(err)
	}
	return p.proof(0).Hex()
}

// TestExpertsApart: the bits are the same with the experts of any number of layers on the
// processor, whatever part of the model the GPU has, and what lies where is told.
func TestExpertsApart(t *testing.T) {
	long(t)
	name := gpuName(t)
	want := proofOf(t, open(t, withExperts, Options{Device: "ref", Context: 64}))
	for _, c := range []struct{ moe, layers, says string }{
		{"all", "auto", "experts of layers 0–2"},
		{"2", "all", "experts of layers 0–1"},
		{"all", "2", "experts of layers 1–2"},
		{"0", "all", ""},
		{"1000", "auto", "experts of layers 0–2"},
	} {
		var told strings.Builder
		e := open(t, withExperts, Options{Device: name, Context: 64, CPUMoE: c.moe, GPULayers: c.layers, Notice: func(m string) { told.WriteString(m + "\n") }})
		if got := proofOf(t, e); got != want {
			t.Errorf("experts of %s layers apart, %s layers on the GPU: other bits", c.moe, c.layers)
		}
		if c.says == "" && (strings.Contains(told.String(), "experts") || strings.Contains(e.Device(), "experts")) ||
			!strings.Contains(told.String(), c.says) || c.says != "" && !strings.Contains(e.Device(), "experts of") {
			t.Errorf("%s layers: %q; %q", c.moe, e.Device(), told.String())
		}
	}
}

// TestExpertsApartTrace: a probe reads the same activations, and times its steps.
func TestExpertsApartTrace(t *testing.T) {
	long(t)
	ctx := context.Background()
	read := func(o Options) map[string][]float32 {
		o.Context = 64
		o.Probe = func(*Engine) (ProbeOptions, error) { return ProbeOptions{Tokens: 5, Trace: true}, nil }
		e := open(t, withExperts, o)
		p, err := e.NewProbe(ctx, ProbeOptions{Tokens: 5, Trace: true})
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		if _, err := p.Run(ctx, familyIDs(5)); err != nil {
			t.Fatal(err)
		}
		all := map[string][]float32{}
		for i, s := range p.Steps {
			if s.Kept {
				dst := make([]float32, 5*s.Cols)
				n, err := p.Read(ctx, i, dst)
				if err != nil {
					t.Fatalf("%s: %v", s.Name, err)
				}
				all[s.Name] = dst[:n]
			}
		}
		return all
	}
	want := read(Options{Device: "cpu"})
	got := read(Options{Device: gpuName(t), CPUMoE: "all"})
	if len(got) != len(want) {
		t.Errorf("%d tensors, want %d", len(got), len(want))
	}
	for name := range want {
		if !slices.Equal(got[name], want[name]) {
			t.Errorf("%s: other values", name)
		}
	}
}

// TestExpertsApartFitted: where memory is short the experts of as few layers as need be
// stay on the processor, before whole layers do; a GPU that has room gets everything.
func TestExpertsApartFitted(t *testing.T) {
	long(t)
	theGPU(t)
	list, _ := Devices(0)
	var gpu model.Device
	for _, d := range list {
		if info := d.Info(); info.GPU() && gpu == nil {
			gpu = d
		}
	}
	for _, c := range []struct {
		layers int // how many a device holds with their experts
		want   string
	}{{3, ""}, {2, "experts of layers 0–1"}, {1, "experts of layers 0–2"}} {
		var told strings.Builder
		f, err := loader.Open(withExperts)
		if err != nil {
			t.Fatal(err)
		}
		info := gpu.Info()
		e, err := Open(context.Background(), f, Options{Device: info.ID, Context: 64,
			devices: []model.Device{tight{gpu, c.layers}, processor(&Options{})}, Notice: func(m string) { told.WriteString(m + "\n") }})
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(told.String(), c.want) || c.want == "" && strings.Contains(told.String(), "experts") {
			t.Errorf("room for %d layers: %s", c.layers, told.String())
		}
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	}
}

// tight is a device that holds the experts of so many layers.
type tight struct {
	model.Device
	layers int
}

func (d tight) Fit(m *model.Model, r model.FitRequest) (*model.Fitting, error) {
	most := r.Layers
	if most < 0 {
		most = m.Config.NLayer
	}
	for n := most; ; n-- {
		want := r
		want.Layers = n
		fit, err := d.Device.Fit(m, want)
		if err != nil {
			return nil, err
		}
		if n == 0 {
			return fit, nil
		}
		load, _, err := want.Plans(m, fit.Stage, fit.Pages)
		if err != nil {
			return nil, err
		}
		experts := map[string]bool{}
		for _, s := range load.Steps {
			if s.Op == model.MatMulExperts {
				experts[strings.Split(load.Tensors[s.Dst].Name, ".")[1]] = true
			}
		}
		if len(experts) < d.layers || d.layers == 3 {
			return fit, nil
		}
		err = fmt.Errorf("%d layers have experts: %w", len(experts), model.ErrNoMemory)
		if r.Layers != model.AutoLayers {
			return nil, err
		}
	}
}

// TestExpertsApartFamilies cuts every family that has experts, as far as the family runs.
func TestExpertsApartFamilies(t *testing.T) {
	long(t)
	name, cut := gpuName(t), 0
	for _, family := range []string{
		"llama-moe", "qwen2moe", "qwen3moe", "qwen3next", "qwen35moe", "glm4moe", "ernie4_5-moe", "hunyuan-moe", "minimax-m2", "lfm2moe",
		"gpt-oss", "gemma4-moe", "granitemoe", "granitehybrid", "deepseek2", "deepseek2-lite", "mistral4", "nemotron_h_moe", "qwen3vlmoe", "llama4",
	} {
		t.Run(family, func(t *testing.T) {
			path := (&familyRun{Name: family, Seed: 1, Embd: 64}).write(t)
			f, err := loader.Open(path)
			if err != nil {
				t.Fatal(err)
			}
			_, why := arch.Open(f)
			if why == nil {
				_, why = tokenizer.New(f)
			}
			f.Close()
			if why != nil {
				t.Skip(why)
			}
			want := proofOf(t, open(t, path, Options{Device: "cpu", Context: 64}))
			e := open(t, path, Options{Device: name, Context: 64, CPUMoE: "all"})
			if !e.hasExperts() {
				return
			}
			if got := proofOf(t, e); got != want {
				t.Error("other bits with the experts apart")
			}
			if !strings.Contains(e.Device(), "experts of") {
				t.Errorf("the experts are not apart: %s", e.Device())
			}
			cut++
		})
	}
	if cut == 0 {
		t.Error("no family was cut")
	}
}
