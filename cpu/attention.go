package cpu

import (
	"eclat/cpu/kernel"
	"eclat/model"
	"eclat/model/numerics"
)

// attentionParts is one part a token and head of the keys: the query heads that share
// it read its keys and values together.
func attentionParts(p *program, s *step) int { return p.rows(s) * int(s.Arg[1]) }

// attentionPart computes the heads that share head g of the keys, for token i, over the
// positions t that it sees:
//
//	a[t] = softmax_t(scale · q·K[t]),  dst = Σ_t a[t]·V[t]
//
// in spans of the sequence's positions, as the definition has it (model/numerics).
func attentionPart(p *program, s *step, worker, part int) {
	nKV, dimK, dimV := int(s.Arg[1]), int(s.Arg[2]), int(s.Arg[3])
	heads := int(s.Arg[0]) / nKV
	i, g, t0, end := part/nKV, part%nKV, 0, p.position(part/nKV)+1
	if window := int(s.Arg[5]); window > 0 {
		t0 = max(0, end-window)
	}
	w := &p.b.scratch[worker]
	p.b.form.Queries(row(s.src[0], part, heads*dimK), heads, dimK, &w.Scratch)
	for h := range heads {
		w.top[h], w.sum[h] = 0, 0
	}
	for from := t0; from < end; {
		to := min(end, (from/kernel.Span+1)*kernel.Span)
		scoreSpan(p, s, w, i, g, from, to)
		mixSpan(p, s, w, i, g, from, to)
		for h := range heads {
			if from == t0 {
				copy(w.Out[h*dimV:][:dimV], w.Span[h*dimV:][:dimV])
				w.top[h], w.sum[h] = w.spanTop[h], w.spanSum[h]
			} else {
				w.merge(h, dimV)
			}
		}
		from = to
	}
	dst := row(s.dst, part, heads*dimV)
	for h := range heads {
		r := numerics.Recip(w.sum[h])
		for d, v := range w.Out[h*dimV:][:dimV] {
			dst[h*dimV+d] = numerics.Flush(float32(v * r))
		}
	}
}

// scoreSpan computes the scores of positions from … to−1, of one span, a page at a time.
func scoreSpan(p *program, s *step, w *worked, i, g, from, to int) {
	keys, heads, dim := s.kept[1], int(s.Arg[0]/s.Arg[1]), int(s.Arg[2])
	table := p.table(i, keys)
	for page := from / model.PageLen; page*model.PageLen < to; page++ {
		at := page * model.PageLen % kernel.Span
		p.b.form.Scores(w.Scores[at:], keys.from(table[page], g*dim*model.PageLen), heads, dim, s.scale, &w.Scratch)
	}
}

// mixSpan weighs the values of positions from … to−1, of one span, by their scores.
func mixSpan(p *program, s *step, w *worked, i, g, from, to int) {
	values, heads, dim := s.kept[2], int(s.Arg[0]/s.Arg[1]), int(s.Arg[3])
	table, stride := p.table(i, values), values.tensor.Cols
	p.b.form.Weights(w.Scores[from%kernel.Span:], to-from, heads, w.spanTop, w.spanSum)
	out := w.Span[:heads*dim]
	clear(out)
	for t := from; t < to; {
		at := t % model.PageLen
		n := min(model.PageLen-at, to-t)
		p.b.form.Mix(out, w.Scores[t%kernel.Span:], values.from(table[t/model.PageLen], at*stride+g*dim), n, stride, heads, dim, &w.Scratch)
		t += n
	}
	for d, v := range out {
		out[d] = numerics.Flush(v)
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
