//go:build cgo && !novulkan

package gpu

import (
	"fmt"
	"os"
	"runtime/debug"
	"slices"
	"testing"

	"eclat/model"
	"eclat/model/backendtest"
)

// resident returns the bytes of this process that are in memory.
func resident(t *testing.T) int64 {
	var size, pages int64
	data, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Skip("no /proc/self/statm")
	}
	fmt.Sscan(string(data), &size, &pages)
	return pages * int64(os.Getpagesize())
}

// TestOpenCloseCycles: the lives of many backends leave no memory behind: neither in
// every span, as a leak would, nor all in all, as an allocator does that keeps what
// each of a driver's threads freed.
func TestOpenCloseCycles(t *testing.T) {
	long(t)
	info, cache := testDevice(t), t.TempDir()
	m := backendtest.Open(t, builtIn)
	plan, err := m.Plan(m.Whole(), model.Room{Pages: 4})
	if err != nil {
		t.Fatal(err)
	}
	in := &model.Batch{Tokens: []int32{1}, Pos: []int32{0}, Seqs: []model.SeqRun{{N: 1, Units: backwards(plan)}}, Want: []int32{0}}
	cycles := func(n int) {
		for range n {
			b, err := open(info, options{OpenOptions: model.OpenOptions{CacheDir: cache}})
			if err != nil {
				t.Fatal(err)
			}
			if err := b.Load(t.Context(), m.File, plan); err != nil {
				t.Fatal(err)
			}
			p, err := b.Compile(plan, rows(1))
			if err != nil {
				t.Fatal(err)
			}
			var out model.Outputs
			if err := p.Run(t.Context(), in, &out); err != nil {
				t.Fatal(err)
			}
			if err := b.Close(); err != nil {
				t.Fatal(err)
			}
		}
		debug.FreeOSMemory()
	}
	cycles(10) // the driver's own caches fill
	first := resident(t)
	var spans []int64
	for range 5 {
		before := resident(t)
		cycles(12)
		spans = append(spans, (resident(t)-before)>>10)
	}
	all := (resident(t) - first) >> 10
	t.Logf("KiB more after each 12 cycles: %v", spans)
	slices.Sort(spans)
	if spans[2] > 2<<10 || all > 20<<10 {
		t.Errorf("%d KiB more after 12 cycles, %d after 60", spans[2], all)
	}
}

// TestTwoAtOnce: backends on one device don't disturb each other.
func TestTwoAtOnce(t *testing.T) {
	want := newRunner(t, builtIn, openTest(t, options{}), 64)
	answer := want.logits(want.program(len(prompt), 1, false))
	t.Run("group", func(t *testing.T) {
		for range 3 {
			t.Run("", func(t *testing.T) {
				t.Parallel()
				for range 3 {
					b := openTest(t, options{})
					r := newRunner(t, builtIn, b, 64)
					p := r.program(len(prompt), 1, false)
					for range 5 {
						if got := r.logits(p); !slices.Equal(got, answer) {
							t.Error("the answer differs")
						}
					}
					if err := b.Close(); err != nil {
						t.Error(err)
					}
				}
			})
		}
	})
}
