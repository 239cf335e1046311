package engine

import (
	"context"
	"errors"
	"math"
	"slices"
	"testing"
	"time"

	"eclat/gpu/vk"
	"eclat/loader"
	"eclat/loader/quant"
	"eclat/model"
)

// TestProbe: a probe computes what a session does, and its steps are the model's.
func TestProbe(t *testing.T) {
	e := open(t, builtIn, Options{Device: "cpu"})
	ids := e.Prompt("The Congress of the United States", false)
	var want []float32
	s := e.NewSession()
	defer s.Close()
	if err := s.Score(context.Background(), ids, 0, func(r Row) error { want = append(want, r.Logits...); return nil }); err != nil {
		t.Fatal(err)
	}
	p, err := e.NewProbe(ProbeOptions{Tokens: 3, Trace: true, Profile: true})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	var got []float32
	sum := make([]time.Duration, len(p.Steps))
	for part := range slices.Chunk(ids, 3) {
		logits, err := p.Run(part)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, logits...)
		last := len(p.Steps) - 1
		dst := make([]float32, 3*p.Steps[last].Cols)
		if n, err := p.Read(last, dst); err != nil || !slices.Equal(dst[:n], logits) {
			t.Errorf("the last step is not the logits: %d values, %v", n, err)
		}
		if !p.Times(sum) {
			t.Error("cpu does not time its steps")
		}
	}
	if !slices.Equal(got, want) {
		t.Error("other logits than a session's")
	}
	if slices.Contains(sum, 0) {
		t.Error("a step took no time")
	}
	steps, err := e.Steps()
	if err != nil || len(steps) != len(p.Steps) {
		t.Fatalf("%d steps, the probe has %d; %v", len(steps), len(p.Steps), err)
	}
	var fixed int64
	for i := range steps {
		if fixed += steps[i].Fixed; steps[i].Name != p.Steps[i].Name {
			t.Errorf("step %d: %s, the probe's is %s", i, steps[i].Name, p.Steps[i].Name)
		}
	}
	var all int64
	for _, w := range e.Model.File.Tensors {
		if w.Name != "token_embd.weight" || e.Model.File.Tensor("output.weight") == nil {
			all += w.Size
		}
	}
	if fixed != all {
		t.Errorf("%d bytes of weights a token, the file has %d", fixed, all)
	}
	if st := p.Steps[1]; st.Layer != 0 || st.Op != model.RMSNorm || st.Type != quant.F32 {
		t.Errorf("step 1: %+v", st)
	}
	if _, err := p.Run(make([]int32, e.Context)); !errors.As(err, new(*ContextError)) {
		t.Errorf("past the context: %v", err)
	}
}

func TestMatMulRate(t *testing.T) {
	e := open(t, builtIn, Options{Device: "cpu"})
	rate, err := e.MatMulRate(e.Chunk, 50*time.Millisecond)
	if err != nil || !(rate > 1e7) || math.IsInf(rate, 0) {
		t.Errorf("%g operations a second, %v", rate, err)
	}
}

// TestRewind: after going back the same tokens give the same answer, and pages
// are not lost.
func TestRewind(t *testing.T) {
	e := open(t, builtIn, Options{Context: 256})
	s := e.NewSession()
	ids := e.Prompt("The people of the United States have reason to be proud of their government and of its laws.", false)
	gen := func(r []int32) (out []int32) {
		_, err := s.Generate(context.Background(), r, Request{MaxTokens: 8, IgnoreEOS: true, Emit: func(id int32) { out = append(out, id) }})
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	want := gen(ids)
	for _, keep := range []int{0, 5, len(ids) - 1} {
		s.Rewind(keep)
		if s.Len() != keep || len(s.table) != model.Pages(keep) {
			t.Errorf("%d tokens in %d pages after going back to %d", s.Len(), len(s.table), keep)
		}
		if got := gen(ids[keep:]); !slices.Equal(got, want) {
			t.Errorf("from %d: %v, want %v", keep, got, want)
		}
	}
	s.Close()
	if len(e.pool.free) != e.pool.size {
		t.Errorf("%d of %d pages free", len(e.pool.free), e.pool.size)
	}
}

// TestProbeLost: a device lost under a probe is one error of the right kind.
func TestProbeLost(t *testing.T) {
	lost := false
	f, err := loader.Open(builtIn)
	if err != nil {
		t.Fatal(err)
	}
	o := Options{Device: gpuName(t), Context: 64}
	o.gpuFault = func(call, _ string) error {
		if lost {
			return vk.ErrDeviceLost
		}
		return nil
	}
	e, err := Open(f, o)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	p, err := e.NewProbe(ProbeOptions{Tokens: 4, Trace: true})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if _, err := p.Run([]int32{1, 2}); err != nil {
		t.Fatal(err)
	}
	lost = true
	if _, err := p.Run([]int32{3}); !errors.Is(err, ErrLost) {
		t.Errorf("error %v, want %v", err, ErrLost)
	}
}
