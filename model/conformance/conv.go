package conformance

import (
	"fmt"

	"eclat/loader/quant"
	"eclat/model"
)

// convTest convolves hidden rows with a filter of some taps.
func convTest(cols, taps, tokens, seqs int) *test {
	c := &test{opts: sized(tokens), room: model.Room{Seqs: seqs, Chunk: tokens}}
	c.weight("conv.weight", quant.F32, cols, taps)
	c.build = func(b *model.Builder) model.ID {
		state := b.Memory(model.Memory{Name: "conv_state", Per: model.Sequence, Type: quant.F32, Cols: (taps - 1) * cols})
		return b.Conv("y", b.Receive("x", cols), b.Weight("conv.weight", cols, taps), state, model.None, false)
	}
	return c
}

// convSiLUTest is convTest with a bias and silu, or either. A bias alone is of no model;
// kernels have it all the same.
func convSiLUTest(cols, taps, tokens, seqs int, bias, silu bool) *test {
	c := convTest(cols, taps, tokens, seqs)
	c.weight("conv.bias", quant.F32, 1, cols)
	c.build = func(b *model.Builder) model.ID {
		state := b.Memory(model.Memory{Name: "conv_state", Per: model.Sequence, Type: quant.F32, Cols: (taps - 1) * cols})
		w, by := b.Weight("conv.weight", cols, taps), model.None
		if bias {
			by = b.Weight("conv.bias", 1, cols)
		}
		return b.Conv("y", b.Receive("x", cols), w, state, by, silu)
	}
	return c
}

// conv runs sequences past a filter's taps: in runs shorter and longer than it, several
// at once, and from the beginning again over a slot that somebody has used.
func conv() (cases []*Case) {
	for _, cols := range []int{1, 5, 64, 100} {
		for _, taps := range []int{2, 3, 4, 5} {
			c := convTest(cols, taps, 40, 4)
			c.runs = acted(func(c *cast) []*model.Batch {
				runs := c.alone(0, 1, 2, 3, 17, 1, 1, 3, 2, 1)
				runs = append(runs, c.batch(turn{1, 17}, turn{0, 1}, turn{2, 2}), c.batch(turn{2, 1}, turn{0, 17}, turn{1, 3}),
					c.batch(turn{0, 1}, turn{1, 1}, turn{2, 1}, turn{3, 1}), c.batch(turn{3, 1}, turn{2, 3}, turn{1, 2}, turn{0, 1}))
				for _, n := range []int{1, 17, 2, 3} { // dirty slots, runs of each length first
					c.actor(0).pos, c.actor(2).pos = 0, 0
					runs = append(runs, c.batch(turn{0, n}, turn{1, 1}, turn{2, 1}), c.batch(turn{2, 2}, turn{0, 1}))
				}
				return runs
			})
			cases = append(cases, compared("conv", fmt.Sprintf("%d channels, %d taps", cols, taps), LimitExact, c))
		}
	}
	for _, bias := range []bool{false, true} {
		for _, silu := range []bool{false, true} {
			if !bias && !silu {
				continue
			}
			c := convSiLUTest(100, 4, 20, 4, bias, silu)
			c.runs = acted(func(c *cast) []*model.Batch {
				return append(c.alone(0, 1, 2, 17, 1), c.batch(turn{1, 17}, turn{0, 1}), c.batch(turn{0, 3}, turn{1, 1}))
			})
			cases = append(cases, compared("conv", fmt.Sprintf("bias %t, silu %t", bias, silu), LimitExact, c))
		}
	}
	// A slot full of NaN counts as zeros where a sequence begins.
	c := convTest(64, 4, 8, 1)
	c.runs = acted(func(c *cast) (runs []*model.Batch) {
		c.load = func(row []float32, seq, pos int) {
			if seq == 0 {
				row[3] = nan
			}
		}
		runs = c.alone(0, 8)
		c.leave(0)
		return append(runs, c.alone(1, 1, 2, 5)...)
	})
	cases = append(cases, compared("conv", "over old NaN", LimitExact, c))
	c = convTest(64, 4, 8, 1) // the slot holds NaN for an infinity
	c.runs = acted(func(c *cast) []*model.Batch {
		c.load = func(row []float32, _, pos int) {
			if pos == 0 {
				putInfinities(row)
			}
		}
		return c.alone(0, 1, 1, 2)
	})
	cases = append(cases, nanAfter("conv", "infinities", 1, false, c))
	c = convTest(64, 4, 8, 1) // sums around 2^-40, some of them flushed
	c.runs = acted(func(c *cast) []*model.Batch {
		c.load = func(row []float32, _, _ int) {
			for i := range row {
				row[i] *= 0x1p-41
			}
		}
		return c.alone(0, 8, 1)
	})
	return append(cases, compared("conv", "small", LimitExact, c))
}
