package arch

// phi3 is llama's block of Phi-3, Phi-4 and Phi-4-mini: q, k and v are rows of attn_qkv,
// gate and up of ffn_up; rope turns a part of each head, its pairs half of that apart.
// attention.sliding_window means nothing.
var phi3 = architecture{
	name:  "phi3",
	read:  (*reader).halves,
	build: preNorm("ffn_norm", turned),
}
