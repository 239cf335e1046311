package bench

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"eclat/engine"
	"eclat/model"
	"eclat/model/arch"
)

// TestShapeSizes: weights are as many as the published models have, of those with
// experts and other tricks too. What files leave out of the published count, as draft
// heads, is not here.
func TestShapeSizes(t *testing.T) {
	for name, params := range map[string]float64{ // in 10⁹, as published
		"mixtral-8x7b": 46.7, "qwen2.5-7b": 7.62, "qwen3-0.6b": 0.596, "qwen3-4b": 4.02, "qwen3-8b": 8.19, "qwen3-14b": 14.77,
		"qwen3-30b-a3b": 30.53, "qwen3-coder-next": 79.7, "qwen3.6-27b": 26.9, "qwen3.6-35b-a3b": 34.7,
		"gemma-3-12b": 11.77, "gemma-4-e4b": 7.5, "gemma-4-26b-a4b": 25.2, "gemma-4-31b": 30.7,
		"gpt-oss-20b": 20.9, "gpt-oss-120b": 116.8, "phi-4": 14.66, "glm-4.5-air": 106.9, "deepseek-v2-lite": 15.7,
		"smollm3-3b": 3.08, "granite-3.3-8b": 8.17, "mistral-small-3.2": 23.57, "ministral-3-8b": 8.49,
	} {
		s, err := ParseShape(name)
		if err != nil {
			t.Error(err)
			continue
		}
		if got := float64(s.Params()) / 1e9; math.Abs(got/params-1) > 0.02 {
			t.Errorf("%s: %.2f · 10⁹ weights, published are %.2f", name, got, params)
		}
	}
	if _, err := ParseShape("GPT-OSS-20"); err == nil || !strings.Contains(err.Error(), "gpt-oss-20b") {
		t.Errorf("error %v, want the nearest name", err)
	}
	for i, s := range Shapes {
		if j := slices.IndexFunc(Shapes, func(x Shape) bool { return x.Name == s.Name }); j != i {
			t.Errorf("two shapes are named %s", s.Name)
		}
	}
}

// small is a shape with the same features in less room.
func small(s Shape) Shape {
	s.Vocab, s.Context = 300, 256
	s.experts.n = min(s.experts.n, 16)
	s.experts.used = min(s.experts.used, 4)
	if s.FF = min(s.FF, 1024); s.Arch == "llama" { // whose experts are as wide
		s.experts.ff = min(s.experts.ff, s.FF)
	}
	s.Layers = min(s.Layers, 8)
	return s
}

// TestShapesRun: a few layers of each shape open and compute finite numbers; a shape whose
// family is not supported is refused by name, before anything is written.
func TestShapesRun(t *testing.T) {
	if testing.Short() {
		t.Skip("writes and runs a model of every family: left out with -short")
	}
	done := map[string]bool{}
	for _, s := range Shapes {
		if kind := fmt.Sprint(s.Arch, s.experts.n > 0, s.Tied); done[kind] {
			continue
		} else {
			done[kind] = true
		}
		t.Run(s.Name, func(t *testing.T) {
			t.Setenv("TMPDIR", t.TempDir())
			m, err := Synthetic(context.Background(), small(s), nil)
			var no model.UnsupportedError
			if !arch.Supports(s.Arch) {
				if !errors.As(err, &no) {
					t.Errorf("%s is not supported: %v", s.Arch, err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			defer m.Close()
			f, err := m.Open()
			if err != nil {
				t.Fatal(err)
			}
			e, err := engine.Open(context.Background(), f, engine.Options{Device: "cpu", Context: 64})
			if errors.As(err, &no) {
				t.Skip(err)
			}
			if err != nil {
				t.Fatal(err)
			}
			defer e.Close()
			if e.Model.Config.Architecture != s.Arch {
				t.Errorf("the file is of %s", e.Model.Config.Architecture)
			}
			unread := map[string]bool{}
			for _, x := range f.Tensors {
				unread[x.Name] = true
			}
			steps, err := e.Steps()
			if err != nil {
				t.Fatal(err)
			}
			for _, st := range steps {
				for _, src := range st.Src {
					delete(unread, src.Name)
				}
				delete(unread, st.Weight)
			}
			delete(unread, "rope_freqs.weight")
			if len(unread) > 0 {
				t.Errorf("tensors that nothing reads: %v", unread)
			}
			if _, err := Run(context.Background(), e, []Test{{Prompt: 8}, {Gen: 2}}, Options{Repeat: 1}); err != nil {
				t.Error(err)
			}
		})
	}
}
