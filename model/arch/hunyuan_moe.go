package arch

import "eclat/model"

// hunyuanMoE is Hunyuan's block: llama's with rope's pairs half a rotation apart, a norm
// of every query and key head behind rope, and experts beside a shared one: softmax over
// all, the weights of those chosen add up to 1.
var hunyuanMoE = architecture{
	name: "hunyuan-moe",
	read: func(r *reader) model.Config {
		c := r.halves()
		c.Experts = r.experts(c.NFF, model.Routing{Norm: true})
		c.Experts.NFFShared = r.size("expert_shared_feed_forward_length", maxWidth)
		return c
	},
	build: preNorm("ffn_norm", normedLast),
}
