package cpu

import (
	"sync"
	"sync/atomic"
)

// pool is a fixed set of goroutines that share out the parts of one job at a
// time. The caller of run works too, so threads−1 goroutines wait.
type pool struct {
	threads int
	wake    []chan *job // one a waiting goroutine
}

// job is a number of parts; whoever is free takes the next.
type job struct {
	part  func(worker, part int)
	parts int64
	next  atomic.Int64
	done  sync.WaitGroup
}

func newPool(threads int) *pool {
	p := &pool{threads: threads}
	for w := 1; w < threads; w++ {
		c := make(chan *job)
		p.wake = append(p.wake, c)
		go func() {
			for j := range c {
				j.work(w)
				j.done.Done()
			}
		}()
	}
	return p
}

func (j *job) work(worker int) {
	for {
		i := j.next.Add(1) - 1
		if i >= j.parts {
			return
		}
		j.part(worker, int(i))
	}
}

// run calls part(worker, i) for each i below parts and returns when all are done.
// It uses j's memory, so a caller that keeps its job allocates nothing.
func (p *pool) run(j *job, parts int, part func(worker, part int)) {
	if p.threads == 1 || parts <= 1 {
		for i := range parts {
			part(0, i)
		}
		return
	}
	j.part, j.parts = part, int64(parts)
	j.next.Store(0)
	helpers := min(len(p.wake), parts-1)
	j.done.Add(helpers)
	for _, c := range p.wake[:helpers] {
		c <- j
	}
	j.work(0)
	j.done.Wait()
}

func (p *pool) close() {
	for _, c := range p.wake {
		close(c)
	}
	p.wake = nil
}
