package cpu

import (
	"cmp"
	"runtime"
	"sync"
	"sync/atomic"

	"eclat/loader"
)

// pool is a fixed set of goroutines that share out the parts of one job at a time.
// The caller of run works too, so threads−1 goroutines wait. Whoever waits looks for
// a moment whether there is something to do, for most jobs come within microseconds of
// each other, and then sleeps: an idle pool takes no time.
type pool struct {
	workers []worker
	part    func(worker, part int) // of the job
	parts   int64
	looks   int // of a waiting goroutine before it sleeps
	closed  atomic.Bool
	alive   sync.WaitGroup

	_    [64]byte // what all write to has cache lines of its own
	next atomic.Int64
	_    [64]byte
}

type worker struct {
	waiter
	duty  atomic.Uint32 // idle, called or working
	share func() error  // takes parts until none are left; bound once, so that run allocates nothing
	err   error         // of its last share, until run has taken it
	_     [64]byte
}

// A helper is called by run and goes to work by itself. Who comes late, for the system has
// not woken it or has given its core to another program, finds that the call was taken back.
const (
	idle uint32 = iota
	called
	working
)

// waiter is a goroutine that waits for an atomic value to change.
type waiter struct {
	asleep atomic.Bool
	call   chan struct{} // has room for one
}

// until returns when ready does, and looks at it so many times before it sleeps.
func (w *waiter) until(looks int, ready func() bool) {
	for {
		for range looks {
			if ready() {
				return
			}
		}
		w.asleep.Store(true)
		if ready() && w.asleep.CompareAndSwap(true, false) {
			return
		}
		<-w.call
		if ready() { // else the call was for a change that was seen without it
			return
		}
	}
}

// wake is called after ready has changed.
func (w *waiter) wake() {
	if w.asleep.CompareAndSwap(true, false) {
		w.call <- struct{}{}
	}
}

// enoughLooks is some tens of microseconds.
const enoughLooks = 20000

func newPool(threads int) *pool {
	if threads > runtime.GOMAXPROCS(0) {
		return newPoolOf(threads, 0) // who looks would keep a core from who works
	}
	return newPoolOf(threads, enoughLooks)
}

func newPoolOf(threads, looks int) *pool {
	p := &pool{workers: make([]worker, threads), looks: looks}
	for i := range p.workers {
		w := &p.workers[i]
		w.call = make(chan struct{}, 1)
		w.share = func() error {
			for {
				part := p.next.Add(1) - 1
				if part >= p.parts {
					return nil
				}
				p.part(i, int(part))
			}
		}
		if i > 0 {
			p.alive.Go(func() { p.help(w) })
		}
	}
	return p
}

// help does the worker's share of one job after the other.
func (p *pool) help(w *worker) {
	ready := func() bool { return w.duty.Load() == called || p.closed.Load() }
	for {
		w.until(p.looks, ready)
		if p.closed.Load() {
			return
		}
		if w.duty.CompareAndSwap(called, working) {
			w.work()
			w.duty.Store(idle)
			p.workers[0].wake()
		}
	}
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
	for i := range helpers {
		helpers[i].duty.Store(called)
		helpers[i].wake()
	}
	p.workers[0].work()
	for i := range helpers { // all parts are taken: nobody else need begin
		helpers[i].duty.CompareAndSwap(called, idle)
	}
	if len(helpers) > 0 {
		p.workers[0].until(p.looks, p.allDone)
	}
	for i := range p.workers[:len(helpers)+1] {
		if w := &p.workers[i]; w.err != nil {
			err, w.err = cmp.Or(err, w.err), nil
		}
	}
	p.part = nil
	return err
}

// allDone reports that no helper works.
func (p *pool) allDone() bool {
	for i := range p.workers[1:] {
		if p.workers[1+i].duty.Load() != idle {
			return false
		}
	}
	return true
}

// do runs f as a job of one part.
func (p *pool) do(f func()) error { return p.run(1, func(_, _ int) { f() }) }

// close ends the goroutines and waits for them.
func (p *pool) close() {
	if p.closed.Swap(true) {
		return
	}
	for i := range p.workers[1:] {
		p.workers[1+i].wake()
	}
	p.alive.Wait()
}
