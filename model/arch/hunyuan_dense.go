package arch

import (
	"eclat/model"
	"eclat/model/numerics"
)

// hunyuanDense is llama's block with norms of every head of queries and keys after rope,
// whose pairs are half a rotation apart. rope.scaling.alpha stretches its base θ to
// θ·alpha^(d/(d−2)), d being the elements of a head.
var hunyuanDense = architecture{
	name: "hunyuan-dense",
	read: func(r *reader) model.Config {
		const key = "rope.scaling.alpha"
		c := r.halves()
		alpha := r.float(key, 0)
		switch {
		case r.err != nil || alpha == 0:
		case alpha < 0 || alpha > 1e6 || c.HeadDimK <= 2:
			r.fail(key, "%g is not from 0 to 10^6, for heads of more than 2 elements", alpha)
		default:
			c.Rope.FreqBase *= numerics.Pow(alpha, float64(c.HeadDimK)/float64(c.HeadDimK-2))
		}
		return c
	},
	build: preNorm("ffn_norm", normedLast),
}
