package model

import (
	"math/rand/v2"
	"testing"

	"eclat/model/sample"
)

// judge does what a backend does with a batch, element by element and by the words
// of the contract alone, and says what would go wrong. It shares nothing with Check.
func judge(p *Plan, b *Batch, s Size) string {
	n := len(b.Pos) / p.Axes
	if n > s.Tokens || len(b.Want) > s.Want || n*p.Axes != len(b.Pos) || n == 0 {
		return "beyond the program's room"
	}
	rows, width := 0, 4
	for i := range n {
		if p.Hidden == None && b.Tokens[i] >= 0 {
			if int(b.Tokens[i]) >= p.Vocab {
				return "id outside the vocabulary"
			}
			continue
		}
		if rows++; rows*width > len(b.Rows) {
			return "row outside Rows"
		}
	}
	type place struct{ pool, unit, row int }
	type cell struct{ seq, pos int }
	written := map[place]cell{}
	read := map[place][]cell{}
	var owner []int
	for q, run := range b.Seqs {
		for range run.N {
			owner = append(owner, q)
		}
	}
	if len(owner) != n {
		return "tokens of nobody"
	}
	for i := range n {
		q, pos := owner[i], int(b.Pos[i*p.Axes])
		for a := range p.Axes {
			if b.Pos[i*p.Axes+a] < 0 {
				return "negative position"
			}
		}
		for pool, pl := range p.Pools {
			at := func(t int) (place, bool) {
				table := b.Seqs[q].Units[pool]
				if pl.Per == Sequence {
					return place{pool, int(table[0]), 0}, table[0] >= 0 && int(table[0]) < pl.Units
				}
				if t/PageLen >= len(table) {
					return place{}, false
				}
				u := int(table[t/PageLen])
				return place{pool, u, t % PageLen}, u >= 0 && u < pl.Units
			}
			w, ok := at(pos)
			if !ok {
				return "writes outside memory"
			}
			if old, ok := written[w]; ok && (pl.Per != Sequence && old != cell{q, pos} || old.seq != q) {
				return "a row is written twice"
			} else if ok && pl.Per != Sequence {
				return "one position twice"
			}
			written[w] = cell{q, pos}
			if pl.Per == Sequence {
				continue
			}
			first := 0
			if pl.Per == Window && pos >= pl.Window {
				first = pos - pl.Window + 1
			}
			for t := first; t <= pos; t++ {
				r, ok := at(t)
				if !ok {
					return "reads outside memory"
				}
				read[r] = append(read[r], cell{q, t})
			}
		}
	}
	for at, cells := range read {
		if w, ok := written[at]; ok {
			for _, c := range cells {
				if c != w {
					return "reads what another position or sequence writes"
				}
			}
		}
	}
	for i, w := range b.Want {
		if w < 0 || int(w) >= n || i > 0 && w <= b.Want[i-1] {
			return "wanted rows"
		}
	}
	if p.Samples() && len(b.How) < len(b.Want) {
		return "a row without a way of sampling"
	}
	return ""
}

// muddled makes a batch that is sound or nearly so, from the numbers of r.
func muddled(r *rand.Rand) (*Plan, *Batch, Size) {
	p := checked(1+r.IntN(3)/2, Pool{Position, 0, 6}, Pool{Window, 1 + r.IntN(70), 6}, Pool{Sequence, 0, 4})
	p.Pools = p.Pools[:r.IntN(4)]
	if r.IntN(4) == 0 {
		p.Hidden = 1
	}
	if r.IntN(2) == 0 {
		p.Steps = p.Steps[:2]
	}
	b := &Batch{}
	free := make([][]int32, len(p.Pools))
	for i := range free {
		for u := range p.Pools[i].Units {
			free[i] = append(free[i], int32(u))
		}
		r.Shuffle(len(free[i]), func(x, y int) { free[i][x], free[i][y] = free[i][y], free[i][x] })
	}
	take := func(pool int) int32 {
		if len(free[pool]) == 0 || r.IntN(30) == 0 { // one that may be taken, or is outside
			return int32(r.IntN(p.Pools[pool].Units+2) - 1)
		}
		u := free[pool][0]
		free[pool] = free[pool][1:]
		return u
	}
	for range 1 + r.IntN(3) {
		n, first := 1+r.IntN(5), r.IntN(70)
		run := SeqRun{N: n, Units: make([][]int32, len(p.Pools))}
		for pool, pl := range p.Pools {
			if pl.Per == Sequence {
				run.Units[pool] = []int32{take(pool)}
				continue
			}
			for i := range Pages(first + n) {
				if i < pl.FirstSeen(first)/PageLen {
					run.Units[pool] = append(run.Units[pool], -1)
					continue
				}
				run.Units[pool] = append(run.Units[pool], take(pool))
			}
			if r.IntN(40) == 0 {
				run.Units[pool] = run.Units[pool][:r.IntN(len(run.Units[pool])+1)]
			}
		}
		b.Seqs = append(b.Seqs, run)
		for i := range n {
			b.Pos = append(b.Pos, int32(first+i))
			for range p.Axes - 1 {
				b.Pos = append(b.Pos, int32(r.IntN(100)-r.IntN(50)/49))
			}
		}
	}
	n := len(b.Pos) / p.Axes
	rows := n
	if p.Hidden == None {
		rows = 0
		for range n {
			id := int32(r.IntN(11) - 1)
			if id < 0 {
				rows++
			}
			b.Tokens = append(b.Tokens, id)
		}
	}
	b.Rows = make([]float32, rows*4)
	for i := range n {
		if r.IntN(2) == 0 {
			b.Want = append(b.Want, int32(i))
		}
	}
	b.How = make([]sample.Params, len(b.Want))
	s := Size{n + r.IntN(2), len(b.Want) + r.IntN(2)}
	// One field in three batches is wrong in some other way.
	if r.IntN(3) == 0 {
		switch r.IntN(8) {
		case 0:
			b.Pos[r.IntN(len(b.Pos))] += int32(r.IntN(80) - 40)
		case 1:
			b.Seqs[0].N += r.IntN(3) - 1
		case 2:
			if len(b.Want) > 0 {
				b.Want[r.IntN(len(b.Want))] += int32(r.IntN(3) - 1)
			}
		case 3:
			if len(b.Tokens) > 0 {
				b.Tokens[r.IntN(len(b.Tokens))] += int32(r.IntN(12) - 6)
			}
		case 4:
			b.Rows = b.Rows[:len(b.Rows)*r.IntN(2)/2]
		case 5:
			b.How = b.How[:len(b.How)/2]
		case 6:
			s.Tokens--
		case 7:
			b.Pos = b.Pos[:len(b.Pos)-1]
		}
	}
	return p, b, s
}

// FuzzCheck: no batch that Check accepts indexes outside memory or mixes sequences
// up, by a judge that walks every row.
func FuzzCheck(f *testing.F) {
	for seed := range uint64(500) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, seed uint64) {
		p, b, s := muddled(rand.New(rand.NewPCG(seed, 1)))
		if err := b.Check(p, s); err != nil {
			return
		}
		if why := judge(p, b, s); why != "" {
			t.Errorf("accepted, but: %s\n%+v\npools %v, size %v", why, b, p.Pools, s)
		}
	})
}

// TestCheckAcceptsAndRefuses: the fuzzed batches are of both sorts, so that the
// fuzz test says something.
func TestCheckAcceptsAndRefuses(t *testing.T) {
	good, bad := 0, 0
	for seed := range uint64(2000) {
		p, b, s := muddled(rand.New(rand.NewPCG(seed, 1)))
		if b.Check(p, s) == nil {
			good++
		} else {
			bad++
		}
	}
	if good < 500 || bad < 500 {
		t.Errorf("%d batches accepted, %d refused", good, bad)
	}
}
