package arch

import "eclat/model"

// ernie4_5moe is llama's block with experts in every few layers behind the first: softmax
// over all, chosen with a bias where the file has one, the weights of those chosen add up
// to 1. A shared expert where its width is given.
var ernie4_5moe = architecture{
	name: "ernie4_5-moe",
	read: func(r *reader) model.Config {
		c := r.transformer()
		r.drafts(&c)
		c.Experts = r.experts(r.size("expert_feed_forward_length", maxWidth), model.Routing{Norm: true})
		if r.count("expert_shared_feed_forward_length") > 0 {
			c.Experts.NFFShared = r.size("expert_shared_feed_forward_length", maxWidth)
		}
		leading, step := r.count("leading_dense_block_count"), uint64(r.sizeOr("interleave_moe_layer_step", maxLayers, 1))
		denseAt(&c, func(l int) bool { return uint64(l) < leading || uint64(l+1)%step != 0 })
		return c
	},
	build: llama.build,
}
