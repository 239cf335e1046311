//go:build cgo && !novulkan

package gpu

import (
	"testing"

	"eclat/gpu/vk"
	"eclat/model"
)

// feedback decodes with the token fed from one replay to the next on the device:
// two programs take turns, a copy moves the sampled token of one to the inputs of
// the other, and the host writes the next position while the device still works.
// The host sees each token one run late.
type feedback struct {
	p  [2]*program
	to [2]*vk.Commands // tokens of the other program → inputs of this one
}

func newFeedback(t testing.TB, r *runner) *feedback {
	f := &feedback{}
	for i := range f.p {
		f.p[i] = r.program(1, 1, true).(*program)
	}
	for i := range f.to {
		rec, err := f.p[i].b.dev.NewRecorder()
		if err != nil {
			t.Fatal(err)
		}
		rec.Barrier()
		rec.Copy(f.p[1-i].tokens, 0, f.p[i].inputs, int64(f.p[i].In.Tokens)*4, 4)
		if f.to[i], err = rec.End(); err != nil {
			t.Fatal(err)
		}
	}
	return f
}

// run decodes n tokens from position pos after token id.
func (f *feedback) run(t testing.TB, r *runner, id int32, pos, n int) []int32 {
	var ids []int32
	wait := func(i int) {
		p := f.p[i%2]
		if i > 0 {
			if err := p.b.dev.Wait(f.to[i%2]); err != nil {
				t.Fatal(err)
			}
		}
		for _, s := range p.segments {
			if err := p.b.dev.Wait(s.cmd); err != nil {
				t.Fatal(err)
			}
		}
		ids = append(ids, int32(p.tokens.Words()[0]))
	}
	in := r.batch([]int32{id}, pos, 1)
	for i := range n {
		p := f.p[i%2]
		in.Pos[0] = int32(pos + i)
		if i >= 2 {
			wait(i - 2)
		}
		if err := p.write(in); err != nil {
			t.Fatal(err)
		}
		if i > 0 {
			if err := p.b.dev.Start(f.to[i%2]); err != nil {
				t.Fatal(err)
			}
		}
		for _, s := range p.segments {
			if err := p.b.dev.Start(s.cmd); err != nil {
				t.Fatal(err)
			}
		}
	}
	for i := max(0, n-2); i < n; i++ {
		wait(i)
	}
	return ids
}

// TestFeedback: the same tokens as with the host in between.
func TestFeedback(t *testing.T) {
	long(t)
	r := newRunner(t, builtIn, openTest(t, options{}), 256)
	const n = 50
	want := r.greedy(prompt[:1], n)
	f := newFeedback(t, r)
	got := f.run(t, r, prompt[0], 0, n)
	for i := range want {
		if got[i] != want[i] {
			t.Fatalf("token %d is %d, want %d", i, got[i], want[i])
		}
	}
}

// BenchmarkFeedback is BenchmarkDecode without the host between two tokens.
func BenchmarkFeedback(b *testing.B) {
	r := benchRunner(b, 256)
	const n = 64
	f := newFeedback(b, r)
	p := r.program(1, 1, true)
	var out model.Outputs
	b.Run("host", func(b *testing.B) {
		for b.Loop() {
			in := r.batch([]int32{100}, 0, 1)
			for i := range n {
				in.Pos[0] = int32(i)
				if err := p.Run(b.Context(), in, &out); err != nil {
					b.Fatal(err)
				}
				in.Tokens[0] = out.Tokens[0]
			}
		}
		b.ReportMetric(float64(b.N*n)/b.Elapsed().Seconds(), "tokens/s")
	})
	b.Run("device", func(b *testing.B) {
		for b.Loop() {
			f.run(b, r, 100, 0, n)
		}
		b.ReportMetric(float64(b.N*n)/b.Elapsed().Seconds(), "tokens/s")
	})
}
