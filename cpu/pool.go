package cpu

import (
	"eclat/loader"
	"sync"
	"sync/atomic"
)

// pool is a fixed set of goroutines that share out the parts of one job at a time.
// The caller of run works too, so threads−1 goroutines wait.
type pool struct {
	workers []worker
	part    func(worker, part int) // of the job
	parts   int64
	next    atomic.Int64 // part that whoever is free takes
	busy    sync.WaitGroup
	alive   sync.WaitGroup
}

type worker struct {
	wake  chan struct{} // nil for the caller of run
	share func() error  // takes parts until none are left; bound once, so that run allocates nothing
	err   error
}

func newPool(threads int) *pool {
	p := &pool{workers: make([]worker, threads)}
	for i := range p.workers {
		w := &p.workers[i]
		w.share = func() error {
			for {
				part := p.next.Add(1) - 1
				if part >= p.parts {
					return nil
				}
				p.part(i, int(part))
			}
		}
		if i == 0 {
			continue
		}
		wake := make(chan struct{})
		w.wake = wake
		p.alive.Go(func() {
			for range wake {
				w.work()
				p.busy.Done()
			}
		})
	}
	return p
}

// work does the worker's share of the job. Everything that reads mapped weights
// passes through here.
func (w *worker) work() { w.err = loader.Guard(w.share) }

// run calls part(worker, i) for each i below parts and returns when all are done,
// with the first error that ended a worker's share early.
func (p *pool) run(parts int, part func(worker, part int)) (err error) {
	if parts <= 0 {
		return nil
	}
	p.part, p.parts = part, int64(parts)
	p.next.Store(0)
	helpers := p.workers[1:min(len(p.workers), parts)]
	p.busy.Add(len(helpers))
	for i := range helpers {
		helpers[i].wake <- struct{}{}
	}
	p.workers[0].work()
	p.busy.Wait()
	for i := range p.workers[:len(helpers)+1] {
		if err == nil {
			err = p.workers[i].err
		}
	}
	p.part = nil
	return err
}

// do runs f as a job of one part.
func (p *pool) do(f func()) error { return p.run(1, func(_, _ int) { f() }) }

// close ends the goroutines and waits for them.
func (p *pool) close() {
	for i := range p.workers {
		if w := &p.workers[i]; w.wake != nil {
			close(w.wake)
			w.wake = nil
		}
	}
	p.alive.Wait()
}
