package conformance

import (
	"slices"

	"eclat/model"
	"eclat/model/sample"
)

// cast keeps several sequences as an engine would: it gives each the units it needs,
// takes pages back that a window has left behind, and writes batches. What a
// sequence feeds in at a position depends on the two alone, so a sequence meets the
// same inputs in whatever company.
type cast struct {
	plan *model.Plan
	free [][]int32 // by pool: units that nobody has; the last one is given next
	seqs map[int]*actor
	rows func(seq, pos int) bool // whether a token comes as a row, where the plan embeds; nil for never
	all  bool                    // the answers of all tokens are wanted, not only of each run's last
	how  func(seq, pos int) sample.Params
	load func(row []float32, seq, pos int) // changes a hidden row; may be nil
}

// actor is one sequence.
type actor struct {
	pos   int
	units [][]int32 // by pool
}

// turn is what a sequence does in a run: its next n tokens.
type turn struct{ seq, n int }

// newCast starts over, with all of the plan's memory free and in no tidy order.
func newCast(p *model.Plan) *cast {
	c := &cast{plan: p, seqs: map[int]*actor{}}
	for _, pool := range p.Pools {
		c.free = append(c.free, shuffled(pool.Units))
	}
	return c
}

// shuffled returns the numbers below n out of order.
func shuffled(n int) []int32 {
	table := make([]int32, n)
	for i := range table {
		j := int(sample.Uniform(uint64(n), uint32(i)) * float32(i+1))
		table[i], table[j] = table[j], int32(i)
	}
	return table
}

// take gives out a unit of a pool.
func (c *cast) take(pool int) int32 {
	n := len(c.free[pool]) - 1
	if n < 0 {
		panic("conformance: a case needs more memory than its room has")
	}
	u := c.free[pool][n]
	c.free[pool] = c.free[pool][:n]
	return u
}

// actor returns a sequence, new ones with their slots.
func (c *cast) actor(seq int) *actor {
	a := c.seqs[seq]
	if a == nil {
		a = &actor{units: make([][]int32, len(c.plan.Pools))}
		for pool, p := range c.plan.Pools {
			if p.Per == model.Sequence {
				a.units[pool] = []int32{c.take(pool)}
			}
		}
		c.seqs[seq] = a
	}
	return a
}

// leave gives all units of a sequence back, as they are.
func (c *cast) leave(seq int) {
	for pool, units := range c.seqs[seq].units {
		for _, u := range units {
			if u >= 0 {
				c.free[pool] = append(c.free[pool], u)
			}
		}
	}
	delete(c.seqs, seq)
}

// reach gives a sequence the pages of its next n positions, after taking back those
// that none of them sees.
func (c *cast) reach(a *actor, n int) {
	for pool, p := range c.plan.Pools {
		if p.Per == model.Sequence {
			continue
		}
		for i := range min(p.FirstSeen(a.pos)/model.PageLen, len(a.units[pool])) {
			if u := a.units[pool][i]; u >= 0 {
				c.free[pool] = append(c.free[pool], u)
				a.units[pool][i] = -1
			}
		}
		for len(a.units[pool]) < model.Pages(a.pos+n) {
			u := int32(-1)
			if len(a.units[pool]) >= p.FirstSeen(a.pos)/model.PageLen {
				u = c.take(pool)
			}
			a.units[pool] = append(a.units[pool], u)
		}
	}
}

// batch writes the next run of some sequences.
func (c *cast) batch(turns ...turn) *model.Batch {
	b := &model.Batch{}
	cols := c.plan.Width()
	for _, t := range turns {
		a := c.actor(t.seq)
		c.reach(a, t.n)
		run := model.SeqRun{N: t.n}
		for _, u := range a.units {
			run.Units = append(run.Units, append([]int32{}, u...))
		}
		b.Seqs = append(b.Seqs, run)
		for i := range t.n {
			pos := a.pos + i
			seed := uint64(t.seq+1)<<32 | uint64(pos)
			id := int32(-1)
			if c.plan.Hidden == model.None && (c.rows == nil || !c.rows(t.seq, pos)) {
				id = int32(sample.Uniform(seed, 1) * float32(c.plan.Vocab))
			}
			if c.plan.Hidden == model.None {
				b.Tokens = append(b.Tokens, id)
			}
			if id < 0 {
				b.Rows = append(b.Rows, values(seed, cols, 1)...)
				if c.load != nil {
					c.load(b.Rows[len(b.Rows)-cols:], t.seq, pos)
				}
			}
			for axis := range c.plan.Axes {
				b.Pos = append(b.Pos, int32(pos*(1+axis)))
			}
			if c.all || i == t.n-1 {
				b.Want = append(b.Want, int32(len(b.Pos)/c.plan.Axes-1))
				if c.how != nil {
					b.How = append(b.How, c.how(t.seq, pos))
				} else if c.plan.Samples() {
					b.How = append(b.How, sample.Params{})
				}
			}
		}
		a.pos += t.n
	}
	return b
}

// alone writes runs of one sequence of the given lengths.
func (c *cast) alone(seq int, lengths ...int) (runs []*model.Batch) {
	for _, n := range lengths {
		runs = append(runs, c.batch(turn{seq, n}))
	}
	return runs
}

// acted gives the batches that a cast plays.
func acted(play func(c *cast) []*model.Batch) func(*model.Plan) []*model.Batch {
	return func(p *model.Plan) []*model.Batch { return play(newCast(p)) }
}

// keep takes a certain unit out of those that are free.
func (c *cast) keep(pool int, unit int32) {
	c.free[pool] = slices.DeleteFunc(c.free[pool], func(u int32) bool { return u == unit })
}
