package conformance

import (
	"fmt"
	"math"
	"slices"

	"eclat/loader/quant"
	"eclat/model"
	"eclat/model/sample"
)

// heads is a shape of attention.
type heads struct{ nHead, nHeadKV, dimK, dimV int }

// attentionTest stores k and v, projected from hidden rows of 32, in memory of the
// given kinds, and attends.
func attentionTest(h heads, keys, values model.Memory, tokens int) *test {
	const cols = 32
	c := &test{opts: sized(tokens), room: model.Room{Chunk: tokens, Seqs: 1}}
	c.weight("attn_q.weight", quant.F32, h.nHead*h.dimK, cols)
	c.weight("attn_k.weight", quant.F32, h.nHeadKV*h.dimK, cols)
	c.weight("attn_v.weight", quant.F32, h.nHeadKV*h.dimV, cols)
	keys.Name, keys.Cols = "k_cache", h.nHeadKV*h.dimK
	values.Name, values.Cols = "v_cache", h.nHeadKV*h.dimV
	c.build = func(b *model.Builder) model.ID {
		x := b.Receive("x", cols)
		kc, vc := b.Memory(keys), b.Memory(values)
		q := b.MatMul("q", b.Weight("attn_q.weight", h.nHead*h.dimK, cols), x)
		b.Store(kc, b.MatMul("k", b.Weight("attn_k.weight", h.nHeadKV*h.dimK, cols), x))
		b.Store(vc, b.MatMul("v", b.Weight("attn_v.weight", h.nHeadKV*h.dimV, cols), x))
		return c.attend(b, q, kc, vc, float32(1/math.Sqrt(float64(h.dimK))))
	}
	c.sunk(h, 0, nil)
	return c
}

// sunk gives the attention of a test a cap and sinks, each where it is not 0 or nil.
func (c *test) sunk(h heads, cap float32, sinks []float32) {
	if sinks != nil {
		c.tensor("sinks", quant.F32, 1, h.nHead, sinks)
	}
	c.attend = func(b *model.Builder, q, k, v model.ID, scale float32) model.ID {
		s := model.None
		if sinks != nil {
			s = b.Weight("sinks", 1, h.nHead)
		}
		return b.CappedAttention("a", q, k, v, s, h.nHead, h.nHeadKV, scale, cap)
	}
}

// halves and floats are memory of all positions, and so are integers of eight and four bits.
var (
	halves = model.Memory{Per: model.Position, Type: quant.F16}
	floats = model.Memory{Per: model.Position, Type: quant.F32}
	eights = model.Memory{Per: model.Position, Type: quant.Q8_0}
	fours  = model.Memory{Per: model.Position, Type: quant.Q4_0}
)

// window is m of the last w positions.
func window(m model.Memory, w int) model.Memory {
	m.Per, m.Window = model.Window, w
	return m
}

// attention fills contexts of awkward lengths over shuffled pages, by batches and
// then token by token.
func attention() (cases []*Case) {
	add := func(name string, c *test) *Case {
		cases = append(cases, compared("attention", name, LimitQuant, c))
		return cases[len(cases)-1]
	}
	lengths := []int{1, 1, 29, 1, 1, 64, 9, 1, 1} // ends inside, at and past the edge of a page
	for _, h := range []heads{{4, 2, 128, 128}, {1, 1, 32, 32}, {8, 1, 64, 64}, {6, 3, 80, 80}, {4, 4, 96, 96}, {2, 1, 256, 256}, {3, 1, 64, 32}} {
		for _, m := range []struct{ k, v model.Memory }{{halves, halves}, {floats, floats}, {halves, floats}, {floats, halves}} {
			c := attentionTest(h, m.k, m.v, 65)
			c.room.Pages = 5
			c.runs = acted(func(c *cast) []*model.Batch { return c.alone(0, lengths...) })
			add(fmt.Sprintf("%d÷%d heads of %d,%d in %s,%s", h.nHead, h.nHeadKV, h.dimK, h.dimV, m.k.Type, m.v.Type), c)
		}
	}

	// Every pair with integers, of one shape, and of others both ways; values that are no
	// whole blocks beside keys that are.
	kinds := []model.Memory{halves, floats, eights, fours}
	mixed := [][2]model.Memory{{eights, fours}, {fours, eights}}
	for i, h := range []heads{{4, 2, 128, 128}, {1, 1, 32, 32}, {8, 1, 64, 64}, {4, 4, 96, 96}, {2, 1, 256, 256}, {3, 1, 64, 32}, {6, 3, 64, 20}} {
		pairs := mixed
		switch {
		case i == 0:
			for _, k := range kinds {
				for _, v := range kinds {
					if m := [2]model.Memory{k, v}; (model.InBlocks(k.Type) || model.InBlocks(v.Type)) && !slices.Contains(mixed, m) {
						pairs = append(pairs, m)
					}
				}
			}
		case h.dimV%32 != 0:
			pairs = [][2]model.Memory{{eights, halves}, {fours, floats}}
		}
		for _, m := range pairs {
			c := attentionTest(h, m[0], m[1], 65)
			c.room.Pages = 5
			c.runs = acted(func(c *cast) []*model.Batch { return c.alone(0, lengths...) })
			add(fmt.Sprintf("%d÷%d heads of %d,%d in %s,%s", h.nHead, h.nHeadKV, h.dimK, h.dimV, m[0].Type, m[1].Type), c)
		}
	}

	c := attentionTest(heads{1, 1, 64, 64}, halves, halves, 512)
	c.room.Pages = model.Pages(4096)
	c.runs = acted(func(c *cast) []*model.Batch {
		return c.alone(0, append(slices.Repeat([]int{512}, 7), 511, 1)...)
	})
	add("4096 positions", c).Long = true

	// Positions in three spans, all seen or through a window that begins inside a span.
	for _, m := range []model.Memory{halves, window(halves, 300), fours, window(eights, 300)} {
		c := attentionTest(heads{4, 2, 32, 32}, m, m, 200)
		c.room.Pages = model.Pages(600)
		c.runs = acted(func(c *cast) []*model.Batch { return c.alone(0, 200, 55, 1, 1, 200, 54, 1, 1, 40) })
		name := "three spans"
		if m.Window > 0 {
			name += " through a window"
		}
		if m.Type != quant.F16 {
			name += " in " + m.Type.String()
		}
		add(name, c)
	}

	// Keys and values beyond f16 are clamped, scores far apart do not overflow.
	for _, m := range kinds {
		c := attentionTest(heads{2, 1, 64, 64}, m, m, 4)
		c.room.Pages = 1
		c.runs = acted(func(c *cast) []*model.Batch {
			return []*model.Batch{scaled(c.batch(turn{0, 4}), 1e5), c.batch(turn{0, 1})}
		})
		add("large in "+m.Type.String(), c)
	}

	// Caps and sinks, small and large, by themselves and together.
	for _, h := range []heads{{4, 2, 128, 128}, {6, 3, 24, 20}, {8, 1, 64, 64}} {
		sinks := values(7, h.nHead, 3)
		sinks[0], sinks[h.nHead-1] = -1e9, 1e3
		for _, s := range []struct {
			cap   float32
			sinks []float32
		}{{3, nil}, {1e6, nil}, {0, sinks}, {3, sinks}} {
			for _, m := range []model.Memory{halves, {Per: model.Window, Window: 300, Type: quant.F32}} {
				c := attentionTest(h, m, m, 65)
				c.room.Pages = model.Pages(400)
				c.sunk(h, s.cap, s.sinks)
				c.runs = acted(func(c *cast) []*model.Batch {
					return append(c.alone(0, 1, 1, 64, 65, 65, 1, 60), scaled(c.batch(turn{0, 1}), 1e3), c.batch(turn{0, 65}), c.batch(turn{0, 1}))
				})
				add(fmt.Sprintf("cap %g, %d sinks, %d÷%d heads of %d,%d, %s", s.cap, len(s.sinks), h.nHead, h.nHeadKV, h.dimK, h.dimV, m.Per), c)
			}
		}
	}

	for _, m := range []model.Memory{eights, fours} {
		c := attentionTest(heads{4, 2, 128, 128}, m, m, 65)
		c.room.Pages = model.Pages(400)
		c.sunk(heads{4, 2, 128, 128}, 3, []float32{-1, 2, 0.5, 30})
		c.runs = acted(func(c *cast) []*model.Batch { return c.alone(0, 1, 64, 65, 65, 65, 1) })
		add("cap and sinks in "+m.Type.String(), c)
	}

	// Where a product alone reads what comes of it, rows are rounded at once: of whole contexts
	// and of spans that are merged.
	for _, n := range []int{65, 8} {
		h := heads{4, 2, 64, 64}
		for _, m := range []model.Memory{eights, fours} {
			c := attentionTest(h, m, m, n)
			c.room.Pages = model.Pages(600)
			c.toProduct(h.nHead * h.dimV)
			c.runs = acted(func(c *cast) []*model.Batch {
				return c.alone(0, slices.Concat(slices.Repeat([]int{n}, 300/n), []int{1, n - 1, 1})...)
			})
			add(fmt.Sprintf("in %s to a product, %d tokens", m.Type, n), c)
		}
		c := attentionTest(h, halves, halves, n)
		c.room.Pages = model.Pages(600)
		c.sunk(h, 3, []float32{-1, 2, 0.5, 30})
		c.toProduct(h.nHead * h.dimV)
		c.runs = acted(func(c *cast) []*model.Batch {
			return c.alone(0, slices.Concat(slices.Repeat([]int{n}, 300/n), []int{1, n - 1, 1})...)
		})
		add(fmt.Sprintf("cap and sinks to a product, %d tokens", n), c)
	}

	// What lies beyond a sequence's positions is never read, not even to be multiplied
	// by nothing: here it is NaN, of the sequence itself and of one that has left.
	for _, m := range append(kinds, window(halves, 33), window(eights, 33), window(fours, 33)) {
		c := attentionTest(heads{4, 2, 64, 64}, m, m, 40)
		c.room.Pages, c.room.Seqs = 8, 2
		c.runs = acted(func(c *cast) (runs []*model.Batch) {
			c.load = func(row []float32, seq, pos int) {
				if seq < 2 {
					row[0] = nan
				}
			}
			gone := [][]*model.Batch{c.alone(0, 40), c.alone(1, 40)}
			c.leave(0)
			c.leave(1)
			runs = append(runs, gone[0][0], gone[1][0])
			for _, t := range [][]turn{{{2, 1}}, {{2, 1}, {3, 7}}, {{3, 1}, {2, 30}}, {{3, 1}, {2, 1}}, {{2, 5}, {3, 32}}} {
				runs = append(runs, c.batch(t...))
			}
			return runs
		})
		name := "over old NaN in " + m.Type.String()
		if m.Window > 0 {
			name += " window"
		}
		cases = append(cases, finiteAfter(name, 2, c))
	}

	c = attentionTest(heads{4, 2, 64, 64}, halves, halves, 16)
	c.room.Pages, c.room.Seqs = 12, 3
	c.runs = acted(func(c *cast) (runs []*model.Batch) {
		for run := range 9 {
			runs = append(runs, c.batch(turn{run % 3, 1 + run}, turn{(run + 1) % 3, 1}, turn{(run + 2) % 3, 1 + run%2*5}))
		}
		return runs
	})
	add("three sequences at once", c)
	return append(cases, sharedPrefix())
}

// putInfinities puts two infinities into a row of more than ten.
func putInfinities(row []float32) { row[3], row[10] = inf, -inf }

// nanAfter is compared for runs from first on, whose answers must be NaN where
// putInfinities has put infinities into memory, of integers in their whole block, and
// finite everywhere else.
func nanAfter(op, name string, first int, blocks bool, c *test) *Case {
	return looked(op, name, LimitExact, c.answers, func(want, got []answer) error {
		for i, a := range got[first:] {
			for j, x := range a.rows {
				j %= a.cols
				lost := j == 3 || j == 10 || blocks && j < 32
				if is := x-x != 0; is != lost || is && x == x {
					return fmt.Errorf("run %d: column %d is %g", first+i, j, x)
				}
			}
		}
		return nil
	})
}

// finiteAfter is compared for runs from first on, whose answers must be finite; those
// before are of NaN.
func finiteAfter(name string, first int, c *test) *Case {
	return looked("attention", name, LimitQuant, c.answers, func(want, got []answer) error {
		clear(want[:first])
		clear(got[:first])
		for i := range got {
			for j := range got[i].rows {
				if x := got[i].rows[j:][:1]; !sample.Finite(x) {
					return fmt.Errorf("run %d: element %d is %g", i, j, x[0])
				}
			}
		}
		return nil
	})
}

// windows run sequences through memories of their last positions, or of those of their
// chunk: pages that are out of sight are given back and taken by others, in batches and
// token by token.
func windows() (cases []*Case) {
	for _, w := range []int{1, 31, 32, 33, 70, -1, -33, -64, -70} { // chunks are those below 0
		name, h := fmt.Sprintf("window of %d", w), heads{4, 2, 32, 32}
		m := model.Memory{Per: model.Window, Window: max(w, -w), Type: quant.F16}
		c := attentionTest(h, m, m, 64)
		if w < 0 {
			name = fmt.Sprintf("chunks of %d", -w)
			c.attend = func(b *model.Builder, q, k, v model.ID, scale float32) model.ID {
				return b.ChunkedAttention("a", q, k, v, h.nHead, h.nHeadKV, scale)
			}
		}
		c.room = model.Room{Pages: 100, Seqs: 3, Chunk: 40}
		c.runs = acted(func(c *cast) (runs []*model.Batch) {
			for _, t := range [][]turn{
				{{0, 40}}, {{0, 1}}, {{0, 1}, {1, 33}}, {{1, 40}, {0, 1}}, {{0, 31}, {1, 5}}, {{1, 1}, {2, 40}, {0, 17}},
				{{0, 1}, {1, 1}, {2, 1}}, {{2, 31}, {0, 32}}, {{0, 1}, {1, 1}, {2, 1}}, {{1, 40}, {0, 3}}, {{2, 40}}, {{0, 40}},
				{{0, 1}, {2, 2}, {1, 1}},
			} {
				runs = append(runs, c.batch(t...))
			}
			for range 35 { // over the edge of a page, one by one
				runs = append(runs, c.batch(turn{1, 1}, turn{0, 1}))
			}
			c.leave(0)
			return append(runs, c.batch(turn{3, 40}), c.batch(turn{3, 1}, turn{1, 40}))
		})
		cases = append(cases, compared("attention", name, LimitQuant, c))
	}
	return cases
}

// sharedPrefix lets two sequences read the pages of a third and go on by themselves:
// each answers as if the pages were its own.
func sharedPrefix() *Case {
	c := attentionTest(heads{4, 2, 64, 64}, halves, halves, 96)
	c.room.Pages = 16
	const prefix, more = 64, 5
	same := func(c *cast) { // all sequences begin alike
		c.load = func(row []float32, seq, pos int) {
			if pos < prefix {
				copy(row, values(uint64(pos), len(row), 1))
			}
		}
	}
	share := func(c *cast, to int) {
		c.actor(to).pos = prefix
		c.actor(to).units[0] = slices.Clone(c.actor(0).units[0][:model.Pages(prefix)])
	}
	shared := func(c *cast) []*model.Batch {
		same(c)
		runs := []*model.Batch{c.batch(turn{0, prefix})}
		share(c, 1)
		share(c, 2)
		return append(runs, c.batch(turn{1, more}, turn{0, 1}, turn{2, 3}), c.batch(turn{2, 1}, turn{1, 1}))
	}
	apart := func(c *cast) []*model.Batch {
		same(c)
		return []*model.Batch{c.batch(turn{0, prefix}), c.batch(turn{1, prefix}), c.batch(turn{2, prefix}),
			c.batch(turn{1, more}, turn{0, 1}, turn{2, 3}), c.batch(turn{2, 1}, turn{1, 1})}
	}
	return &Case{Op: "attention", Name: "shared prefix", Limit: LimitQuant, check: func(_ *Case, openRef, open Opener) (float64, error) {
		c.runs = acted(apart)
		want, err := c.answers(openRef)
		if err != nil {
			return 0, refFails(err)
		}
		own, err := c.answers(open)
		if err != nil {
			return 0, err
		}
		c.runs = acted(shared)
		got, err := c.answers(open)
		if err != nil {
			return 0, err
		}
		want, own, got = want[3:], own[3:], got[1:] // what comes after the prefix
		for i := range got {
			if !sameBits(own[i].rows, got[i].rows) {
				return 0, fmt.Errorf("run %d: a shared prefix gives other bits; %s", i, worst(own[i].rows, got[i].rows))
			}
		}
		return agree(want, got, LimitQuant)
	}}
}

// storeTest stores hidden rows of 64 in memory of a type and attends each to itself.
func storeTest(ty quant.Type) *test {
	const cols = 64
	c := &test{opts: sized(40), room: model.Room{Pages: 9, Seqs: 3, Chunk: 40}}
	c.weight("unused", quant.F32, 1, 1)
	c.build = func(b *model.Builder) model.ID {
		x := b.Receive("x", cols)
		kc := b.Memory(model.Memory{Name: "k_cache", Per: model.Window, Window: 1, Type: ty, Cols: cols})
		vc := b.Memory(model.Memory{Name: "v_cache", Per: model.Window, Window: 1, Type: ty, Cols: cols})
		b.Store(kc, x)
		b.Store(vc, x)
		return b.Attention("a", x, kc, vc, 1, 1, 0.125)
	}
	return c
}

// store reads back what was stored: attention of a token that sees itself alone is
// its value. Rounding to even, f16's smallest numbers and its end are among them.
func store() (cases []*Case) {
	types := []quant.Type{quant.F16, quant.F32, quant.Q8_0, quant.Q4_0}
	for _, ty := range types {
		c := storeTest(ty)
		runs := func(c *cast) (runs []*model.Batch) {
			for _, size := range []float32{1, 1e4, 1e-6, 1e-3} { // 1e-6: halves without a leading one
				c.load = func(row []float32, _, pos int) {
					for i := range row {
						if row[i] *= size; size == 1 && pos%5 == 2 { // halfway between two halves, of every size
							row[i] = float32(math.Ldexp(1+float64(2*i+1)/2048, i%20-10))
						} else if pos%5 == 3 { // halfway between two integers, the ends of both signs
							ends := [2]float32{127, 8}[pos/5%2] * size
							row[i] = [4]float32{ends, -ends, (float32(i) + 0.5) * size, -(float32(i%9) + 0.5) * size}[i%4]
						} else if pos%11 == 7 && i >= 32 {
							row[i] = 0 // a block of zeros
						}
					}
				}
				runs = append(runs, c.batch(turn{0, 40}), c.batch(turn{1, 3}, turn{0, 1}), c.batch(turn{0, 31}, turn{2, 9}))
				c.leave(0)
			}
			return runs
		}
		c.runs = acted(runs)
		cases = append(cases, compared("store", ty.String(), LimitStore, c))
	}
	c := storeTest(quant.F16)
	c.runs = acted(func(c *cast) []*model.Batch {
		c.load = func(row []float32, _, _ int) {
			copy(row, []float32{65503, 65504, 65519.9, 65520, 65536, 1e6, 1e20, 1e30, -65504, -65520, -1e20, -1e30, 0})
		}
		return []*model.Batch{c.batch(turn{0, 3})}
	})
	cases = append(cases, compared("store", "F16 beyond its range", LimitStore, c))
	for _, ty := range types[2:] {
		c := storeTest(ty)
		c.runs = acted(func(c *cast) []*model.Batch {
			c.load = func(row []float32, _, pos int) {
				large := []float32{65504 * 127, 65504 * 8, 8.33e6, 524033, 1e20, 3e38}
				row[pos%64] = large[pos%6] * float32(1-pos/6%2*2)
				row[63-pos%64] = -large[(pos+1)%6] * 0.75
			}
			return []*model.Batch{c.batch(turn{0, 40}), c.batch(turn{0, 1})}
		})
		cases = append(cases, compared("store", ty.String()+" beyond its range", LimitStore, c))
	}
	for _, ty := range types {
		cases = append(cases, nanAfter("store", "infinities in "+ty.String(), 0, model.InBlocks(ty), infiniteValues(ty)))
	}
	return cases
}

// infiniteValues stores rows of 64 as values, with a bias that makes some of them
// infinite, and reads them back: all keys are zeros.
func infiniteValues(ty quant.Type) *test {
	const cols = 64
	bias := make([]float32, cols)
	putInfinities(bias)
	c := &test{opts: sized(4), room: model.Room{Pages: 1, Seqs: 1, Chunk: 4}}
	c.tensor("bias", quant.F32, 1, cols, bias)
	c.tensor("zero", quant.F32, cols, cols, make([]float32, cols*cols))
	c.build = func(b *model.Builder) model.ID {
		x := b.Receive("x", cols)
		kc := b.Memory(model.Memory{Name: "k_cache", Type: ty, Cols: cols})
		vc := b.Memory(model.Memory{Name: "v_cache", Type: ty, Cols: cols})
		zero := b.MatMul("zeros", b.Weight("zero", cols, cols), x)
		b.Store(kc, zero)
		b.Store(vc, b.Add("v", x, b.Weight("bias", 1, cols)))
		return b.Attention("a", zero, kc, vc, 1, 1, 0.125)
	}
	c.runs = acted(func(c *cast) []*model.Batch { return c.alone(0, 4) })
	return c
}
