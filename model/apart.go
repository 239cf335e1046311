package model

import (
	"fmt"
	"maps"
	"slices"

	"eclat/loader/manifest"
	"eclat/loader/quant"
)

// Experts apart: the weights of experts are most of a model and each token reads few of
// them, so they may lie on another device than the rest of their layer. A plan is cut
// for it into pieces that run one after the other:
//
//	here:   … ── w                          w: what the experts' part begins with
//	apart:  w ── norm ── router ── route ── products ── combine ── y
//	here:   [w y] ── what the layer makes of both ── … ── the next w
//
// Nothing but w and y goes from one device to the other. What is cheap and follows from
// w, as the norm, is computed on both sides where both need it. Every step is the same
// step as before, on rows of the same bits, so the answer is the same.

// Piece is a part of a plan that was cut. A piece behind an apart one takes as its rows
// what that one was given, followed by what it made of it.
type Piece struct {
	Plan  *Plan
	Apart bool
	Of    []int // the step of the whole plan that each step is; −1 for those that take rows to pieces
	IDs   []ID  // of each tensor of the whole plan in this one; None where it has it not
}

// Cut is a plan in pieces, in the order of running: in turns here and apart. With the
// experts' part at the very beginning of a stage the first piece is apart.
type Cut struct {
	Pieces      []Piece
	Here, Apart *Plan // all that each device computes, for Load; Apart is nil where there is none
}

// CutExperts cuts a plan so that the experts of the layers that apart names are apart. A
// plan that more than the rows of one tensor would have to cross is an UnsupportedError.
func (p *Plan) CutExperts(apart func(layer int) bool) (*Cut, error) {
	c := &cutter{plan: p, producer: make([]int, len(p.Tensors))}
	for i := range c.producer {
		c.producer[i] = -1
	}
	for i := range p.Steps {
		c.producer[p.Steps[i].Dst] = i
	}
	for i := range p.Steps {
		s := &p.Steps[i]
		if s.Op != MatMulExperts || !apart(manifest.LayerOf(p.Tensors[s.Dst].Name)) {
			continue
		}
		route := c.producer[s.Src[2]]
		if slices.ContainsFunc(c.parts, func(x expertPart) bool { return x.route == route }) {
			continue
		}
		part, err := c.part(route)
		if err != nil {
			return nil, err
		}
		c.parts = append(c.parts, part)
	}
	return c.cut()
}

// HasExperts reports whether a plan has products with experts.
func (p *Plan) HasExperts() bool {
	return slices.ContainsFunc(p.Steps, func(s Step) bool { return s.Op == MatMulExperts })
}

type cutter struct {
	plan     *Plan
	producer []int // of each tensor the step that writes it, −1 for none
	parts    []expertPart
}

// expertPart is what is computed apart for one layer.
type expertPart struct {
	route int          // its step
	core  map[int]bool // steps from route to the sum of the experts, computed apart alone
	steps []int        // all that is computed apart
	w, y  ID
	end   int // the last of core
}

// rowwise reports whether a step's result follows from its sources alone, row by row.
func rowwise(op Op) bool {
	switch op {
	case RMSNorm, L2Norm, LayerNorm, MatMul, MatMulHeads, Act, SwiGLU, Add, Mul, Slice, Join, Route, Combine:
		return true
	}
	return false
}

// part finds what belongs to the experts that step route chooses.
func (c *cutter) part(route int) (expertPart, error) {
	p := c.plan
	x := expertPart{route: route, core: map[int]bool{route: true}, end: -1}
	for i := range p.Steps {
		if s := &p.Steps[i]; s.Op == Combine && s.Src[1] == p.Steps[route].Dst {
			x.end = i
		}
	}
	fail := func(why string) (expertPart, error) {
		return x, UnsupportedError{fmt.Errorf("%s: these experts cannot be computed on another device: %s", p.Tensors[p.Steps[route].Dst].Name, why)}
	}
	if x.end < 0 {
		return fail("nothing adds them up")
	}
	// The core is what follows from the route and leads to the sum.
	follows, leads := map[int]bool{route: true}, map[int]bool{x.end: true}
	for i := route + 1; i <= x.end; i++ {
		for _, id := range p.Steps[i].Src {
			follows[i] = follows[i] || follows[c.producer[id]] && c.producer[id] >= 0
		}
	}
	for i := x.end; i >= route; i-- {
		for _, id := range p.Steps[i].Src {
			if from := c.producer[id]; leads[i] && from >= 0 {
				leads[from] = true
			}
		}
	}
	for i := route; i <= x.end; i++ {
		if follows[i] && leads[i] {
			x.core[i] = true
		}
	}
	x.y = p.Steps[x.end].Dst
	for i := range p.Steps {
		for _, id := range p.Steps[i].Src {
			if from := c.producer[id]; !x.core[i] && from >= 0 && x.core[from] && id != x.y {
				return fail("more than their sum is read")
			}
		}
	}
	// What it reads is computed apart too, until all of it follows from one tensor.
	take := maps.Clone(x.core)
	for {
		in := c.inputs(take)
		if len(in) == 1 && c.alone(in[0], &x) {
			x.w = in[0]
			break
		}
		last := in[0]
		for _, id := range in {
			if c.producer[id] > c.producer[last] {
				last = id
			}
		}
		if i := c.producer[last]; i >= 0 && rowwise(p.Steps[i].Op) {
			take[i] = true
			continue
		}
		return fail("what they read does not follow from the rows of one tensor")
	}
	x.steps = slices.Sorted(maps.Keys(take))
	return x, nil
}

// inputs lists the activations that steps read and do not write.
func (c *cutter) inputs(steps map[int]bool) (in []ID) {
	for i := range steps {
		for _, id := range c.plan.Steps[i].Src {
			if k := c.plan.Tensors[id].Kind; (k == TokenRows || k == WantRows) && !steps[c.producer[id]] && !slices.Contains(in, id) {
				in = append(in, id)
			}
		}
	}
	return in
}

// alone reports whether nothing else that is computed up to w is read after it, by any
// but the steps of x's core.
func (c *cutter) alone(w ID, x *expertPart) bool {
	p, at := c.plan, c.producer[w]
	if at < 0 && w != p.Hidden || p.Tensors[w].Kind != TokenRows || p.Tensors[w].Type != quant.F32 {
		return false
	}
	for i := at + 1; i < len(p.Steps); i++ {
		for _, id := range p.Steps[i].Src {
			k := p.Tensors[id].Kind
			if !x.core[i] && (k == TokenRows || k == WantRows) && id != w && c.producer[id] <= at {
				return false
			}
		}
	}
	return true
}

// cut writes the pieces.
func (c *cutter) cut() (*Cut, error) {
	p, out := c.plan, &Cut{}
	core, away := map[int]bool{}, map[int]bool{}
	var results []ID
	before := -1
	for _, x := range c.parts {
		at := c.producer[x.w]
		if at <= before && (at >= 0 || before >= 0) {
			return nil, UnsupportedError{fmt.Errorf("%s: these experts cannot be computed on another device: they overlap with others", p.Tensors[x.y].Name)}
		}
		before = x.end
		results = append(results, x.w)
		for i := range x.core {
			core[i] = true
		}
		for _, i := range x.steps {
			away[i] = true
		}
	}
	if len(c.parts) == 0 {
		out.Here = p
		out.Pieces = []Piece{{Plan: p, Of: upTo[int](len(p.Steps)), IDs: upTo[ID](len(p.Tensors))}}
		return out, nil
	}
	need := c.needed(core, append(results, p.Result))
	var whole []int
	first := 0
	w, y := None, None
	add := func(end int, result ID) {
		var steps []int
		for i := first; i < end; i++ {
			if !core[i] && (need[i] || !away[i]) {
				steps = append(steps, i)
			}
		}
		whole, first = append(whole, steps...), end
		if len(steps) > 0 || y != None {
			out.Pieces = append(out.Pieces, c.write(steps, w, y, result))
		}
	}
	for _, x := range c.parts {
		add(c.producer[x.w]+1, x.w)
		piece := c.write(x.steps, x.w, None, x.y)
		piece.Apart = true
		out.Pieces = append(out.Pieces, piece)
		w, y = x.w, x.y
	}
	add(len(p.Steps), p.Result)
	out.Here = c.write(whole, p.Hidden, None, p.Result).Plan
	out.Apart = c.write(slices.Sorted(maps.Keys(away)), None, None, y).Plan
	return out, nil
}

// upTo is 0 … n−1.
func upTo[T ~int | ~int32](n int) []T {
	out := make([]T, n)
	for i := range out {
		out[i] = T(i)
	}
	return out
}

// needed tells which steps outside the core lead to the results or to memory: what is
// computed apart too and does not is left out here.
func (c *cutter) needed(core map[int]bool, results []ID) []bool {
	p := c.plan
	need := make([]bool, len(p.Steps))
	read := make([]bool, len(p.Tensors))
	for _, id := range results {
		read[id] = true
	}
	for i := len(p.Steps) - 1; i >= 0; i-- {
		s := &p.Steps[i]
		if core[i] || !read[s.Dst] && p.Tensors[s.Dst].Kind != Kept {
			continue
		}
		need[i] = true
		for _, id := range s.Src {
			read[id] = true
		}
	}
	return need
}

// write makes a plan of some steps. It takes the rows of w, or of w and y side by side;
// with neither those of the whole plan.
func (c *cutter) write(steps []int, w, y, result ID) Piece {
	p := c.plan
	out := Piece{Plan: &Plan{Pools: p.Pools, Axes: p.Axes, Hidden: None, Result: None}, IDs: make([]ID, len(p.Tensors))}
	for i := range out.IDs {
		out.IDs[i] = None
	}
	q := out.Plan
	local := func(id ID) ID {
		if out.IDs[id] == None {
			out.IDs[id] = ID(len(q.Tensors))
			q.Tensors = append(q.Tensors, p.Tensors[id])
		}
		return out.IDs[id]
	}
	switch {
	case y != None:
		a, b := p.Tensors[w].Cols, p.Tensors[y].Cols
		q.Hidden = ID(len(q.Tensors))
		q.Tensors = append(q.Tensors, Tensor{Name: "rows+experts", Kind: TokenRows, Type: quant.F32, Cols: a + b})
		for _, part := range []struct {
			id       ID
			first, n int
		}{{w, 0, a}, {y, a, b}} {
			if part.id != result && !slices.ContainsFunc(steps, func(i int) bool { return slices.Contains(p.Steps[i].Src, part.id) }) {
				continue
			}
			q.Steps = append(q.Steps, Step{Slice, local(part.id), []ID{q.Hidden}, [8]uint32{uint32(part.first), uint32(part.n), uint32(a + b)}})
			out.Of = append(out.Of, -1)
		}
	case w != None:
		q.Hidden = local(w)
	case p.Hidden != None && slices.ContainsFunc(steps, func(i int) bool { return slices.Contains(p.Steps[i].Src, p.Hidden) }):
		q.Hidden = local(p.Hidden)
	}
	for _, i := range steps {
		s := p.Steps[i]
		if s.Op == Embed {
			q.Vocab = p.Vocab
		}
		if s.Op == RoPE {
			q.Ropes = p.Ropes
		}
		src := make([]ID, len(s.Src))
		for j, id := range s.Src {
			src[j] = local(id)
		}
		q.Steps = append(q.Steps, Step{s.Op, local(s.Dst), src, s.Arg})
		out.Of = append(out.Of, i)
	}
	q.Result = local(result)
	return out
}
