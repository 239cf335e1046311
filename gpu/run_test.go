//go:build cgo && !novulkan

package gpu

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"eclat/gpu/vk"
	"eclat/model"
	"eclat/model/sample"
)

// TestCancel: a cancelled run ends between submits with the context's error, and
// the next one answers as if nothing had been.
func TestCancel(t *testing.T) {
	submits, at, cancel := 0, 1<<30, func() {}
	b := openTest(t, options{submitTime: 1, OpenOptions: model.OpenOptions{Fault: func(call, _ string) error {
		if call == "submit" {
			if submits++; submits == at {
				cancel()
			}
		}
		return nil
	}}})
	r := newRunner(t, builtIn, b, 64)
	p := r.program(len(prompt), 1, false)
	want := r.logits(p)
	all := len(p.(*program).segments)
	for _, stop := range []int{1, 2, all / 2, all - 1} {
		ctx, end := context.WithCancel(t.Context())
		submits, at, cancel = 0, stop, end
		var out model.Outputs
		if err := p.Run(ctx, r.batch(prompt, 0, 1), &out); !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled at submit %d: %v", stop, err)
		}
		if submits != stop {
			t.Errorf("cancelled at submit %d of %d, %d were made", stop, all, submits)
		}
		if err := p.Run(ctx, r.batch(prompt, 0, 1), &out); !errors.Is(err, context.Canceled) || submits != stop {
			t.Errorf("a run with an ended context: %v, %d submits", err, submits)
		}
		end()
		at = 1 << 30
		if got := r.logits(p); !slices.Equal(got, want) {
			t.Errorf("cancelled at submit %d: the next answer differs", stop)
		}
	}
}

// TestWorkspace: programs of all sizes share their activations, whatever the order
// they are made and run in; one with Trace has its own; one that does not fit leaves
// the others as they were.
func TestWorkspace(t *testing.T) {
	for _, unmapped := range []bool{false, true} {
		b := openTest(t, options{})
		b.unmapped = unmapped
		r := newRunner(t, builtIn, b, 128)
		sizes := []int{8, 9, 64, 40}
		var programs []model.Program
		want := r.logits(r.program(len(prompt), 1, false))
		for _, n := range sizes {
			programs = append(programs, r.program(n, 1, false))
			equal(t, r.logits(programs[0]), want)
		}
		rnd := rand.New(rand.NewPCG(1, 2))
		for range 12 {
			equal(t, r.logits(programs[rnd.IntN(len(programs))]), want)
		}
		shared := b.work.mem
		trace := r.compile(model.CompileOptions{Size: model.Size{Tokens: 100, Want: 1}, Trace: true}, false)
		if trace.(*program).ws == &b.work || b.work.mem != shared {
			t.Error("a program with Trace shares its activations")
		}
		equal(t, r.logits(trace), want)
		held := b.Info().Held
		if _, err := b.Compile(trace.(*program).plan, model.CompileOptions{Size: model.Size{Tokens: 1 << 23, Want: 1}}); !errors.Is(err, model.ErrNoMemory) {
			t.Errorf("a program of millions of tokens: %v", err)
		}
		if now := b.Info().Held; now != held {
			t.Errorf("%d bytes are held after a failed compile, %d before", now, held)
		}
		equal(t, r.logits(programs[1]), want)
		for _, p := range programs {
			p.Close()
		}
		equal(t, r.logits(trace), want)
	}
}

// TestLogitsWanted: a plan that ends with Sample returns logits where a row of them
// is wanted, and the token −1 in its place.
func TestLogitsWanted(t *testing.T) {
	for _, unmapped := range []bool{false, true} {
		b := openTest(t, options{})
		b.unmapped = unmapped
		r := newRunner(t, builtIn, b, 64)
		plain, sampled := r.program(len(prompt), 3, false), r.program(len(prompt), 3, true)
		in := r.batch(prompt, 0, 3)
		var rows, out model.Outputs
		if err := plain.Run(t.Context(), in, &rows); err != nil {
			t.Fatal(err)
		}
		want, vocab := slices.Clone(rows.Rows), r.m.Config.NVocab
		if err := sampled.Run(t.Context(), in, &out); err != nil {
			t.Fatal(err)
		}
		if len(out.Rows) != 0 {
			t.Errorf("%d values that nobody wanted", len(out.Rows))
		}
		in.How[1].Logits = true
		if err := sampled.Run(t.Context(), in, &out); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(out.Rows[vocab:2*vocab], want[vocab:2*vocab]) {
			t.Error("the logits differ")
		}
		for i, id := range out.Tokens {
			best := sample.Argmax(want[i*vocab:][:vocab])
			if i == 1 {
				best = -1
			}
			if id != best {
				t.Errorf("token %d is %d, want %d", i, id, best)
			}
		}
	}
}

// TestPages: units are copied, saved and restored in all memories of their pool, and
// nothing else is.
func TestPages(t *testing.T) {
	for _, unmapped := range []bool{false, true} {
		b := openTest(t, options{})
		b.unmapped = unmapped
		r := newRunner(t, builtIn, b, 128) // pages 3, 2, 1, 0
		p := r.program(len(prompt), 1, false)
		want, ctx, io := r.logits(p), t.Context(), b.Pages()
		one := r.program(1, 1, false)
		last := func() []float32 { // from what is in memory
			t.Helper()
			var out model.Outputs
			if err := one.Run(ctx, r.batch(prompt[len(prompt)-1:], len(prompt)-1, 1), &out); err != nil {
				t.Fatal(err)
			}
			return slices.Clone(out.Rows)
		}
		equal(t, last(), want)
		plan := p.(*program).plan
		if n := io.UnitBytes(0); n != int(plan.UnitBytes(0)) || n == 0 {
			t.Errorf("a unit is %d bytes", n)
		}
		must := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		saved, zeros, other := make([]byte, io.UnitBytes(0)), make([]byte, io.UnitBytes(0)), make([]byte, io.UnitBytes(0))
		must(io.Save(ctx, 0, 3, saved))
		must(io.Copy(ctx, 0, 3, 1))
		must(io.Save(ctx, 0, 1, other))
		if !slices.Equal(saved, other) || slices.Equal(saved, zeros) {
			t.Error("a copied unit is another")
		}
		must(io.Save(ctx, 0, 2, other))
		if !slices.Equal(other, zeros) {
			t.Error("a unit that nobody wrote is not zero")
		}
		must(io.Restore(ctx, 0, 3, zeros))
		if got := last(); nmse(got, want) < 1e-6 {
			t.Error("the memory is lost, and the answer the same")
		}
		r.units[0][0] = 1
		equal(t, last(), want)
		must(io.Restore(ctx, 0, 2, saved))
		r.units[0][0] = 2
		equal(t, last(), want)
		must(io.Copy(ctx, 0, 2, 2))
		equal(t, last(), want)

		ended, end := context.WithCancel(ctx)
		end()
		for name, err := range map[string]error{
			"an unknown pool":    io.Copy(ctx, 1, 0, 1),
			"no pool":            io.Copy(ctx, -1, 0, 1),
			"from outside":       io.Copy(ctx, 0, 4, 1),
			"to outside":         io.Copy(ctx, 0, 0, 4),
			"a unit below 0":     io.Save(ctx, 0, -1, saved),
			"too little room":    io.Save(ctx, 0, 0, saved[1:]),
			"too many bytes":     io.Restore(ctx, 0, 0, append(saved, 0)),
			"an ended context":   io.Restore(ended, 0, 0, saved),
			"a cancelled saving": io.Save(ended, 0, 0, saved),
		} {
			if err == nil {
				t.Errorf("%s: no error", name)
			}
		}
	}
}

// TestInfoBeside: Info may be asked while the backend works. The race detector
// watches.
func TestInfoBeside(t *testing.T) {
	b := openTest(t, options{})
	r := newRunner(t, builtIn, b, 64)
	done, asked := make(chan bool), 0
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			if d := b.Info(); d.ID == "" || d.Held == 0 || len(d.Ops) == 0 {
				t.Errorf("%+v", d)
			}
			asked++
			select {
			case <-done:
				return
			default:
			}
		}
	})
	for n := range 4 {
		p := r.program(8+n, 1, false)
		r.logits(p)
		p.Close()
	}
	close(done)
	wg.Wait()
	if asked < 2 {
		t.Errorf("asked %d times", asked)
	}
}

// TestNamed: errors of the driver are model's.
func TestNamed(t *testing.T) {
	for _, c := range []struct{ vk, model error }{
		{vk.ErrDeviceLost, model.ErrLost}, {vk.ErrOutOfDeviceMemory, model.ErrNoMemory},
		{vk.ErrOutOfHostMemory, model.ErrNoMemory}, {vk.ErrNoVulkan, model.ErrNoDevice},
	} {
		err := errorf("%s: %w", "card", c.vk)
		if !errors.Is(err, c.vk) || !errors.Is(err, c.model) || err.Error() != "gpu: card: "+c.vk.Error() {
			t.Errorf("%v is not %v", err, c.model)
		}
	}
	if err := errorf("%w", vk.ErrNotSupported); errors.Is(err, model.ErrNoMemory) || errors.Is(err, model.ErrLost) {
		t.Errorf("%v", err)
	}
}

// TestCareful: a device that was lost gets shorter submits, down to a floor.
func TestCareful(t *testing.T) {
	b := &Backend{}
	last := b.submitTime()
	for b.opt.Careful = 1; b.opt.Careful < 200; b.opt.Careful++ {
		now := b.submitTime()
		if now > last || now < leastSubmitTime || now > last/2 && now > leastSubmitTime {
			t.Fatalf("careful %d: %v after %v", b.opt.Careful, now, last)
		}
		last = now
	}
	if last != leastSubmitTime {
		t.Errorf("at last %v", last)
	}
}

// TestKernelsProgress: compiling says how many kernels there are and ends at all.
func TestKernelsProgress(t *testing.T) {
	var seen []int64
	total := int64(0)
	b := openTest(t, options{OpenOptions: model.OpenOptions{Progress: func(what string, done, n int64) {
		if what == "kernels" {
			seen, total = append(seen, done), n
		}
	}}})
	r := newRunner(t, builtIn, b, 64)
	r.program(8, 1, true)
	if len(seen) == 0 || int64(len(seen)) != total || !slices.IsSorted(seen) || seen[len(seen)-1] != total {
		t.Errorf("%v of %d", seen, total)
	}
}

// TestManyTables: sequences that share a prefix each name its pages; a batch with
// more tables than there is room for is refused, and the next one runs.
func TestManyTables(t *testing.T) {
	b := openTest(t, options{})
	r := newRunner(t, builtIn, b, 2048)
	p := r.program(32, 1, false).(*program)
	want := r.logits(p)
	pages := len(r.units[0])
	shared := func(n int) *model.Batch { // tokens of n sequences that share all pages but one
		in := &model.Batch{Want: []int32{0}}
		for s := range n {
			table := slices.Clone(r.units[0][:pages-n+1])
			table[pages-n] = r.units[0][pages-n+s]
			in.Tokens, in.Pos = append(in.Tokens, prompt[0]), append(in.Pos, int32((pages-n)*model.PageLen))
			in.Seqs = append(in.Seqs, model.SeqRun{N: 1, Units: [][]int32{table}})
		}
		return in
	}
	var out model.Outputs
	if err := p.Run(t.Context(), shared(32), &out); err != nil {
		t.Error(err)
	}
	p.In.TableWords = 100
	if err := p.Run(t.Context(), shared(32), &out); !errors.Is(err, model.ErrNoMemory) {
		t.Errorf("more tables than there is room for: %v", err)
	}
	if got := r.logits(p); !slices.Equal(got, want) {
		t.Error("the next answer differs")
	}
}
