package arch

import "eclat/model"

// phi3 is llama's block of Phi-3, Phi-4 and Phi-4-mini: q, k and v are rows of attn_qkv,
// gate and up of ffn_up; rope turns a part of each head, its pairs half of that apart.
//
// Each pair's frequency has a divisor of rope_factors_long where the model is for more
// positions than rope.scaling.original_context_length, else of rope_factors_short: by what
// the file says and not by how long a context is in use, which would let a short answer
// depend on the room that a device has. attention.sliding_window means nothing.
var phi3 = architecture{
	name: "phi3",
	read: func(r *reader) model.Config {
		c := r.halves()
		name := "rope_factors_short.weight"
		if c.NCtx > c.Rope.OrigCtx {
			name = "rope_factors_long.weight"
		}
		if r.err == nil && r.file.Tensor(name) != nil {
			c.Rope.Factors = readFactors(r, name, c.Rope.Dims/2)
		}
		return c
	},
	build: preNorm("ffn_norm", turned),
}
