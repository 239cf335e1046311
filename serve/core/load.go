package core

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"eclat/engine"
)

// Load has a model loaded, where it is not; what comes of it List tells.
func (r *Registry) Load(name string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	e, err := r.named(name)
	switch {
	case err != nil:
		return err
	case r.closed:
		return engine.ErrClosed
	case e.model == nil:
		r.begin(e)
	}
	return nil
}

// Unload unloads a model that nobody uses. The next request for it loads it again.
func (r *Registry) Unload(name string) error {
	r.mu.Lock()
	e, err := r.named(name)
	switch {
	case err != nil:
	case e.State == Loading:
		err = Errorf(http.StatusConflict, "%s is being loaded", e.Name)
	case e.Users > 0:
		err = Errorf(http.StatusConflict, "%s is in use: requests at work: %d", e.Name, e.Users)
	case e.State == Failed:
		e.State, e.Error = Unloaded, nil
	}
	if err != nil || e.model == nil {
		r.mu.Unlock()
		return err
	}
	r.drop(e, "as was asked for")
	return nil
}

// begin begins to load a model, unless it is being loaded. The registry is locked.
func (r *Registry) begin(e *entry) {
	if e.State == Loading {
		return
	}
	e.State, e.Error, e.ready = Loading, nil, make(chan struct{})
	e.What, e.Done, e.Total = "", 0, 0
	r.loads.Add(1)
	go r.load(e)
}

// drop closes a model that nobody uses. It unlocks the registry.
func (r *Registry) drop(e *entry, why string) {
	m := e.model
	e.model, e.State = nil, Unloaded
	r.mu.Unlock()
	r.notice("unloading %s: %s", e.Name, why)
	if err := m.Close(); err != nil {
		r.notice("%s did not close well: %v", e.Name, err)
	}
}

// load loads a model in a goroutine of its own: whoever waits for it may leave, the next
// request will want it. One is loaded at a time, so that each sees what memory there is.
func (r *Registry) load(e *entry) {
	defer r.loads.Done()
	m, err := r.open(e)
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case err != nil:
		e.State, e.Error = Failed, err
		r.notice("%s could not be loaded: %v", e.Name, err)
	default:
		e.State, e.model = Loaded, m
		r.clock++
		e.used = r.clock
		r.notice("%s is loaded on %s, context %d, in %s", e.Name, m.Engine.Device(), m.Engine.Context, m.Engine.LoadTime.Round(time.Millisecond))
	}
	close(e.ready)
}

// open waits for its turn and opens a model. While there is not enough memory, or there are
// as many models as there may be, the least recently used one that is idle makes room.
func (r *Registry) open(e *entry) (*Model, error) {
	select {
	case r.turn <- struct{}{}:
		defer func() { <-r.turn }()
	case <-r.ctx.Done():
		return nil, engine.ErrClosed
	}
	for r.o.Most > 0 && r.loaded() >= r.o.Most {
		if !r.unload(fmt.Sprintf("%s is asked for, and %d may be loaded at once", e.Name, r.o.Most)) {
			err := Errorf(http.StatusServiceUnavailable, "%d models may be loaded at once, and all are in use", r.o.Most)
			err.RetryAfter = 5
			return nil, err
		}
	}
	r.notice("loading %s", e.Name)
	for {
		m, err := r.o.Open(r.ctx, e.Name, e.Path, func(what string, done, total int64) {
			r.mu.Lock()
			defer r.mu.Unlock()
			e.What, e.Done, e.Total = what, done, total
		})
		switch {
		case r.ctx.Err() != nil && err == nil:
			m.Close()
			return nil, engine.ErrClosed
		case r.ctx.Err() != nil, errors.Is(err, context.Canceled):
			return nil, engine.ErrClosed
		case err == nil:
			return m, nil
		case !errors.Is(err, engine.ErrMemory) || !r.unload(e.Name+" needs its memory"):
			return nil, err
		}
	}
}

func (r *Registry) loaded() (n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range r.entries {
		if e.model != nil {
			n++
		}
	}
	return n
}

// unload unloads the least recently used model that is idle; false where there is none.
func (r *Registry) unload(why string) bool {
	r.mu.Lock()
	var oldest *entry
	for _, e := range r.entries {
		if e.model != nil && e.Users == 0 && (oldest == nil || e.used < oldest.used) {
			oldest = e
		}
	}
	if oldest == nil {
		r.mu.Unlock()
		return false
	}
	r.drop(oldest, why)
	return true
}

func (r *Registry) notice(format string, args ...any) {
	if r.o.Notice != nil {
		r.o.Notice(fmt.Sprintf(format, args...))
	}
}
