package core

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"eclat/engine"
	"eclat/engine/bench"
	"eclat/engine/turn"
	"eclat/loader"
	"eclat/model"
	"eclat/model/chat"
)

// Model is a model that is loaded.
type Model struct {
	*turn.Model
	Name     string
	Path     string
	Identity string             // of the weights, see engine.Engine.Identity
	Kind     string             // for people, as in "llama 24B Q4_K - Medium"
	Size     string             // number of weights, as in "24B"
	Types    string             // of the weights, as in "Q4_K - Medium"; may be empty
	Verified bool               // every sum of a fragments folder was checked when it was opened
	Devices  []model.DeviceInfo // that compute it, as they were when it was loaded
	NoChat   error              // why there is no template; nil where there is one
	Closing  func()             // called before the engine is closed; may be nil

	text     *turn.Model // the same without a template
	grammars *grammars
	looks    *sync.WaitGroup // calls of Registry.Each that are at it
}

// NewModel makes a Model of an open engine, which is the Model's to close. noChat says why
// there is no template.
func NewModel(name, path string, e *engine.Engine, t *chat.Template, noChat error) (*Model, error) {
	id, err := e.Identity()
	if err != nil {
		return nil, err
	}
	m := &Model{Model: turn.New(e, t), Name: name, Path: path, Identity: id, NoChat: noChat, grammars: new(grammars), looks: new(sync.WaitGroup)}
	if err := loader.Guard(func() error {
		m.Kind, m.Size, m.Types = bench.ModelType(e), bench.SizeLabel(e), bench.FileType(e)
		return nil
	}); err != nil {
		return nil, err
	}
	l, err := e.Layout(context.Background())
	if err != nil {
		return nil, err
	}
	m.Devices = l.Devices
	if m.text = m.Model; t != nil {
		m.text = turn.New(e, nil)
	}
	return m, nil
}

// Close closes the engine, once nobody looks at it. No request uses it any more, and no one
// begins to look at a model that its registry no longer has.
func (m *Model) Close() error {
	m.looks.Wait()
	if m.Closing != nil {
		m.Closing()
	}
	return m.Engine.Close()
}

// Text is the model without its template: what it answers is taken for plain text.
func (m *Model) Text() *Model {
	plain := *m
	plain.Model = m.text
	return &plain
}

// State is where a model stands.
type State string

// States of a model.
const (
	Unloaded State = "unloaded"
	Loading  State = "loading"
	Loaded   State = "loaded"
	Failed   State = "failed" // the last time that it was to be loaded; the next request tries again
)

// Info is what is told of a model, loaded or not.
type Info struct {
	Name    string
	Path    string
	Bytes   int64 // of its files
	Created time.Time
	State   State
	Error   error  // where it failed
	What    string // that is being done of loading, and how far
	Done    int64
	Total   int64
	Users   int // requests that use it now
}

// RegistryOptions say how models are loaded.
type RegistryOptions struct {
	// Open opens the model at a path. It ends early with ctx. progress may be called from
	// any goroutine.
	Open   func(ctx context.Context, name, path string, progress func(what string, done, total int64)) (*Model, error)
	Most   int                  // most models loaded at once; 0 for as many as memory holds
	Notice func(message string) // told of loading and unloading; may be nil
}

// Registry holds the models that may be asked for by name.
type Registry struct {
	o      RegistryOptions
	ctx    context.Context // ends with Close
	cancel context.CancelFunc
	turn   chan struct{}  // one model is loaded at a time
	loads  sync.WaitGroup // loading now

	mu      sync.Mutex
	entries []*entry // in the order in which they were added; the first is the default
	clock   int64    // counts uses
	closed  bool
}

// entry is a model of a registry. All but its name and path is under the registry's lock.
type entry struct {
	Info
	model *Model        // loaded; else nil
	ready chan struct{} // closed when loading has ended
	used  int64         // when last, by the clock
}

// NewRegistry makes a registry without models.
func NewRegistry(o RegistryOptions) *Registry {
	r := &Registry{o: o, turn: make(chan struct{}, 1)}
	r.ctx, r.cancel = context.WithCancel(context.Background())
	return r
}

// Add adds the models found. Of two that are of one name the second is an error.
func (r *Registry) Add(found ...Found) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, f := range found {
		if other := r.find(f.Name); other != nil {
			return fmt.Errorf("two models are called %q: %s and %s", f.Name, other.Path, f.Path)
		}
		r.entries = append(r.entries, &entry{Info: Info{Name: f.Name, Path: f.Path, Bytes: f.Bytes, Created: f.Time, State: Unloaded}})
	}
	return nil
}

func (r *Registry) find(name string) *entry {
	i := slices.IndexFunc(r.entries, func(e *entry) bool { return e.Name == name })
	if i < 0 {
		return nil
	}
	return r.entries[i]
}

// List tells of all models, in the order in which they were added.
func (r *Registry) List() (list []Info) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range r.entries {
		list = append(list, e.Info)
	}
	return list
}

// Lookup tells of a model by its name; "" is the default one.
func (r *Registry) Lookup(name string) (Info, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	e, err := r.named(name)
	if err != nil {
		return Info{}, err
	}
	return e.Info, nil
}

func (r *Registry) named(name string) (*entry, error) {
	if name == "" && len(r.entries) > 0 {
		return r.entries[0], nil
	}
	if e := r.find(name); e != nil {
		return e, nil
	}
	e := Errorf(http.StatusNotFound, "there is no model %.100q; see /v1/models", name)
	e.Code, e.Param = "model_not_found", "model"
	return nil, e
}

// Each calls f for every model that is loaded, which is not closed meanwhile. f only
// looks, and soon returns: a model that is looked at is not in use.
func (r *Registry) Each(f func(*Model)) {
	r.mu.Lock()
	var held []*Model
	for _, e := range r.entries {
		if e.model != nil {
			e.model.looks.Add(1)
			held = append(held, e.model)
		}
	}
	r.mu.Unlock()
	for _, m := range held {
		f(m)
		m.looks.Done()
	}
}

// Lease is the use of a model, which is not unloaded before Release.
type Lease struct {
	*Model
	r    *Registry
	e    *entry
	once sync.Once
}

// Release ends the use. A second call does nothing.
func (l *Lease) Release() { l.once.Do(func() { l.r.release(l.e) }) }

func (r *Registry) release(e *entry) {
	r.mu.Lock()
	defer r.mu.Unlock()
	e.Users--
}

// Acquire gives the use of a model, "" being the default one, and waits while it is loaded.
func (r *Registry) Acquire(ctx context.Context, name string) (*Lease, error) {
	for {
		r.mu.Lock()
		e, err := r.named(name)
		switch {
		case err != nil:
		case r.closed:
			err = engine.ErrClosed
		case e.model != nil:
			e.Users++
			r.clock++
			e.used = r.clock
			r.mu.Unlock()
			return &Lease{Model: e.model, r: r, e: e}, nil
		default:
			r.begin(e)
		}
		if err != nil {
			r.mu.Unlock()
			return nil, err
		}
		ready := e.ready
		r.mu.Unlock()
		select {
		case <-ready:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		r.mu.Lock()
		err = e.Error
		r.mu.Unlock()
		if err != nil {
			return nil, err
		}
	}
}

// Close unloads all models, once their requests are done or have been cancelled, and ends
// what is being loaded.
func (r *Registry) Close() error {
	r.mu.Lock()
	again := r.closed
	r.closed = true
	r.mu.Unlock()
	r.cancel()
	r.loads.Wait()
	if again {
		return nil
	}
	var first error
	for _, e := range r.entries {
		r.mu.Lock()
		m := e.model
		e.model, e.State = nil, Unloaded
		r.mu.Unlock()
		if m != nil {
			first = cmp.Or(first, m.Close())
		}
	}
	return first
}
