package arch

import (
	"slices"

	"eclat/loader"
	"eclat/model"
)

// eachLayer gives the layers blocks of their own: set changes a copy of the first's.
func eachLayer(c *model.Config, set func(l int, k *model.Block)) {
	c.Blocks = slices.Repeat([]model.Block{c.Block}, c.NLayer)
	for l := range c.Blocks {
		set(l, &c.Blocks[l])
	}
	c.Block = c.Blocks[0]
}

// keyHeads gives layer l the key heads that an array says; none is a layer without attention.
func (r *reader) keyHeads(k *model.Block, l, n int) {
	if k.NHeadKV = n; n > 0 && k.NHead%n != 0 {
		r.fail("attention.head_count_kv", "in layer %d %d query heads cannot share %d key heads evenly", l, k.NHead, n)
	}
}

// window reads the positions that a layer with a window sees, def where the key is absent.
func (r *reader) window(def int) int {
	return r.sizeOr("attention.sliding_window", maxCtx, def)
}

// windowed reads which layers have a window: an array of truth values, a layer each, or a
// number n, by which every n-th layer has none; def where the key is absent.
func (r *reader) windowed(nLayer, def int) []bool {
	const key = "attention.sliding_window_pattern"
	list := make([]bool, nLayer)
	v, ok := r.file.Get(r.key(key))
	if ok && v.Type == loader.Array {
		given, ok := v.Bools()
		if u, isInts := v.Uints(); isInts {
			ok = true
			for _, n := range u {
				given = append(given, n != 0)
			}
		}
		if !ok || len(given) < nLayer {
			r.fail(key, "not a truth value for each of %d layers", nLayer)
			return list
		}
		copy(list, given)
		return list
	}
	every := r.sizeOr(key, maxLayers, def)
	for l := range list {
		list[l] = (l+1)%every != 0
	}
	return list
}

// cap reads the most that scores or logits may be, def where the key is absent.
func (r *reader) cap(name string, def float64) float32 {
	c := float32(r.float(name, def))
	if c == 0 && !r.has(name) {
		return 0
	}
	if r.err == nil && !model.CanCap(c) {
		r.fail(name, "a cap of %g is not from 2^-20 to 2^40", c)
	}
	return c
}

// scale reads a factor; 0, or an absent key, is none.
func (r *reader) scale(name string) float32 {
	f := float32(r.float(name, 0))
	if r.err == nil && f != 0 && !model.CanScale(f) {
		r.fail(name, "a factor of %g is not from 2^-40 to 2^40", f)
	}
	return f
}
