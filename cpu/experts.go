package cpu

import (
	"math"
	"unsafe"

	"eclat/cpu/kernel"
	"eclat/model"
	"eclat/model/numerics"
)

// routeRow chooses the experts of a row, one after the other: the greatest rank that is
// left.
func routeRow(p *program, s *step, _, i int) {
	used, groups, from := int(s.Arg[0]), int(s.Arg[4]), int(s.Arg[5])
	var values [model.MaxExperts]float32
	var ranks [model.MaxExperts]uint32
	x, dst := row(s.src[0], i, s.srcCols[0]), row(s.dst, i, s.dstCols)
	v, rank := values[:len(x)], ranks[:len(x)]
	switch model.Gating(s.Arg[1]) {
	case model.SoftmaxAll:
		shares(v, x)
		r := numerics.Recip(numerics.Sum(v))
		for e, p := range v {
			v[e] = numerics.Flush(float32(p * r))
		}
	case model.SigmoidEach:
		for e, l := range x {
			v[e] = numerics.Flush(numerics.Sigmoid(l))
		}
	default:
		copy(v, x)
	}
	biased := func(e int) float32 {
		if s.src[1] == nil {
			return v[e]
		}
		return v[e] + s.src[1][e]
	}
	for e := range rank {
		rank[e] = numerics.Rank(biased(e))
	}
	if groups > 1 {
		hideGroups(rank, groups, from, biased)
	}
	w := dst[used:]
	for j := range w {
		e := first(rank)
		rank[e] = 0
		dst[j], w[j] = math.Float32frombits(uint32(e)), v[e]
	}
	r, scale := float32(1), s.ArgFloat(3)
	switch {
	case model.Gating(s.Arg[1]) == model.SoftmaxChosen:
		shares(w, w)
		r = numerics.Recip(inOrder(w))
	case s.Arg[2] != 0:
		sum := inOrder(w)
		if sum < model.RouteFloor {
			sum = model.RouteFloor
		}
		r = numerics.Recip(sum)
	}
	for j, q := range w {
		w[j] = numerics.Flush(float32(numerics.Flush(float32(q*r)) * scale))
	}
}

// inOrder adds one after the other.
func inOrder(x []float32) (sum float32) {
	for _, v := range x {
		sum += v
	}
	return sum
}

// shares are what softmax divides by its sum: dst[e] = Weight(x[e]·log₂e, max). They may be
// the same.
func shares(dst, x []float32) {
	top := float32(math.Inf(-1))
	for e, v := range x {
		dst[e] = numerics.Flush(float32(v * math.Log2E))
		top = max(top, dst[e])
	}
	top = float32(math.Ceil(float64(top)))
	for e, v := range dst {
		dst[e] = numerics.Weight(v, top)
	}
}

// first is the place of the greatest rank, of equals the lower.
func first(rank []uint32) (at int) {
	for e, r := range rank {
		if r > rank[at] {
			at = e
		}
	}
	return at
}

// hideGroups makes the ranks of all groups but the best nothing.
func hideGroups(rank []uint32, groups, keep int, value func(int) float32) {
	var scores [model.MaxExperts]uint32
	size := len(rank) / groups
	for g := range groups {
		members := rank[g*size:][:size]
		a := first(members)
		was := members[a]
		members[a] = 0
		b := first(members)
		members[a] = was
		scores[g] = numerics.Rank(value(g*size+a) + value(g*size+b))
	}
	var kept [model.MaxExperts]bool
	for range keep {
		g := first(scores[:groups])
		scores[g], kept[g] = 0, true
	}
	for g := range groups {
		if !kept[g] {
			clear(rank[g*size:][:size])
		}
	}
}

// gathered is the rows of a product with experts, gathered by expert. A slot is a row and
// the place of an expert among those of the row: row·used + place.
type gathered struct {
	slots  []int32        // by expert; of an expert in order
	count  []int32        // of slots, by expert
	active []int32        // the experts that have any
	inputs []kernel.Input // of those, with their slots as To
}

// inputFloats is what an input takes but for its rows, in floats.
const inputFloats = int64(unsafe.Sizeof(kernel.Input{}) / 4)

func newGathered(slots, experts int) gathered {
	return gathered{
		slots: make([]int32, slots), count: make([]int32, experts),
		active: make([]int32, 0, experts), inputs: make([]kernel.Input, min(slots, experts)),
	}
}

// sort gathers the slots of n rows by their experts.
func (g *gathered) sort(routes []float32, n, used, experts int) {
	count := g.count[:experts]
	clear(count)
	for i := range n {
		for _, e := range routes[2*used*i:][:used] {
			count[math.Float32bits(e)]++
		}
	}
	g.active = g.active[:0]
	at := int32(0)
	for e, c := range count {
		if c > 0 {
			g.inputs[len(g.active)].To = g.slots[at : at : at+c]
			g.active = append(g.active, int32(e))
			at += c
		}
		count[e] = int32(len(g.active)) - 1 // from now on its place among those active
	}
	for i := range n {
		for j, e := range routes[2*used*i:][:used] {
			to := &g.inputs[count[math.Float32bits(e)]].To
			*to = append(*to, int32(i*used+j))
		}
	}
}

// gatherExperts rounds the rows of each expert, unless the product before has left them as
// they are needed. One row that all its experts share is rounded once.
func gatherExperts(p *program, s *step) error {
	g, n, used := &p.experts, p.rows(s), s.srcCols[2]/2
	if n == 0 {
		return nil
	}
	if p.rounded == s.Src[1] && p.routed == s.Src[2] && suits(p, s) {
		return nil
	}
	g.sort(s.src[2], n, used, int(s.Arg[0]))
	cols, mem := s.matrix.Dims[0], p.b.inputMem
	one := n == 1 && s.srcCols[1] == cols
	for a := range g.active {
		in := &g.inputs[a]
		if to := in.To; one && a > 0 {
			*in = g.inputs[0]
			in.To = to
		} else {
			p.b.form.Set(in, mem, s.matrix.Type, cols, len(to))
			in.To = to
			mem = mem[kernel.InputLen(cols, len(to)):]
		}
	}
	p.rounded, p.routed = s.Src[1], s.Src[2]
	if one {
		p.b.form.Round(&g.inputs[0], 0, s.src[1][:cols])
		return nil
	}
	return p.b.pool.run(len(g.active), s.round)
}

// suits reports whether the rows that are there serve a step's weight as well.
func suits(p *program, s *step) bool {
	for a := range p.experts.active {
		if in := &p.experts.inputs[a]; in.Cols != s.matrix.Dims[0] || !p.b.form.Suits(in, s.matrix.Type) {
			return false
		}
	}
	return true
}

// roundExpertsPart rounds the rows of an active expert.
func roundExpertsPart(p *program, s *step, part int) {
	in, used := &p.experts.inputs[part], s.srcCols[2]/2
	for i, slot := range in.To {
		if s.srcCols[1] == in.Cols {
			slot /= int32(used)
		}
		p.b.form.Round(in, i, row(s.src[1], int(slot), in.Cols))
	}
}

func matMulExpertsParts(p *program, s *step) int {
	if p.rows(s) == 0 {
		return 0
	}
	m := s.dstCols / (s.srcCols[2] / 2)
	return len(p.experts.active) * ((m + matRows - 1) / matRows)
}

// matMulExpertsPart multiplies some rows of the matrix of an active expert by its rows.
func matMulExpertsPart(p *program, s *step, worker, part int) {
	m := s.dstCols / (s.srcCols[2] / 2)
	blocks := (m + matRows - 1) / matRows
	in, e := &p.experts.inputs[part/blocks], int(p.experts.active[part/blocks])
	from := part % blocks * matRows
	to := min(from+matRows, m)
	w := &p.b.scratch[worker]
	of := s.matrix.Rows() / int(s.Arg[0])
	begin := e*of + int(s.Arg[1])
	w.expert = *s.matrix
	w.expert.Data = s.matrix.Data[begin*s.matrix.RowBytes:][:m*s.matrix.RowBytes]
	p.b.form.Product(in, &w.expert, from, to, s.dst, m, &w.Scratch)
	w.expert.Data = nil
	if s.src[3] == nil {
		return
	}
	bias := s.src[3][begin:][:m]
	for _, slot := range in.To {
		dst := row(s.dst, int(slot), m)
		for j := from; j < to; j++ {
			dst[j] += bias[j]
		}
	}
}

// mulExperts multiplies each expert's part of a row by the expert's factor.
func mulExperts(p *program, s *step) {
	used := s.srcCols[2] / 2
	m := s.dstCols / used
	for i := range p.rows(s) {
		for e, expert := range row(s.src[2], i, 2*used)[:used] {
			f := s.src[1][math.Float32bits(expert)]
			x, dst := row(s.src[0], i*used+e, m), row(s.dst, i*used+e, m)
			for j, v := range x {
				dst[j] = numerics.Flush(float32(v * f))
			}
		}
	}
}

// combineRow adds what the experts of a row made of it, each by its weight and its factor:
// in order, a part of the row after the other.
func combineRow(p *program, s *step, _, i int) {
	used := s.srcCols[1] / 2
	x, dst, r := row(s.src[0], i, s.srcCols[0]), row(s.dst, i, s.dstCols), row(s.src[1], i, 2*used)
	clear(dst)
	for e, f := range r[used:] {
		if s.src[2] != nil {
			f = numerics.Flush(float32(f * s.src[2][math.Float32bits(r[e])]))
		}
		for j, v := range row(x, e, len(dst)) {
			dst[j] += float32(f * v)
		}
	}
	for j, v := range dst {
		dst[j] = numerics.Flush(v)
	}
}
