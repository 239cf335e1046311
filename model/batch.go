package model

import (
	"fmt"
	"time"

	"eclat/model/sample"
)

// SeqRun is a run of consecutive tokens of one sequence in a batch.
type SeqRun struct {
	N int // tokens, ≥ 1
	// Units holds, for each pool of the plan, where the sequence's memory lies. Of a
	// pool with pages it is the block table: Units[pool][p/PageLen] is the page of
	// position p, −1 where no token of the run sees it any more. Of a pool with a slot
	// a sequence it is that one slot.
	Units [][]int32
}

// Batch is what changes from run to run: the next tokens of some sequences.
type Batch struct {
	Tokens []int32   // (n) ids; −1 takes the next row of Rows. Not looked at by a stage that takes rows
	Rows   []float32 // (rows, Plan.Width): of tokens without id; of a stage that takes rows all n
	Pos    []int32   // (n, Plan.Axes) positions; a token's first is its place in its sequence, rising by one within a run
	Seqs   []SeqRun  // whose the tokens are, in order; together n of them
	Want   []int32   // (≤ n) the tokens whose answer is wanted, rising

	How []sample.Params // (len(Want)) how to choose; for a plan that ends with Sample

	seen [][]int32 // scratch of Check: by pool and unit, the run that uses it
}

// Outputs is the answer of one run.
type Outputs struct {
	// Rows holds the rows of Plan.Answer: (n, Cols) or (len(Want), Cols). Of a plan
	// that ends with Sample only the rows with How.Logits mean something, and it is
	// empty where there are none. It is the program's own memory and stands until the
	// next run of any program of its backend.
	Rows []float32
	// Tokens holds the chosen tokens, (len(Want)), of a plan that ends with Sample.
	// The same lifetime.
	Tokens []int32
	// StepTime holds the time each step took, (len(Plan.Steps)), of a program compiled
	// with Profile; a step that was done together with an earlier one has 0. It is
	// nil where the backend cannot tell. The same lifetime.
	StepTime []time.Duration
}

// Size returns the rows that the batch uses.
func (b *Batch) Size(p *Plan) Size { return Size{len(b.Pos) / max(1, p.Axes), len(b.Want)} }

// LogitsWanted reports whether a row of logits itself is wanted.
func (b *Batch) LogitsWanted() bool {
	for i := range b.How {
		if b.How[i].Logits {
			return true
		}
	}
	return false
}

// Check says what is wrong with a batch for a program of plan p with room for s,
// before a backend indexes memory with it. It allocates only when it meets larger
// pools than before.
func (b *Batch) Check(p *Plan, s Size) error {
	if p.Axes < 1 || len(b.Pos)%p.Axes != 0 {
		return fmt.Errorf("model: %d positions are not %d a token", len(b.Pos), p.Axes)
	}
	n := len(b.Pos) / p.Axes
	if n == 0 || n > s.Tokens {
		return fmt.Errorf("model: %d tokens for a program of %d", n, s.Tokens)
	}
	if err := b.checkTokens(p, n); err != nil {
		return err
	}
	if err := b.checkSeqs(p, n); err != nil {
		return err
	}
	if len(b.Want) > s.Want {
		return fmt.Errorf("model: the answers of %d tokens wanted from a program of %d", len(b.Want), s.Want)
	}
	for i, w := range b.Want {
		switch {
		case w < 0 || int(w) >= n:
			return fmt.Errorf("model: the answer of token %d of %d wanted", w, n)
		case i > 0 && w <= b.Want[i-1]:
			return fmt.Errorf("model: the answer of token %d is wanted after that of token %d", w, b.Want[i-1])
		}
	}
	if p.Samples() && len(b.How) != len(b.Want) {
		return fmt.Errorf("model: %d ways of sampling for %d tokens", len(b.How), len(b.Want))
	}
	return nil
}

// checkTokens checks ids and rows.
func (b *Batch) checkTokens(p *Plan, n int) error {
	rows := n
	if p.Hidden == None {
		if len(b.Tokens) != n {
			return fmt.Errorf("model: %d token ids for %d tokens", len(b.Tokens), n)
		}
		rows = 0
		for i, id := range b.Tokens {
			if id == -1 {
				rows++
			} else if id < 0 || int(id) >= p.Vocab {
				return fmt.Errorf("model: token %d has id %d, the vocabulary %d", i, id, p.Vocab)
			}
		}
	}
	if rows > 0 && p.Hidden == None && p.embeds() > 1 {
		return fmt.Errorf("model: %d rows in the place of ids, of which %d tables are asked", rows, p.embeds())
	}
	if w := p.Width(); len(b.Rows) != rows*w {
		return fmt.Errorf("model: %d hidden values for %d rows of %d", len(b.Rows), rows, w)
	}
	return nil
}

// checkSeqs checks positions and memory. Within a run positions rise by one; a unit
// that one run writes is no other run's.
func (b *Batch) checkSeqs(p *Plan, n int) error {
	for len(b.seen) < len(p.Pools) {
		b.seen = append(b.seen, nil)
	}
	for pool := range p.Pools {
		if u := p.Pools[pool].Units; len(b.seen[pool]) < u {
			b.seen[pool] = make([]int32, u)
		}
		clear(b.seen[pool])
	}
	at := 0
	for s := range b.Seqs {
		run := &b.Seqs[s]
		if run.N < 1 || run.N > n-at {
			return fmt.Errorf("model: sequence %d has %d of the batch's %d tokens, %d are left", s, run.N, n, n-at)
		}
		first := b.Pos[at*p.Axes]
		for i := range run.N {
			if pos := b.Pos[(at+i)*p.Axes]; pos != first+int32(i) || pos < 0 {
				return fmt.Errorf("model: token %d of sequence %d is at position %d, want %d", i, s, pos, first+int32(i))
			}
		}
		for i := range run.N * (p.Axes - 1) { // rotary positions have no order
			if pos := b.Pos[at*p.Axes+i/(p.Axes-1)*p.Axes+1+i%(p.Axes-1)]; pos < 0 {
				return fmt.Errorf("model: a token of sequence %d has the position %d", s, pos)
			}
		}
		at += run.N
		if len(run.Units) < len(p.Pools) {
			return fmt.Errorf("model: sequence %d has memory in %d pools of %d", s, len(run.Units), len(p.Pools))
		}
		for pool := range p.Pools {
			if err := b.checkUnits(p, s, pool, int(first)); err != nil {
				return err
			}
		}
	}
	if at != n {
		return fmt.Errorf("model: the sequences have %d of the batch's %d tokens", at, n)
	}
	return nil
}

// checkUnits checks what run s says of one pool; its first token is at position first.
func (b *Batch) checkUnits(p *Plan, s, pool, first int) error {
	pl, run := &p.Pools[pool], &b.Seqs[s]
	table, seen := run.Units[pool], b.seen[pool]
	from, write, end := 0, 0, 1 // units that the run sees: from…end−1, of which it writes write…end−1
	if pl.Per != Sequence {
		from, write, end = pl.FirstSeen(first)/PageLen, first/PageLen, Pages(first+run.N)
	}
	if end > len(table) {
		return fmt.Errorf("model: sequence %d has %d pages of pool %d for positions to %d", s, len(table), pool, first+run.N-1)
	}
	me := int32(s + 1) // in seen: +me reads a unit, −me writes it, 0 is nobody
	for i := from; i < end; i++ {
		u := table[i]
		if u < 0 || int(u) >= pl.Units {
			return fmt.Errorf("model: sequence %d has unit %d of pool %d, which has %d", s, u, pool, pl.Units)
		}
		who := seen[u]
		switch {
		case who == me || who == -me:
			return fmt.Errorf("model: sequence %d has unit %d of pool %d twice", s, u, pool)
		case who == 0 || who > 0 && i < write: // free, or read by several
		default:
			return fmt.Errorf("model: sequences %d and %d share unit %d of pool %d, and one writes it", max(who, -who)-1, s, u, pool)
		}
		if seen[u] = me; i >= write {
			seen[u] = -me
		}
	}
	return nil
}
