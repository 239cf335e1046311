package arch

import "eclat/model"

// qwen2moe is llama's block with biases on q, k and v, rope's pairs half a rotation apart,
// and experts: softmax over all, the weights of those chosen as they are. A shared expert
// has a gate of its own.
var qwen2moe = architecture{
	name: "qwen2moe",
	read: func(r *reader) model.Config {
		c := r.halves()
		c.Experts = r.experts(r.expertWidth(c.NFF), model.Routing{})
		c.Experts.Gated = true
		c.Experts.NFFShared = r.sizeOr("expert_shared_feed_forward_length", maxWidth, c.NFF)
		return c
	},
	build: llama.build,
}
