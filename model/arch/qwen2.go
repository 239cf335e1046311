package arch

// qwen2 is llama's block with biases on q, k and v, and rope's pairs half a rotation
// apart.
var qwen2 = architecture{
	name:  "qwen2",
	read:  (*reader).halves,
	build: preNorm("ffn_norm", turned),
}
