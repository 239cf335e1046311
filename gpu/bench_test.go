//go:build cgo && !novulkan

package gpu

import (
	"fmt"
	"os"
	"testing"
	"time"

	"eclat/model"
)

// The model to measure: ECLAT_MODEL, else the built-in one.
func benchModel() string {
	if path := os.Getenv("ECLAT_MODEL"); path != "" {
		return path
	}
	return builtIn
}

func benchRunner(b *testing.B, ctx int) *runner {
	be, err := open(testDevice(b), options{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { be.Close() })
	return newRunner(b, benchModel(), be, ctx)
}

// BenchmarkDecode runs one token at position 64, with its choice on the device.
func BenchmarkDecode(b *testing.B) {
	r := benchRunner(b, 256)
	p := r.program(1, 1, true)
	in := r.batch([]int32{100}, 64, 1)
	var out model.Outputs
	if err := p.Run(b.Context(), in, &out); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if err := p.Run(b.Context(), in, &out); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "tokens/s")
}

// BenchmarkPrompt runs a batch of tokens from position 0.
func BenchmarkPrompt(b *testing.B) {
	for _, n := range []int{8, 32, 128, 512} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			r := benchRunner(b, n)
			p := r.program(n, 1, true)
			ids := make([]int32, n)
			for i := range ids {
				ids[i] = int32(3 + i%200)
			}
			in := r.batch(ids, 0, 1)
			var out model.Outputs
			if err := p.Run(b.Context(), in, &out); err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				if err := p.Run(b.Context(), in, &out); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.N*n)/b.Elapsed().Seconds(), "tokens/s")
		})
	}
}

// BenchmarkProfile prints where a token's time goes, by kernel, beside what a whole
// run takes.
func BenchmarkProfile(b *testing.B) {
	r := benchRunner(b, 256)
	p := r.program(1, 1, true)
	in := r.batch([]int32{100}, 64, 1)
	var out model.Outputs
	type sum struct {
		n           int
		time        time.Duration
		bytes, flop int64
	}
	kernels := map[string]*sum{}
	var wall time.Duration
	rounds := 0
	for b.Loop() {
		begin := time.Now()
		if err := p.Run(b.Context(), in, &out); err != nil {
			b.Fatal(err)
		}
		wall += time.Since(begin)
		steps, err := p.(*program).profile(b.Context())
		if err != nil {
			b.Skip(err)
		}
		rounds++
		for _, s := range steps {
			k := kernels[s.Kernel]
			if k == nil {
				k = &sum{}
				kernels[s.Kernel] = k
			}
			k.n, k.time, k.bytes, k.flop = k.n+1, k.time+s.Time, k.bytes+s.Bytes, k.flop+s.Flops
		}
	}
	if rounds < 2 { // the first one warms up
		return
	}
	var all time.Duration
	for name, k := range kernels {
		all += k.time
		b.Logf("%-24s %3d × %8.1f µs  %6.2f GB/s", name, k.n/rounds, k.time.Seconds()*1e6/float64(k.n), float64(k.bytes)/k.time.Seconds()/1e9)
	}
	b.Logf("dispatches one by one %v, a run %v", all/time.Duration(rounds), wall/time.Duration(rounds))
}
