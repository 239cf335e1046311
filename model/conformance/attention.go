package conformance

import (
	"fmt"
	"math"

	"eclat/loader/quant"
	"eclat/model"
)

// heads is a shape of attention.
type heads struct{ nHead, nHeadKV, dimK, dimV int }

// attentionTest stores k and v, projected from hidden rows of 32, and attends.
func attentionTest(h heads, tokens, pages int) *test {
	const cols = 32
	c := &test{tokens: tokens, pages: pages}
	c.weight("attn_q.weight", quant.F32, h.nHead*h.dimK, cols)
	c.weight("attn_k.weight", quant.F32, h.nHeadKV*h.dimK, cols)
	c.weight("attn_v.weight", quant.F32, h.nHeadKV*h.dimV, cols)
	c.build = func(b *model.Builder) model.ID {
		x := b.Receive("x", cols)
		kc, vc := b.Cache("k_cache", h.nHeadKV*h.dimK), b.Cache("v_cache", h.nHeadKV*h.dimV)
		q := b.MatMul("q", b.Weight("attn_q.weight", h.nHead*h.dimK, cols), x)
		b.Store(kc, b.MatMul("k", b.Weight("attn_k.weight", h.nHeadKV*h.dimK, cols), x))
		b.Store(vc, b.MatMul("v", b.Weight("attn_v.weight", h.nHeadKV*h.dimV, cols), x))
		return b.Attention("a", q, kc, vc, h.nHead, h.nHeadKV, float32(1/math.Sqrt(float64(h.dimK))))
	}
	return c
}

// attention fills contexts of awkward lengths over shuffled pages, by batches and
// then token by token.
func attention() (cases []*Case) {
	for _, h := range []heads{{4, 2, 128, 128}, {1, 1, 32, 32}, {8, 1, 64, 64}, {6, 3, 80, 80}, {4, 4, 96, 96}, {2, 1, 256, 256}, {3, 1, 64, 32}} {
		const pages = 5
		c := attentionTest(h, 65, pages)
		pos := 0
		for _, n := range []int{1, 1, 29, 1, 1, 64, 9, 1, 1} { // ends inside, at and past the edge of a page
			c.runs = append(c.runs, stream(pos, n, 32, shuffled(pages), uint64(pos+1)))
			pos += n
		}
		name := fmt.Sprintf("%d÷%d heads of %d,%d", h.nHead, h.nHeadKV, h.dimK, h.dimV)
		cases = append(cases, compared("attention", name, LimitQuant, c))
	}

	pages := model.Pages(4096)
	c := attentionTest(heads{1, 1, 64, 64}, 512, pages)
	for pos := 0; pos < 4096-512; pos += 512 {
		c.runs = append(c.runs, stream(pos, 512, 32, shuffled(pages), uint64(pos+1)))
	}
	c.runs = append(c.runs, stream(4096-512, 511, 32, shuffled(pages), 9), stream(4095, 1, 32, shuffled(pages), 10))
	long := compared("attention", "4096 positions", LimitQuant, c)
	long.Long = true

	// Keys and values beyond f16 are clamped, scores far apart do not overflow.
	c = attentionTest(heads{2, 1, 64, 64}, 4, 1)
	in := stream(0, 4, 32, []int32{0}, 3)
	for i := range in.Hidden {
		in.Hidden[i] *= 1e5
	}
	c.runs = []model.Inputs{in}
	return append(cases, long, compared("attention", "large", LimitQuant, c))
}

// sequences mixes tokens of several sequences, of different lengths, in one run.
func sequences() []*Case {
	c := attentionTest(heads{4, 2, 64, 64}, 16, 12)
	tables := [][]int32{{3, 1}, {0}, {7, 5, 11}}
	next := []int32{0, 0, 0}
	for run := range 9 {
		in := model.Inputs{Pages: tables}
		for i := range 12 {
			seq := (i*i + run) % 3
			if int(next[seq]) >= len(tables[seq])*model.PageLen {
				continue
			}
			in.Seq = append(in.Seq, int32(seq))
			in.Pos = append(in.Pos, next[seq])
			next[seq]++
		}
		in.Hidden = values(uint64(run), len(in.Pos)*32, 1)
		c.runs = append(c.runs, in)
	}
	return []*Case{compared("attention", "three sequences at once", LimitQuant, c)}
}
