package ref

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"

	"eclat/loader"
	"eclat/model"
)

// Backend implements model.Backend.
type Backend struct {
	info     model.DeviceInfo
	progress func(what string, done, total int64) // may be nil
	held     atomic.Int64                         // bytes, for Info
	state    state
	weights  map[string]*loader.Tensor
	memory   map[string]*memory
	pools    []pool
	got      []float32 // the last row of memory that get returned
	programs []*program
}

type state int

const (
	fresh state = iota
	loaded
	unusable // after a failed Load, or closed
)

// Info implements model.Backend.
func (b *Backend) Info() model.DeviceInfo {
	info := b.info
	info.Held = b.held.Load()
	return info
}

// Load implements model.Backend. It copies no weight, so it reads none.
func (b *Backend) Load(ctx context.Context, w model.Weights, p *model.Plan) error {
	if b.state != fresh {
		return errors.New("ref: Load of a backend that was loaded or closed before")
	}
	b.state = unusable
	if err := ctx.Err(); err != nil {
		return err
	}
	b.weights = map[string]*loader.Tensor{}
	var total int64
	for _, want := range p.Weights() {
		t, err := model.MappedWeight(w, want)
		if err != nil {
			return fmt.Errorf("ref: %w", err)
		}
		b.weights[want.Name] = t
		total += t.Size
	}
	if err := b.makeMemory(p); err != nil {
		return err
	}
	b.held.Add(p.MemoryBytes())
	if b.progress != nil {
		b.progress("weights", total, total)
	}
	b.state = loaded
	return nil
}

// Pages implements model.Backend.
func (b *Backend) Pages() model.PageIO { return pages{b} }

// Close implements model.Backend.
func (b *Backend) Close() error {
	for len(b.programs) > 0 {
		b.programs[0].Close()
	}
	b.state, b.weights, b.memory, b.pools, b.got = unusable, nil, nil, nil, nil
	b.held.Store(0)
	return nil
}

// forget takes a closed program off the list.
func (b *Backend) forget(p *program) {
	if i := slices.Index(b.programs, p); i >= 0 {
		b.programs = slices.Delete(b.programs, i, i+1)
		b.held.Add(-p.bytes)
	}
}
