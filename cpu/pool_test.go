package cpu

import (
	"sync/atomic"
	"testing"
	"time"
)

// TestPool: every part of every job is done once before run returns, whether the
// goroutines look for work or sleep.
func TestPool(t *testing.T) {
	for _, looks := range []int{0, 3, enoughLooks} {
		for _, threads := range []int{1, 2, 3, 8} {
			p := newPoolOf(threads, looks)
			var done [50]atomic.Int32
			part := func(worker, i int) {
				if worker < 0 || worker >= threads {
					t.Errorf("worker %d of %d", worker, threads)
				}
				done[i].Add(1)
			}
			for job := range 400 {
				n := job % len(done)
				if err := p.run(n, part); err != nil {
					t.Fatal(err)
				}
				for i := range done {
					want := int32(0)
					if i < n {
						want = 1
					}
					if got := done[i].Swap(0); got != want {
						t.Fatalf("%d threads, %d looks, job %d: part %d of %d was done %d times", threads, looks, job, i, n, got)
					}
				}
				if job%100 == 0 {
					time.Sleep(time.Millisecond) // all asleep
				}
			}
			p.close()
			p.close()
		}
	}
}

// TestLateHelper: run does not wait for a helper that has not begun.
func TestLateHelper(t *testing.T) {
	p := newPoolOf(1, 0)
	p.workers = append(p.workers, worker{waiter: waiter{call: make(chan struct{}, 1)}}) // nobody
	for range 3 {
		done := 0
		if err := p.run(10, func(int, int) { done++ }); err != nil || done != 10 {
			t.Errorf("%d parts were done, %v", done, err)
		}
	}
}

// TestPoolAllocatesNothing: run is called hundreds of times a token.
func TestPoolAllocatesNothing(t *testing.T) {
	p := newPool(3)
	defer p.close()
	part := func(int, int) {}
	if n := testing.AllocsPerRun(1000, func() { p.run(10, part) }); n > 0 {
		t.Errorf("%v allocations a run", n)
	}
}

// TestStaleCall: a call for what a waiter has seen already ends no later wait.
func TestStaleCall(t *testing.T) {
	w := waiter{call: make(chan struct{}, 1)}
	w.call <- struct{}{}
	looks := 0
	w.until(0, func() bool { looks++; return looks > 2 })
	if looks != 3 || w.asleep.Load() {
		t.Errorf("returned after %d looks, asleep %v", looks, w.asleep.Load())
	}
}
