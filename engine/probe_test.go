package engine

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"testing"
	"time"

	"eclat/loader"
	"eclat/loader/quant"
	"eclat/model"
	"eclat/testdata"
)

// TestProbe: a probe computes what a request does, and its steps are the model's.
func TestProbe(t *testing.T) {
	ctx := context.Background()
	e := open(t, builtIn, Options{Device: "cpu"})
	ids := e.Prompt("The Congress of the United States", false)
	var want []float32
	if err := e.Score(ctx, ids, ScoreOptions{}, func(r Row) error { want = append(want, r.Logits...); return nil }); err != nil {
		t.Fatal(err)
	}
	p, err := e.NewProbe(ctx, ProbeOptions{Tokens: 3, Trace: true, Profile: true})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	var got []float32
	sum := make([]time.Duration, len(p.Steps))
	for part := range slices.Chunk(ids, 3) {
		logits, err := p.Run(ctx, part)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, logits...)
		last := len(p.Steps) - 1
		dst := make([]float32, 3*p.Steps[last].Cols)
		if n, err := p.Read(ctx, last, dst); err != nil || !slices.Equal(dst[:n], logits) {
			t.Errorf("the last step is not the logits: %d values, %v", n, err)
		}
		if !p.Times(sum) {
			t.Error("cpu does not time its steps")
		}
	}
	if !slices.Equal(got, want) {
		t.Error("other logits than a request's")
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
}

// TestStepsOfExperts: a token reads the experts that it goes to, and no others.
func TestStepsOfExperts(t *testing.T) {
	e := open(t, "../testdata/experts-small.gguf", Options{Device: "cpu"})
	steps, err := e.Steps()
	if err != nil {
		t.Fatal(err)
	}
	var got, want int64
	for _, s := range steps {
		if s.Op == model.MatMulExperts {
			if got += s.Row; s.Fixed != 0 || s.Row == 0 {
				t.Errorf("%s reads %d bytes a run and %d a token", s.Name, s.Fixed, s.Row)
			}
		}
	}
	c := &e.Model.Config
	for l := range c.NLayer {
		for _, part := range []string{"ffn_gate_exps.weight", "ffn_up_exps.weight", "ffn_gate_up_exps.weight", "ffn_down_exps.weight"} {
			if w := e.Model.File.Tensor(fmt.Sprintf("blk.%d.%s", l, part)); w != nil {
				want += w.Size / int64(c.At(l).Experts.N) * int64(c.At(l).Experts.Used)
			}
		}
	}
	if got != want || want == 0 {
		t.Errorf("%d bytes of experts a token, want %d", got, want)
	}
}

// TestProbeAfterError: what a failed Run was given is forgotten, and the next one goes
// on where the last good one ended.
func TestProbeAfterError(t *testing.T) {
	long(t)
	ctx := context.Background()
	e := open(t, builtIn, Options{Device: "cpu", Context: 64})
	probe := func(bad func(p *Probe)) (out []float32) {
		p, err := e.NewProbe(ctx, ProbeOptions{Tokens: 4})
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		if _, err := p.Run(ctx, []int32{1, 2, 3}); err != nil {
			t.Fatal(err)
		}
		if bad != nil {
			bad(p)
		}
		logits, err := p.Run(ctx, []int32{4})
		if err != nil {
			t.Fatal(err)
		}
		return slices.Clone(logits)
	}
	want := probe(nil)
	gone, cancel := context.WithCancel(ctx)
	cancel()
	for name, bad := range map[string]func(p *Probe) error{
		"a token that is none": func(p *Probe) error { _, err := p.Run(ctx, []int32{7, -1}); return err },
		"too many tokens":      func(p *Probe) error { _, err := p.Run(ctx, []int32{7, 7, 7, 7, 7}); return err },
		"no tokens":            func(p *Probe) error { _, err := p.Run(ctx, nil); return err },
		"cancelled":            func(p *Probe) error { _, err := p.Run(gone, []int32{7}); return err },
		"beyond the context": func(p *Probe) (err error) {
			for range 64 {
				if _, err = p.Run(ctx, []int32{7}); err != nil {
					break
				}
			}
			p.q.stored = 3 // as a caller who knows what it does would go back
			return err
		},
	} {
		got := probe(func(p *Probe) {
			if err := bad(p); err == nil {
				t.Errorf("%s: no error", name)
			}
		})
		if !slices.Equal(got, want) {
			t.Errorf("%s: the next run gives other logits", name)
		}
	}
}

func TestMatMulRate(t *testing.T) {
	e := open(t, builtIn, Options{Device: "cpu"})
	rate, err := e.MatMulRate(context.Background(), e.Chunk, 0)
	if err != nil || !(rate > 0) || math.IsInf(rate, 0) {
		t.Errorf("%g operations a second, %v", rate, err)
	}
}

// TestMatMulRateFits: what the rate takes is bounded by what is asked for before, and where
// a device has no room for it beside the model, it takes nothing.
func TestMatMulRateFits(t *testing.T) {
	ctx := context.Background()
	list, _ := Devices(2)
	for _, d := range list {
		info := d.Info()
		f, err := loader.FromBytes(testdata.ModelName, testdata.Model)
		if err != nil {
			t.Fatal(err)
		}
		e := openOn(t, f, Options{Device: info.ID, Context: 1024, devices: []model.Device{d}})
		held := func() int64 {
			facts, err := e.Facts(ctx)
			if err != nil {
				t.Fatal(err)
			}
			return facts[0].Held
		}
		fit := e.owner.chain.links[0].fit
		w := e.Model.File.Tensor("blk.0.ffn_down.weight")
		need, before := productBytes(e.Chunk, w.Rows(), w.Dims[0], 4), held()
		spare := fit.Spare()
		for _, less := range []int64{1, 0} { // one byte too few, and enough
			fit.Available -= spare - need + less
			spare = need - less
			_, err := e.MatMulRate(ctx, e.Chunk, 0)
			grown := held() - before
			if (less > 0) != errors.Is(err, ErrMemory) || less > 0 && grown != 0 || less == 0 && err != nil {
				t.Errorf("%s: %d bytes of %d are there, %d more are held: %v", info.ID, spare, need, grown, err)
			}
			if grown > need {
				t.Errorf("%s: %d bytes more are held, %d were asked for", info.ID, grown, need)
			}
		}
	}
}

// TestProbeLost: a device lost under a probe is one error of the right kind, for that
// run and all later ones, while the engine goes on.
func TestProbeLost(t *testing.T) {
	lost := false
	ctx := context.Background()
	e := open(t, builtIn, Options{Device: gpuName(t), Context: 64, fault: func(call, _ string) error {
		if lost && call == "submit" {
			lost = false
			return model.ErrLost
		}
		return nil
	}})
	p, err := e.NewProbe(ctx, ProbeOptions{Tokens: 4, Trace: true})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if _, err := p.Run(ctx, []int32{1, 2}); err != nil {
		t.Fatal(err)
	}
	e.do(ctx, func() error { lost = true; return nil })
	for range 2 {
		if _, err := p.Run(ctx, []int32{3}); !errors.Is(err, ErrLost) {
			t.Errorf("error %v, want %v", err, ErrLost)
		}
	}
	if got, _ := generate(t, e, "The", Request{MaxTokens: 3, IgnoreEOS: true}); len(got) != 3 {
		t.Errorf("%v after the loss", got)
	}
}

// TestProbesBeside: probes come and go beside requests, questions and measurements.
func TestProbesBeside(t *testing.T) {
	ctx := context.Background()
	e := open(t, builtIn, Options{Device: "cpu", Context: 512, Threads: 2})
	want, _ := generate(t, e, "The", Request{MaxTokens: 5, IgnoreEOS: true})
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for range 3 {
				p, err := e.NewProbe(ctx, ProbeOptions{Tokens: 2, Trace: true})
				if err != nil {
					t.Error(err)
					return
				}
				if _, err := p.Run(ctx, []int32{1, int32(g)}); err != nil {
					t.Error(err)
				}
				if err := p.Close(); err != nil {
					t.Error(err)
				}
			}
		})
		wg.Go(func() {
			for range 3 {
				if got, _ := generate(t, e, "The", Request{MaxTokens: 5, IgnoreEOS: true}); !slices.Equal(got, want) {
					t.Errorf("%v, want %v", got, want)
				}
				if _, err := e.Facts(ctx); err != nil {
					t.Error(err)
				}
				e.Losses()
			}
		})
	}
	wg.Wait()
	empty(t, e)
}
