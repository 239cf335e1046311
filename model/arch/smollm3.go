package arch

import "eclat/model"

// smolLM3 is llama's block, but in every fourth layer positions are not turned into the
// heads. No key says so.
var smolLM3 = architecture{
	name: "smollm3",
	read: func(r *reader) model.Config {
		c := r.transformer()
		eachLayer(&c, func(l int, k *model.Block) { k.NoRope = (l+1)%4 == 0 })
		return c
	},
	build: preNorm("ffn_norm", turned),
}
