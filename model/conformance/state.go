package conformance

import (
	"fmt"

	"eclat/loader/quant"
	"eclat/model"
)

// stateTest takes hidden rows through a state: a row has queries, keys and values, then a
// step and a beta a head. unit: queries and keys have length 1, as models have them.
func stateTest(op model.Op, s model.State, cyclic, unit bool, tokens, seqs int) *test {
	c := &test{opts: sized(tokens), room: model.Room{Seqs: seqs, Chunk: tokens}}
	decays := values(3, s.NHead, 1)
	for i, x := range decays {
		decays[i] = min(x, -x) // as models have them: no state grows by itself
	}
	c.tensor("a", quant.F32, 1, s.NHead, decays)
	c.tensor("d", quant.F32, s.NHead, 1, values(4, s.NHead, 1)) // a row a head, as files have them
	n := s.NHead*s.DimV + 2*s.NHeadK*s.DimK
	cols := n + 2*s.NHead
	c.build = func(b *model.Builder) model.ID {
		x := b.Receive("x", cols)
		qkv := b.Slice("qkv", x, 0, n, cols)
		dt := b.Act("dt", b.Slice("step", x, n, s.NHead, cols), model.Softplus)
		beta := b.Act("beta", b.Slice("share", x, n+s.NHead, s.NHead, cols), model.Sigmoid)
		state := b.Memory(model.Memory{Name: "state", Per: model.Sequence, Type: quant.F32, Cols: s.Len()})
		if op == model.Scan {
			return b.Scan("y", qkv, dt, b.Vector("a", s.NHead), b.Vector("d", s.NHead), state, s)
		}
		if unit {
			qkv = b.L2Norm("unit", qkv, s.DimK, 2*s.NHeadK, 1e-6)
		}
		return b.DeltaRule("y", qkv, dt, b.Vector("a", s.NHead), beta, state, s, 0.3, cyclic)
	}
	return c
}

// dirty plays sequences in runs shorter and longer, several at once, and from the beginning
// again over slots that somebody has used.
func dirty(c *cast) []*model.Batch {
	runs := c.alone(0, 1, 2, 3, 17, 1, 1)
	runs = append(runs, c.batch(turn{1, 17}, turn{0, 1}, turn{2, 2}), c.batch(turn{2, 1}, turn{0, 17}, turn{1, 3}),
		c.batch(turn{0, 1}, turn{1, 1}, turn{2, 1}, turn{3, 1}))
	for _, n := range []int{1, 17} {
		c.actor(0).pos, c.actor(2).pos = 0, 0
		runs = append(runs, c.batch(turn{0, n}, turn{1, 1}, turn{2, 1}), c.batch(turn{2, 2}, turn{0, 1}))
	}
	return runs
}

// states are linear attention and state spaces, of awkward sizes, and gone out of hand.
func states() (cases []*Case) {
	for _, op := range []model.Op{model.DeltaRule, model.Scan} {
		for _, s := range []model.State{
			{NHead: 1, NHeadK: 1, DimK: 1, DimV: 1}, {NHead: 2, NHeadK: 1, DimK: 3, DimV: 5}, {NHead: 4, NHeadK: 2, DimK: 16, DimV: 16},
			{NHead: 6, NHeadK: 2, DimK: 30, DimV: 65}, {NHead: 3, NHeadK: 3, DimK: 64, DimV: 70}, {NHead: 4, NHeadK: 1, DimK: 128, DimV: 128},
		} {
			for _, cyclic := range []bool{false, true} {
				if cyclic && (op == model.Scan || s.NHeadK == 1) {
					continue
				}
				c := stateTest(op, s, cyclic, true, 40, 4)
				c.runs = acted(dirty)
				name := fmt.Sprintf("%d÷%d heads of %d × %d", s.NHead, s.NHeadK, s.DimK, s.DimV)
				if cyclic {
					name += ", cyclic"
				}
				cases = append(cases, compared(op.String(), name, LimitExact, c))
			}
		}
		s := model.State{NHead: 2, NHeadK: 1, DimK: 18, DimV: 24}
		c := stateTest(op, s, false, false, 40, 4) // beyond float32 where the rule does not hold it
		c.runs = acted(dirty)
		cases = append(cases, compared(op.String(), "keys of any length", LimitExact, c))
		c = stateTest(op, s, false, true, 8, 1)
		c.runs = acted(func(c *cast) (runs []*model.Batch) {
			c.load = func(row []float32, seq, pos int) {
				if seq == 0 {
					row[40] = nan
				}
			}
			runs = c.alone(0, 8)
			c.leave(0)
			return append(runs, c.alone(1, 1, 2, 5)...)
		})
		cases = append(cases, compared(op.String(), "over old NaN", LimitExact, c))
		c = stateTest(op, s, false, false, 8, 1)
		c.runs = acted(func(c *cast) []*model.Batch {
			c.load = func(row []float32, _, pos int) {
				if pos == 3 {
					row[2], row[20], row[40] = inf, -inf, inf
				}
			}
			return c.alone(0, 8, 1, 1)
		})
		cases = append(cases, compared(op.String(), "infinities", LimitExact, c))
		c = stateTest(op, s, false, false, 8, 1) // states and answers around 2^-40, some of them flushed
		c.runs = acted(func(c *cast) []*model.Batch {
			c.load = func(row []float32, _, _ int) {
				for i := range row[:len(row)-2*s.NHead] {
					row[i] *= 0x1p-20
				}
			}
			return c.alone(0, 8, 1)
		})
		cases = append(cases, compared(op.String(), "small", LimitExact, c))
		c = stateTest(op, s, false, false, 8, 1) // what is added to states around 2^-40, by keys that make it count
		c.runs = acted(func(c *cast) []*model.Batch {
			c.load = func(row []float32, _, _ int) {
				keys, all := 2*s.NHeadK*s.DimK, len(row)-2*s.NHead
				for i := range row[:all] {
					if value := i >= keys; value && op == model.DeltaRule || op == model.Scan && i < all-keys {
						row[i] *= 0x1p-39
					} else {
						row[i] *= 0x1p10
					}
				}
			}
			return c.alone(0, 8, 1)
		})
		cases = append(cases, compared(op.String(), "small values", LimitExact, c))
	}
	return cases
}

// pieces are norms without weights, norms of groups with a part of the weight each, and
// slices.
func pieces() (cases []*Case) {
	for _, h := range []struct{ cols, group, groups int }{{1, 1, 1}, {10, 3, 3}, {24, 8, 2}, {640, 128, 4}, {200, 64, 2}, {515, 257, 1}, {4096, 2048, 2}} {
		c := &test{opts: sized(5)}
		c.weight("unused", quant.F32, 1, 1)
		c.build = func(b *model.Builder) model.ID { return b.L2Norm("y", b.Receive("x", h.cols), h.group, h.groups, 1e-6) }
		zero := rowsOnly(5, 2, h.cols, 2)
		clear(zero.Rows[:h.cols])
		c.runs = fixed(rowsOnly(0, 5, h.cols, 1), zero, scaled(rowsOnly(5, 3, h.cols, 3), 1e15), scaled(rowsOnly(5, 3, h.cols, 3), 1e-9))
		cases = append(cases, compared("l2norm", fmt.Sprintf("%d groups of %d in %d", h.groups, h.group, h.cols), LimitExact, c))
	}
	for _, h := range []struct{ heads, group int }{{2, 1}, {3, 7}, {8, 64}, {5, 80}} {
		c := &test{opts: sized(5)}
		c.weight("w", quant.F32, h.heads, h.group)
		c.build = func(b *model.Builder) model.ID {
			return b.GroupNorm("y", b.Receive("x", h.heads*h.group), b.Vector("w", h.heads*h.group), h.group, 1e-5)
		}
		c.runs = fixed(rowsOnly(0, 5, h.heads*h.group, 1), rowsOnly(5, 1, h.heads*h.group, 2))
		cases = append(cases, typed(quant.F32, compared("rmsnorm", fmt.Sprintf("%d groups of %d, own weights", h.heads, h.group), LimitExact, c)))
	}
	for _, h := range []struct{ cols, first, n, stride int }{{1, 0, 1, 1}, {15, 5, 5, 15}, {15, 1, 3, 5}, {1024, 128, 128, 256}, {777, 111, 333, 777}} {
		c := &test{opts: sized(7)}
		c.weight("unused", quant.F32, 1, 1)
		c.build = func(b *model.Builder) model.ID {
			return b.Slice("y", b.Gather("wanted", b.Slice("x1", b.Receive("x", 2*h.cols), h.cols, h.cols, 2*h.cols)), h.first, h.n, h.stride)
		}
		var runs []*model.Batch
		for _, want := range [][]int32{{6}, {0, 3, 5}, {}} {
			b := rowsOnly(0, 7, 2*h.cols, 3)
			b.Want = want
			runs = append(runs, b)
		}
		c.runs = fixed(runs...)
		cases = append(cases, compared("slice", fmt.Sprintf("%d from %d of %d in %d", h.n, h.first, h.stride, h.cols), LimitExact, c))
	}
	return cases
}

// StateQuestion names the question of an op that takes tokens through a state; tail: keys
// are not whole fours.
func StateQuestion(op model.Op, cyclic, tail bool) string {
	name := op.String()
	if cyclic {
		name += ", cyclic"
	}
	if tail {
		name += ", tail"
	}
	return name
}

func stateQuestion(op model.Op, cyclic, tail bool) *test {
	s := model.State{NHead: 4, NHeadK: 2, DimK: 32, DimV: 40}
	if tail {
		s.DimK--
	}
	c := stateTest(op, s, cyclic, true, 20, 2)
	c.runs = acted(func(c *cast) []*model.Batch {
		runs := append(c.alone(0, 1, 2, 17, 1), c.batch(turn{1, 17}, turn{0, 1}), c.batch(turn{0, 3}, turn{1, 1}))
		c.load = func(row []float32, seq, _ int) { // small ones, some of them flushed
			for i := range row[:len(row)-2*s.NHead] {
				row[i] *= 1e-6
			}
			if seq == 1 {
				row[2*s.NHeadK*s.DimK+3] = nan
			}
		}
		c.actor(0).pos = 0
		return append(runs, c.batch(turn{0, 5}, turn{1, 1}), c.batch(turn{1, 2}, turn{0, 1}))
	})
	return c
}

// ConvQuestion names the question of a convolution with or without bias and silu.
func ConvQuestion(bias, silu bool) string {
	name := "conv"
	if bias {
		name += ", bias"
	}
	if silu {
		name += ", silu"
	}
	return name
}

func convQuestion(bias, silu bool) *test {
	c := convTest(70, 4, 20, 2)
	if bias || silu {
		c = convSiLUTest(70, 4, 20, 2, bias, silu)
	}
	c.runs = acted(func(c *cast) []*model.Batch {
		return append(c.alone(0, 1, 2, 17, 1), c.batch(turn{1, 17}, turn{0, 1}), c.batch(turn{0, 3}, turn{1, 1}))
	})
	return c
}

// L2Question names the question of L2Norm; tail: not whole fours.
func L2Question(tail bool) string {
	if tail {
		return "l2norm, tail"
	}
	return "l2norm"
}

func l2Question(tail bool) *test {
	group := 128
	if tail {
		group--
	}
	c := &test{opts: sized(4)}
	c.weight("unused", quant.F32, 1, 1)
	c.build = func(b *model.Builder) model.ID { return b.L2Norm("y", b.Receive("x", 3*group), group, 2, 1e-6) }
	last := rowsOnly(0, 4, 3*group, 5)
	last.Rows[4*group] = nan
	c.runs = fixed(rowsOnly(0, 4, 3*group, 1), scaled(rowsOnly(0, 4, 3*group, 2), 1e5), tiny(rowsOnly(0, 4, 3*group, 3)), rowsOnly(0, 3, 3*group, 4), last)
	return c
}

func sliceQuestion() *test {
	c := &test{opts: sized(5)}
	c.weight("unused", quant.F32, 1, 1)
	c.build = func(b *model.Builder) model.ID { return b.Slice("y", b.Receive("x", 310), 11, 40, 62) }
	c.runs = fixed(rowsOnly(0, 5, 310, 1), rowsOnly(0, 4, 310, 2))
	return c
}
