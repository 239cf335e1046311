package ref

import (
	"math"
	"slices"

	"eclat/model"
	"eclat/model/numerics"
)

// routing is what route needs: nothing is allocated in a run.
type routing struct {
	v, biased, scores, w [model.MaxExperts]float32
	order, groups, two   [model.MaxExperts]int
}

// route, by the definition: all experts in order, then those that the groups leave.
func route(p *program, s *model.Step) {
	used, groups, from := int(s.Arg[0]), int(s.Arg[4]), int(s.Arg[5])
	for i := range p.rows(s.Dst) {
		x := p.row(s.Src[0], i)
		r := &p.routing
		v := append(r.v[:0], x...)
		switch model.Gating(s.Arg[1]) {
		case model.SoftmaxAll:
			softmax(v, numerics.Sum)
		case model.SigmoidEach:
			for e := range v {
				v[e] = numerics.Flush(numerics.Sigmoid(x[e]))
			}
		}
		biased := append(r.biased[:0], v...)
		if len(s.Src) > 1 {
			for e, b := range p.weight(s.Src[1], 0, p.scratch) {
				biased[e] += b
			}
		}
		order := best(r.order[:0], biased)
		if groups > 1 {
			size := len(v) / groups
			scores := r.scores[:groups]
			for g := range scores {
				members := biased[g*size:][:size]
				two := best(r.two[:0], members)
				scores[g] = members[two[0]] + members[two[1]]
			}
			in := best(r.groups[:0], scores)[:from]
			order = slices.DeleteFunc(order, func(e int) bool { return !slices.Contains(in, e/size) })
		}
		w := r.w[:used]
		for j := range w {
			w[j] = v[order[j]]
		}
		switch {
		case model.Gating(s.Arg[1]) == model.SoftmaxChosen:
			softmax(w, inOrder)
		case s.Arg[2] != 0:
			sum := inOrder(w)
			if sum < model.RouteFloor {
				sum = model.RouteFloor
			}
			for j := range w {
				w[j] = numerics.Flush(float32(w[j] * numerics.Recip(sum)))
			}
		}
		dst := p.row(s.Dst, i)
		for j := range w {
			dst[j] = math.Float32frombits(uint32(order[j]))
			dst[used+j] = numerics.Flush(float32(w[j] * s.ArgFloat(3)))
		}
	}
}

// best lists the numbers' places in order, the greatest first, of equals the lower.
func best(order []int, x []float32) []int {
	for e := range x {
		order = append(order, e)
	}
	slices.SortStableFunc(order, func(a, b int) int {
		ra, rb := numerics.Rank(x[a]), numerics.Rank(x[b])
		switch {
		case ra > rb:
			return -1
		case ra < rb:
			return 1
		}
		return 0
	})
	return order
}

// softmax computes it in place; sum adds the shares.
func softmax(x []float32, sum func([]float32) float32) {
	top := float32(math.Inf(-1))
	for e, v := range x {
		x[e] = numerics.Flush(float32(v * math.Log2E))
		top = max(top, x[e])
	}
	top = float32(math.Ceil(float64(top)))
	for e, v := range x {
		x[e] = numerics.Weight(v, top)
	}
	r := numerics.Recip(sum(x))
	for e, v := range x {
		x[e] = numerics.Flush(float32(v * r))
	}
}

// inOrder adds one after the other.
func inOrder(x []float32) (sum float32) {
	for _, v := range x {
		sum += v
	}
	return sum
}

// expert is the j-th expert of row i of routes.
func (p *program) expert(routes model.ID, i, j int) int {
	return int(math.Float32bits(p.row(routes, i)[j]))
}

func matMulExperts(p *program, s *model.Step) {
	w, used := &p.plan.Tensors[s.Src[0]], p.plan.Tensors[s.Src[2]].Cols/2
	of, first, m := w.Rows/int(s.Arg[0]), int(s.Arg[1]), p.plan.Tensors[s.Dst].Cols/used
	for i := range p.rows(s.Dst) {
		x := p.row(s.Src[1], i)
		for e := range used {
			expert := p.expert(s.Src[2], i, e)
			if len(x) == w.Cols {
				p.rounded.Round(x)
			} else {
				p.rounded.Round(x[e*w.Cols:][:w.Cols])
			}
			dst := p.row(s.Dst, i)[e*m:][:m]
			for j := range dst {
				dst[j] = p.times(s.Src[0], expert*of+first+j)
			}
			if len(s.Src) > 3 {
				bias := p.weight(s.Src[3], expert, p.scratch)[first:]
				for j := range dst {
					dst[j] += bias[j]
				}
			}
		}
	}
}

// mulExperts is Mul by the factor of each expert.
func mulExperts(p *program, s *model.Step) {
	factors, used := p.weight(s.Src[1], 0, p.scratch), p.plan.Tensors[s.Src[2]].Cols/2
	for i := range p.rows(s.Dst) {
		x, dst := p.row(s.Src[0], i), p.row(s.Dst, i)
		m := len(dst) / used
		for j := range dst {
			dst[j] = numerics.Flush(float32(x[j] * factors[p.expert(s.Src[2], i, j/m)]))
		}
	}
}

func combine(p *program, s *model.Step) {
	used := p.plan.Tensors[s.Src[1]].Cols / 2
	for i := range p.rows(s.Dst) {
		x, dst, w := p.row(s.Src[0], i), p.row(s.Dst, i), p.row(s.Src[1], i)[used:]
		if len(s.Src) > 2 {
			scale, by := p.weight(s.Src[2], 0, p.scratch), p.routing.w[:used]
			for e := range by {
				by[e] = numerics.Flush(float32(w[e] * scale[p.expert(s.Src[1], i, e)]))
			}
			w = by
		}
		for j := range dst {
			var sum float32
			for e := range used {
				sum += float32(w[e] * x[e*len(dst)+j])
			}
			dst[j] = numerics.Flush(sum)
		}
	}
}
