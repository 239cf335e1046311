package keep

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"sync"
	"time"

	"eclat/engine"
)

// Keeper keeps the pages of one engine.
type Keeper struct {
	folder   *Folder
	engine   *engine.Engine
	kind     engine.CacheKind
	template string
	prefix   string // of its files' names

	cancel context.CancelFunc
	done   chan struct{}
	once   sync.Once
}

// rest is how long a keeper rests for each second that it has worked, and at least, in
// seconds; look is how often it looks for something to do.
const (
	rest = 4
	look = time.Second
)

// patience is how long pages are written at the end.
const patience = 5 * time.Second

// Keep gives an engine the pages that were kept of it, as many as its memory has room for,
// the most recently used ones, and keeps its own from now on. template is what makes text
// into tokens. The keeper must be closed before the engine.
func (f *Folder) Keep(ctx context.Context, e *engine.Engine, template string) (*Keeper, error) {
	kind, err := e.CacheKind(ctx)
	if err != nil {
		return nil, err
	}
	k := &Keeper{folder: f, engine: e, kind: kind, template: templateSum(template), done: make(chan struct{})}
	k.prefix = kindOf(kind, k.template)
	if err := k.putBack(ctx); err != nil {
		return nil, err
	}
	var work context.Context
	work, k.cancel = context.WithCancel(context.Background())
	f.mu.Lock()
	f.keepers = append(f.keepers, k)
	f.mu.Unlock()
	go k.loop(work)
	return k, nil
}

// templateSum is what files say of a template.
func templateSum(template string) string {
	sum := sha256.Sum256([]byte(template))
	return hex.EncodeToString(sum[:])
}

// putBack restores pages, the most recently used first, each after those before it. A file
// that is of no use is refused, and what comes after it is passed over.
func (k *Keeper) putBack(ctx context.Context) error {
	if name, n := k.folder.stale(k.kind.Model, k.prefix); n > 0 {
		why := "it cannot be read"
		if h, err := readHead(k.folder.path(name)); err == nil {
			why = differs(h, k.kind, k.template)
		}
		k.folder.notice(fmt.Sprintf("%d pages in %s are not used, and are computed anew: of %s, %s", n, k.folder.dir, name, why))
	}
	list := k.folder.list(k.prefix)
	by := map[string]*file{}
	for i := range list {
		by[list[i].name] = &list[i]
	}
	tried := map[string]error{}
	var try func(one *file) error
	try = func(one *file) error {
		if err, ok := tried[one.name]; ok {
			return err
		}
		tried[one.name] = engine.ErrForeign // where pages come before each other in a circle
		var err error
		if one.before != "" {
			before := by[one.before]
			if before == nil {
				err = fmt.Errorf("%w: the page before it is not there", engine.ErrForeign)
			} else if err = try(before); err != nil {
				err = &after{err}
			}
		}
		if err == nil {
			err = k.restore(ctx, one)
		}
		if above := (*after)(nil); refused(err) && !errors.As(err, &above) {
			k.folder.refuse(one.name, err)
		}
		tried[one.name] = err
		return err
	}
	n := 0
	for i := range list {
		err := try(&list[i])
		switch {
		case err == nil:
			n++
		case errors.Is(err, engine.ErrNoRoom): // said below
		case ctx.Err() != nil:
			return ctx.Err()
		case !refused(err):
			k.folder.notice(fmt.Sprintf("%s: %v", k.folder.path(list[i].name), err))
		}
		if errors.Is(err, engine.ErrNoRoom) {
			break
		}
	}
	if n > 0 {
		k.folder.notice(fmt.Sprintf("%d pages of prompts were found in %s", n, k.folder.dir))
	}
	return nil
}

// after is the error of a page whose page before was refused.
type after struct{ error }

func (a *after) Unwrap() error { return a.error }

func (k *Keeper) restore(ctx context.Context, one *file) error {
	p, err := readPage(k.folder.path(one.name), pagePart(one.name), k.kind, k.template)
	if err != nil {
		return err
	}
	return k.engine.PutBack(ctx, p)
}

// loop writes pages as they come, and rests between them: answers go first.
func (k *Keeper) loop(ctx context.Context) {
	defer close(k.done)
	for told := false; ; {
		begun := time.Now()
		some, err := k.next(ctx)
		if err != nil && ctx.Err() == nil && !told {
			told = true // it goes on with the next, and says so once
			k.folder.notice(fmt.Sprintf("a page could not be kept: %v", err))
		}
		wait := rest * time.Since(begun)
		if !some {
			wait = look
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
	}
}

// next writes a page; false says that there was none.
func (k *Keeper) next(ctx context.Context) (bool, error) {
	p, err := k.engine.NextToKeep(ctx)
	if p == nil || err != nil {
		return false, err
	}
	name, before := k.prefix+p.Name+".page", ""
	if p.Before != "" {
		before = k.prefix + p.Before + ".page"
	}
	parts, size, err := pageOf(k.kind, k.template, p)
	if err != nil {
		return false, err
	}
	k.folder.room(size)
	if err := write(k.folder.path(name), parts); err != nil {
		k.folder.room(-size)
		return false, err
	}
	k.folder.wrote(name, before, size)
	return true, nil
}

// held are the files of what the engine holds, the least recently used first.
func (k *Keeper) held() []string {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	names, err := k.engine.Kept(ctx)
	if err != nil {
		return nil
	}
	for i, name := range names {
		names[i] = k.prefix + name + ".page"
	}
	return names
}

// Close writes what is not written yet, as far as that goes in a few seconds. A second call
// does nothing.
func (k *Keeper) Close() {
	k.once.Do(func() {
		k.cancel()
		<-k.done
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		for some := true; some && ctx.Err() == nil; {
			var err error
			if some, err = k.next(ctx); err != nil {
				k.folder.notice(fmt.Sprintf("a page could not be kept: %v", err))
			}
		}
		k.folder.touch(k.held())
		k.folder.mu.Lock()
		defer k.folder.mu.Unlock()
		for i, other := range k.folder.keepers {
			if other == k {
				k.folder.keepers = append(k.folder.keepers[:i], k.folder.keepers[i+1:]...)
				break
			}
		}
	})
}
