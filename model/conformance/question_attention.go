package conformance

import (
	"fmt"
	"math"
	"slices"

	"eclat/loader/quant"
	"eclat/model"
)

// headDims are the sizes of heads that questions are about, and shares how many heads
// share keys in them.
var (
	headDims = []int{32, 64, 80, 128, 256}
	shares   = []int{1, 2, 4, 8}
)

// mixedShare is how many heads share keys where those are of another type than values.
const mixedShare = 2

// class returns the least of a rising list that is n or more, else the last.
func class(list []int, n int) int {
	for _, c := range list {
		if c >= n {
			return c
		}
	}
	return list[len(list)-1]
}

// AttentionQuestion names the question of keys turned and stored and of attention over
// them, for heads of dim elements of which share read the same keys; many: of prompts;
// keys, values: their types; rounded: the rows go to a product alone. What is not among the
// questions goes by the next larger, or the largest; float32 beside integers by float16; two
// types of which one is of integers by two heads that share keys; of floats the values by the keys, and what is rounded by keys of float16 that
// are turned by neighbours.
func AttentionQuestion(dim, share int, many bool, keys, values quant.Type, halves, rounded bool) string {
	ints := model.InBlocks(keys) || model.InBlocks(values)
	if ints {
		halves = false // they are turned before, not when stored
		for _, ty := range []*quant.Type{&keys, &values} {
			if !model.InBlocks(*ty) {
				*ty = quant.F16
			}
		}
		if keys != values {
			share = mixedShare
		}
	} else if rounded {
		keys, halves = quant.F16, false
	}
	if (ints || rounded) && class(headDims, dim)%32 != 0 {
		dim = 128
	}
	name := fmt.Sprintf("attention %d÷%d in %s", class(headDims, dim), class(shares, share), keys)
	if ints && keys != values {
		name += " and " + values.String()
	}
	if many {
		name += ", many"
	}
	if halves && keys != quant.F32 {
		name += ", halves"
	}
	if rounded {
		name += ", to a product"
	}
	return name
}

func attentionQuestion(dim, share int, many bool, keys, vals quant.Type, halves, rounded bool) *test {
	const vocab, cols = 61, 32
	n, lengths := 15, slices.Repeat([]int{15}, 18) // beyond the first span of 256 positions
	if many {
		n, lengths = 96, []int{40, 96, 96, 40}
	}
	kv := 2
	c := &test{opts: sized(n), room: model.Room{Chunk: n, Seqs: 2, Pages: 12}}
	c.weight("q_table", quant.F32, vocab, kv*share*dim)
	c.weight("x_table", quant.F32, vocab, cols)
	c.weight("k", quant.F32, kv*dim, cols) // a product, since backends turn and store what comes of one at once
	big := values(9, vocab*kv*dim, 1)
	for i := range big {
		if i%vocab == 5 {
			big[i] *= 1e5 // beyond float16
		}
	}
	c.tensor("v_table", quant.F32, vocab, kv*dim, big)
	c.build = func(b *model.Builder) model.ID {
		r := model.Rope{Scale: 1, Halves: halves}
		for j := range dim / 2 {
			r.Freq = append(r.Freq, math.Pow(10000, -2*float64(j)/float64(dim)))
		}
		rope := b.Rope(r)
		kc := b.Memory(model.Memory{Name: "k_cache", Per: model.Position, Type: keys, Cols: kv * dim})
		vc := b.Memory(model.Memory{Name: "v_cache", Per: model.Position, Type: vals, Cols: kv * dim})
		x := b.Embed("x", b.Weight("x_table", vocab, cols))
		q := b.RoPE("qr", b.Embed("q", b.Weight("q_table", vocab, kv*share*dim)), dim, rope)
		b.Store(kc, b.RoPE("kr", b.MatMul("kx", b.Weight("k", kv*dim, cols), x), dim, rope))
		b.Store(vc, b.Embed("v", b.Weight("v_table", vocab, kv*dim)))
		return c.attend(b, q, kc, vc, float32(1/math.Sqrt(float64(dim))))
	}
	c.sunk(heads{kv * share, kv, dim, dim}, 0, nil)
	if rounded {
		c.toProduct(kv * share * dim)
	}
	c.runs = acted(func(c *cast) []*model.Batch {
		runs := c.alone(0, lengths...)
		c.leave(0) // its pages are another's
		return append(runs, c.alone(1, n-1, 1)...)
	})
	return c
}

// SunkQuestion names the question of attention with a cap and with sinks, in float16.
func SunkQuestion(dim, share int, many bool) string {
	return AttentionQuestion(dim, share, many, quant.F16, quant.F16, false, false) + ", a cap, sinks"
}

func sunkQuestion(dim, share int, many bool) *test {
	c := attentionQuestion(dim, share, many, quant.F16, quant.F16, false, false)
	sinks := values(3, 2*share, 3)
	sinks[0] = -1e9
	c.sunk(heads{2 * share, 2, dim, dim}, 3, sinks)
	return c
}
