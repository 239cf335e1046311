package engine

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"

	"eclat/model"
	"eclat/model/numerics"
)

// KeptPage is a page of the prefix cache with its memory, to be kept where it outlives the
// program. Package keep has a folder of them.
type KeptPage struct {
	Caller string
	Name   string   // of the caller's name and all tokens up to the page's end: 64 hexadecimal digits
	Before string   // the name of the page before; "" for a caller's first
	Tokens []int32  // 1 to model.PageLen; fewer where a text ended
	Units  [][]byte // by pool, as CacheKind.Units says; nil where there is none: a window has moved on, or no snapshot of a state was made
}

// CacheKind is what pages of a prefix cache are of. Only where all of it is equal are they
// of use.
type CacheKind struct {
	Model   string      `json:"model"`   // Engine.Identity
	Numbers int         `json:"numbers"` // numerics.Version
	Keys    string      `json:"keys"`    // how they are kept
	Values  string      `json:"values"`
	Rounded string      `json:"rounded,omitempty"` // where rows are rounded between machines, and how
	Units   []CacheUnit `json:"units"`             // by pool
}

// CacheUnit is what a pool has of a page.
type CacheUnit struct {
	Kind  string `json:"kind"`
	Bytes int    `json:"bytes"`
}

// CacheKind tells what the engine's prefix cache is of.
func (e *Engine) CacheKind(ctx context.Context) (k CacheKind, err error) {
	k = CacheKind{Numbers: numerics.Version, Keys: e.options.Keys.String(), Values: e.options.Values.String(), Rounded: e.rounding}
	if k.Model, err = e.Identity(); err != nil {
		return k, err
	}
	err = e.do(ctx, func() error {
		if err := e.owner.ready(); err != nil {
			return err
		}
		for pool, kind := range e.owner.pages.kinds {
			k.Units = append(k.Units, CacheUnit{kindName(kind), e.owner.chain.unitBytes(pool)})
		}
		return nil
	})
	return k, err
}

// NextToKeep gives a page of the prefix cache that it has not given before, or not with all
// the memory that it has now; nil where there is none. A page comes after the one before it.
// No step is held up for longer than a page is copied.
func (e *Engine) NextToKeep(ctx context.Context) (p *KeptPage, err error) {
	err = e.do(ctx, func() error {
		o := e.owner
		if o.broken != nil {
			return nil
		}
		n := o.index.nextToKeep()
		if n == nil {
			return nil
		}
		p, err = o.keptPage(ctx, n)
		n.kept = err == nil
		return err
	})
	return p, err
}

// nextToKeep is the least recently used node that was not kept, of those whose page before
// was.
func (x *index) nextToKeep() *node {
	for n := x.oldest; n != nil; n = n.newer {
		if before := n.key.before; !n.kept && (before.units == nil || before.kept) {
			return n
		}
	}
	return nil
}

// keptPage copies a node's memory.
func (o *owner) keptPage(ctx context.Context, n *node) (*KeptPage, error) {
	p := &KeptPage{Name: o.index.name(n), Units: make([][]byte, len(n.units))}
	if before := n.key.before; before.units != nil {
		p.Before = o.index.name(before)
	}
	root := n
	for root.units != nil {
		root = root.key.before
	}
	p.Caller = root.caller
	for _, id := range n.key.tokens {
		if id >= 0 {
			p.Tokens = append(p.Tokens, id)
		}
	}
	for pool, u := range n.units {
		if u < 0 {
			continue
		}
		p.Units[pool] = make([]byte, o.chain.unitBytes(pool))
		if err := o.chain.saveUnit(ctx, pool, u, p.Units[pool]); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// name is what a node is called among kept pages.
func (x *index) name(n *node) string {
	if n.name != "" {
		return n.name
	}
	before := sha256.Sum256([]byte(n.key.before.caller))
	if n.key.before.units != nil {
		hex.Decode(before[:], []byte(x.name(n.key.before)))
	}
	n.name = nameOf(before, n.key.tokens)
	x.names[n.name] = n
	return n.name
}

func nameOf(before [sha256.Size]byte, tokens [model.PageLen]int32) string {
	h := sha256.New()
	h.Write(before[:])
	binary.Write(h, binary.LittleEndian, tokens[:])
	return hex.EncodeToString(h.Sum(nil))
}

// PutBack puts a kept page into the prefix cache, as used less recently than all that is
// there. Nothing is given up for it: ErrNoRoom says that memory is full. The page before it
// must be there. An ErrDamaged says that the page is not what its name says.
func (e *Engine) PutBack(ctx context.Context, p *KeptPage) error {
	if len(p.Tokens) == 0 || len(p.Tokens) > model.PageLen {
		return fmt.Errorf("%w: a page of %d tokens", ErrDamaged, len(p.Tokens))
	}
	for i, id := range p.Tokens {
		if id < 0 || int(id) >= e.Model.Config.NVocab {
			return fmt.Errorf("%w: token %d is %d, the vocabulary has %d", ErrDamaged, i, id, e.Model.Config.NVocab)
		}
	}
	return e.do(ctx, func() error {
		if err := e.owner.ready(); err != nil {
			return err
		}
		return e.owner.putBack(ctx, p)
	})
}

func (o *owner) putBack(ctx context.Context, p *KeptPage) error {
	x := o.index
	tokens := tailOf(p.Tokens)
	sum := sha256.Sum256([]byte(p.Caller))
	before := x.roots[p.Caller]
	if p.Before != "" {
		if before = x.names[p.Before]; before == nil || before.tail() {
			return fmt.Errorf("%w: the page before it is not there", ErrForeign)
		}
		hex.Decode(sum[:], []byte(p.Before))
	}
	if got := nameOf(sum, tokens); got != p.Name {
		return fmt.Errorf("%w: its name is %.12q, of its tokens %.12q", ErrDamaged, p.Name, got)
	}
	if len(p.Units) != len(o.pages.kinds) {
		return fmt.Errorf("%w: %d pools of %d", ErrForeign, len(p.Units), len(o.pages.kinds))
	}
	if before != nil {
		if n := x.nodes[pageKey{before, tokens}]; n != nil {
			x.name(n)
			return nil // it was computed again meanwhile
		}
	}
	n := &node{units: make([]int32, len(p.Units)), kept: true}
	giveBack := func() {
		for pool, u := range n.units {
			o.pages.letGo(pool, u)
		}
	}
	for pool := range n.units {
		n.units[pool] = -1
	}
	for pool, data := range p.Units {
		switch {
		case data == nil:
			continue
		case len(data) != o.chain.unitBytes(pool):
			giveBack()
			return fmt.Errorf("%w: a page has %d bytes, here it is %d", ErrForeign, len(data), o.chain.unitBytes(pool))
		}
		u, ok := o.pages.take(pool)
		if !ok {
			giveBack()
			return ErrNoRoom
		}
		o.pages.keep(pool, u)
		o.pages.drop(pool, u) // it is the index's alone
		n.units[pool] = u
		if err := o.chain.restoreUnit(ctx, pool, u, data); err != nil {
			giveBack()
			return err
		}
	}
	if before == nil {
		before = &node{caller: p.Caller}
		x.roots[p.Caller] = before
	}
	n.key = pageKey{before, tokens}
	x.nodes[n.key] = n
	if n.tail() {
		x.tails[before] = append([]*node{n}, x.tails[before]...) // the latest is last
	}
	before.children++
	x.linkOldest(n)
	x.name(n)
	return nil
}

// tail reports whether a node is a page that is not full.
func (n *node) tail() bool { return n.key.tokens[model.PageLen-1] < 0 }

// linkOldest takes up a node as the least recently used one.
func (x *index) linkOldest(n *node) {
	n.newer, n.older = x.oldest, nil
	if x.oldest != nil {
		x.oldest.older = n
	} else {
		x.recent = n
	}
	x.oldest = n
}

// Kept are the names of the pages that the prefix cache holds and that were kept, the least
// recently used first.
func (e *Engine) Kept(ctx context.Context) (names []string, err error) {
	err = e.do(ctx, func() error {
		for n := e.owner.index.oldest; n != nil; n = n.newer {
			if n.kept {
				names = append(names, n.name)
			}
		}
		return nil
	})
	return names, err
}
