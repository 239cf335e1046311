package arch

import "eclat/model"

// qwen3moe is qwen3's block with experts: softmax over all, the weights of those chosen
// add up to 1.
var qwen3moe = architecture{
	name: "qwen3moe",
	read: func(r *reader) model.Config {
		c := r.halves()
		c.Experts = r.experts(r.expertWidth(c.NFF), model.Routing{Norm: true})
		return c
	},
	build: qwen3.build,
}
