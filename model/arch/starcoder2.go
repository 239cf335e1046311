package arch

import "eclat/model"

// starcoder2 is llama's block with norms that subtract the mean, biases everywhere, rope's
// pairs half a rotation apart, and a feed-forward layer without a gate, down·gelu(up·x).
var starcoder2 = architecture{
	name:  "starcoder2",
	read:  func(r *reader) model.Config { return r.ungated(model.GELU) },
	build: preNorm("ffn_norm", turned),
}

// nemotron is starcoder2 with relu² in the place of gelu, and rope in a part of each head.
var nemotron = architecture{
	name:  "nemotron",
	read:  func(r *reader) model.Config { return r.ungated(model.ReLU2) },
	build: preNorm("ffn_norm", turned),
}

// ungated reads the configuration of both.
func (r *reader) ungated(act model.Activation) model.Config {
	c := r.halves()
	c.LayerNorm, c.RMSEps = true, r.epsilon("attention.layer_norm_epsilon")
	c.Act, c.Ungated = act, true
	return c
}
