package cpu

import (
	"unsafe"

	"eclat/cpu/kernel"
	"eclat/model"
	"eclat/model/numerics"
)

// together is how many tokens make one part: those that see the same spans read their
// keys and values together.
const together = 4

// attentionParts is one part a few tokens and head of the keys: the query heads that share
// it read its keys and values together.
func attentionParts(p *program, s *step) int {
	return (p.rows(s) + together - 1) / together * int(s.Arg[1])
}

func attentionPart(p *program, s *step, worker, part int) {
	nKV := int(s.Arg[1])
	first := part / nKV * together
	for i, last := first, min(first+together, p.rows(s)); i < last; {
		n := 1
		for i+n < last && p.alike(s, i, i+n) {
			n++
		}
		attend(p, s, &p.b.scratch[worker], i, n, part%nKV)
		i += n
	}
}

// sees are the positions that token i sees: from t0 on, before end.
func (p *program) sees(s *step, i int) (t0, end int) {
	end = p.position(i) + 1
	switch window := int(s.Arg[5]); {
	case s.Arg[7] != 0:
		t0 = end - 1 - (end-1)%window
	case window > 0:
		t0 = max(0, end-window)
	}
	return t0, end
}

// alike reports that tokens i and j > i are of one sequence and see the same spans.
func (p *program) alike(s *step, i, j int) bool {
	t0, end := p.sees(s, i)
	u0, uend := p.sees(s, j)
	return p.seq[i] == p.seq[j] && t0/kernel.Span == u0/kernel.Span && (end-1)/kernel.Span == (uend-1)/kernel.Span
}

// attend computes the heads that share head g of the keys, for n tokens from token i on
// that are alike, each over the positions t that it sees:
//
//	a[t] = softmax_t(scale · q·K[t]),  dst = Σ_t a[t]·V[t]
//
// with the head's sink, where there is one, merged last; in spans of the sequence's positions, as the definition has it (model/numerics).
func attend(p *program, s *step, w *worked, i, n, g int) {
	nKV, dimK, dimV := int(s.Arg[1]), int(s.Arg[2]), int(s.Arg[3])
	heads := int(s.Arg[0]) / nKV
	for r := range n {
		p.b.form.Queries(row(s.src[0], (i+r)*nKV+g, heads*dimK), r*heads, heads, dimK, &w.Scratch)
	}
	t0, _ := p.sees(s, i)
	_, end := p.sees(s, i+n-1)
	for span := t0 / kernel.Span; span*kernel.Span < end; span++ {
		scoreSpan(p, s, w, i, n, g, span)
		mixSpan(p, s, w, i, n, g, span)
		if span == t0/kernel.Span {
			copy(w.Out[:n*heads*dimV], w.Span)
			copy(w.top, w.spanTop[:n*heads])
			copy(w.sum, w.spanSum[:n*heads])
			continue
		}
		for h := range n * heads {
			w.merge(h, dimV)
		}
	}
	for r := range n {
		dst := row(s.dst, (i+r)*nKV+g, heads*dimV)
		for h := range heads {
			sink := g*heads + h
			h += r * heads
			if s.src[3] != nil {
				w.sink(h, dimV, s.src[3][sink])
			}
			p.b.form.Scale(dst[h%heads*dimV:], w.Out[h*dimV:][:dimV], numerics.Recip(w.sum[h]))
		}
	}
}

// within are the positions of a span that token i sees.
func (p *program) within(s *step, i, span int) (from, to int) {
	t0, end := p.sees(s, i)
	return max(t0, span*kernel.Span), min(end, (span+1)*kernel.Span)
}

// scoreSpan computes the scores of n tokens from i on, a page at a time; some may be of
// positions that a token does not see.
func scoreSpan(p *program, s *step, w *worked, i, n, g, span int) {
	keys, heads, dim := s.kept[1], int(s.Arg[0]/s.Arg[1]), int(s.Arg[2])
	table := p.table(i, keys)
	from, _ := p.within(s, i, span)
	_, to := p.within(s, i+n-1, span)
	for page := from / model.PageLen; page*model.PageLen < to; page++ {
		at := page * model.PageLen % kernel.Span
		p.b.form.Scores(w.Scores[at:], keys.from(table[page], g*dim*model.PageLen), n*heads, dim, s.scale, &w.Scratch)
		if s.cap != 0 {
			for h := range n * heads {
				for t, v := range w.Scores[h*kernel.Span+at:][:model.PageLen] {
					w.Scores[h*kernel.Span+at+t] = numerics.Flush(float32(numerics.Tanh(v) * s.cap))
				}
			}
		}
	}
}

// mixSpan weighs the values of a span by the scores of n tokens from i on. What all of
// them see they read together; a value that one does not see may be no number, so it is
// not for a weight of zero either.
func mixSpan(p *program, s *step, w *worked, i, n, g, span int) {
	heads, dim := int(s.Arg[0]/s.Arg[1]), int(s.Arg[3])
	clear(w.Span[:n*heads*dim])
	_, end := p.within(s, i, span)       // the first sees least at the end
	begin, _ := p.within(s, i+n-1, span) // and the last at the beginning
	end = max(begin, end)
	for r := range n {
		from, to := p.within(s, i+r, span)
		p.b.form.Weights(w.Scores[r*heads*kernel.Span+from%kernel.Span:], to-from, heads, w.spanTop[r*heads:], w.spanSum[r*heads:])
		mix(p, s, w, i, r, 1, g, from, min(begin, to))
	}
	mix(p, s, w, i, 0, n, g, begin, end)
	for r := range n {
		_, to := p.within(s, i+r, span)
		mix(p, s, w, i, r, 1, g, end, to)
	}
	p.b.form.Scale(w.Span, w.Span[:n*heads*dim], 1)
}

// mix adds the values of positions from … to−1, of one span, to the sums of n tokens from
// token i+r on.
func mix(p *program, s *step, w *worked, i, r, n, g, from, to int) {
	values, heads, dim := s.kept[2], int(s.Arg[0]/s.Arg[1]), int(s.Arg[3])
	table := p.table(i, values)
	out, weights := w.Span[r*heads*dim:], w.Scores[r*heads*kernel.Span:]
	for t := from; t < to; {
		at := t % model.PageLen
		few := min(model.PageLen-at, to-t)
		v, stride := values.from(table[t/model.PageLen], at*values.tensor.Cols+g*dim), values.tensor.Cols
		if values.keys {
			v, stride = w.turn(values.from(table[t/model.PageLen], g*int(s.Arg[2])*model.PageLen), at, few, dim), dim
		}
		p.b.form.Mix(out, weights[t%kernel.Span:], v, few, stride, n*heads, dim, &w.Scratch)
		t += few
	}
}

// turn lays the first dim elements of n keys, (dim, Page), from position at of a page on, as
// values lie: (n, dim). Of integers it makes the floats that they stand for.
func (w *worked) turn(keys kernel.Kept, at, n, dim int) kernel.Kept {
	switch {
	case keys.Half != nil:
		half := unsafe.Slice((*uint16)(unsafe.Pointer(unsafe.SliceData(w.turned))), 2*len(w.turned))
		turnElements(half, keys.Half[at:], n, dim)
		return kernel.Kept{Half: half}
	case keys.Full != nil:
		turnElements(w.turned, keys.Full[at:], n, dim)
		return kernel.Kept{Full: w.turned}
	}
	for d := range dim {
		for t := range n {
			q := 0
			if keys.Four != nil {
				q = int(keys.Four[d/2*model.PageLen+at+t]>>(d%2*4)&15) - 8
			} else {
				q = int(int8(keys.Eight[d*model.PageLen+at+t]))
			}
			w.turned[t*dim+d] = numerics.Kept(int8(q), keys.Scales[d/numerics.BlockLen*model.PageLen+at+t])
		}
	}
	return kernel.Kept{Full: w.turned}
}

func turnElements[T uint16 | float32](dst, src []T, n, dim int) {
	for d := range dim {
		for t, v := range src[d*model.PageLen:][:n] {
			dst[t*dim+d] = v
		}
	}
}

// merge adds the span of head h to the spans before it.
func (w *worked) merge(h, dim int) {
	top, before, own := numerics.Merge(w.top[h], w.spanTop[h])
	w.top[h], w.sum[h] = top, float32(w.sum[h]*before)+float32(w.spanSum[h]*own)
	out := w.Out[h*dim:][:dim]
	for d, v := range w.Span[h*dim:][:dim] {
		out[d] = numerics.Flush(float32(out[d]*before) + float32(v*own))
	}
}

// sink adds a score without a value to head h.
func (w *worked) sink(h, dim int, x float32) {
	most, l := numerics.Sink(x)
	_, before, own := numerics.Merge(w.top[h], most)
	w.sum[h] = float32(w.sum[h]*before) + float32(l*own)
	out := w.Out[h*dim:][:dim]
	for d, v := range out {
		out[d] = numerics.Flush(float32(v * before))
	}
}
