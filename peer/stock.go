package peer

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"eclat/loader"
	"eclat/loader/fragment"
	"eclat/loader/manifest"
	"eclat/model"
	"eclat/model/arch"
)

// Stock is a worker's folder of fragments: it is asked for models by their manifests' ids
// and fetches what a stage lacks. Its fields are not changed once it is used; any number
// of goroutines may use it.
type Stock struct {
	Net     Network
	Fetcher fragment.Fetcher
	Sources []fragment.Source // asked before the machine that wants the stage

	mu     sync.Mutex
	models []*stocked
}

// stocked is a model whose header is open.
type stocked struct {
	id   string
	path string // of the manifest
	m    *model.Model
	sum  string // ModelSum
}

// mostStocked is how many models a worker keeps the headers of.
const mostStocked = 64

// errNoModel says that a worker lacks a model.
var errNoModel = errors.New("this worker does not have the model")

// sources are those that a session may fetch from.
func (k *Stock) sources(peer string) ([]fragment.Source, func()) {
	asking := NewSource(k.Net, peer)
	return append(k.Sources[:len(k.Sources):len(k.Sources)], asking), func() { asking.Close() }
}

// Offer opens all models of the folder that can be opened, and tells of the others.
func (k *Stock) Offer() error {
	all, err := manifest.List(k.Fetcher.Dir)
	if err != nil {
		return err
	}
	for _, path := range all {
		if err := k.open(path); err != nil && k.Fetcher.Notice != nil {
			k.Fetcher.Notice(err.Error())
		}
	}
	return nil
}

// open adds the model of a manifest.
func (k *Stock) open(path string) error {
	f, err := loader.Open(path)
	if err != nil {
		return err
	}
	s := &stocked{id: f.Manifest().ID.String(), path: path}
	err = loader.Guard(func() (err error) { s.m, err = arch.Open(f); return err })
	if err == nil {
		s.sum, err = ModelSum(s.m)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if err == nil && len(k.models) >= mostStocked {
		err = fmt.Errorf("this worker has %d models open already", mostStocked)
	}
	if err != nil || k.find(func(o *stocked) bool { return o.id == s.id }) != nil {
		f.Close()
		return err
	}
	k.models = append(k.models, s)
	return nil
}

// find returns the model that is one; the lock is held.
func (k *Stock) find(is func(*stocked) bool) *stocked {
	for _, s := range k.models {
		if is(s) {
			return s
		}
	}
	return nil
}

// of returns what is known of a model.
func (k *Stock) of(is func(*stocked) bool) *stocked {
	if k == nil {
		return nil
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.find(is)
}

// prepare makes sure that the header of a manifest's model is here.
func (k *Stock) prepare(ctx context.Context, id, peer string) error {
	sum, ok := manifest.ParseSum(id)
	switch {
	case k == nil:
		return fmt.Errorf("%w, nor a folder to fetch it into (--fragments)", errNoModel)
	case !ok:
		return errors.New("that is no manifest's id")
	case k.of(func(s *stocked) bool { return s.id == id }) != nil:
		return nil
	}
	from, done := k.sources(peer)
	defer done()
	path, err := k.Fetcher.Manifest(ctx, sum, from)
	if err != nil {
		return err
	}
	return k.open(path)
}

// gather fetches what a stage of a model lacks, and opens the model once more, for this
// session alone: so no more is mapped than the stages that are being computed.
func (k *Stock) gather(ctx context.Context, s *stocked, st model.Stage, room model.Room, peer string, progress func(done, total int64)) (*model.Model, error) {
	f, err := loader.Open(s.path)
	if err != nil {
		return nil, err
	}
	var m *model.Model
	err = loader.Guard(func() (err error) { m, err = arch.Open(f); return err })
	if err == nil {
		from, done := k.sources(peer)
		err = FetchStage(ctx, &k.Fetcher, m, st, room, from, progress)
		done()
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return m, nil
}

// IDs are the ids of the manifests of its models.
func (k *Stock) IDs() (ids []manifest.Sum) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, s := range k.models {
		ids = append(ids, s.m.File.Manifest().ID)
	}
	return ids
}

// fetch brings the fragments of a stage that will be loaded, so that several workers can
// do so at the same time.
func (s *session) fetch(ctx context.Context, l *load) error {
	if l == nil {
		return errors.New("nothing to fetch")
	}
	if err := checkRoom(s.m, l.Stage, l.Room, nil); err != nil {
		return err
	}
	if s.w.Stock.of(func(o *stocked) bool { return o.m == s.m }) == nil {
		return nil
	}
	progress := s.progress()
	from, done := s.w.Stock.sources(s.stream.Peer())
	defer done()
	return FetchStage(ctx, &s.w.Stock.Fetcher, s.m, l.Stage, l.Room, from, func(done, total int64) { progress("fragments", done, total) })
}

// Gather has the worker fetch what it lacks of a stage that it will be asked to load.
func (d *Device) Gather(ctx context.Context, m *model.Model, st model.Stage, room model.Room, progress func(done, total int64)) error {
	sum, err := ModelSum(m)
	if err != nil {
		return err
	}
	l, err := d.dial(ctx, d.Peers[d.at], sum)
	if err != nil {
		return err
	}
	defer l.stream.Close()
	_, _, err = l.ask(ctx, &request{Op: opGather, Load: &load{Stage: st, Room: room}}, nil, 0, func(_ string, done, total int64) {
		if progress != nil {
			progress(done, total)
		}
	})
	return err
}

// FetchStage fetches the weights of a stage that are missing in a model's folder of
// fragments. A model of a file has them all.
func FetchStage(ctx context.Context, by *fragment.Fetcher, m *model.Model, st model.Stage, room model.Room, from []fragment.Source, progress func(done, total int64)) error {
	man := m.File.Manifest()
	if man == nil {
		return nil
	}
	p, err := m.Describe(st, room)
	if err != nil {
		return err
	}
	var names []string
	for _, t := range p.Weights() {
		names = append(names, t.Source())
	}
	return by.Blobs(ctx, man, fragment.BlobsOf(man, names), from, progress)
}

// Close closes the models.
func (k *Stock) Close() (err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, s := range k.models {
		err = errors.Join(err, s.m.File.Close())
	}
	k.models = nil
	return err
}
