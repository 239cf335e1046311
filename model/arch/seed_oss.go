package arch

// seedOSS is llama's block with biases on q, k and v, rope's pairs half a rotation apart,
// and the norm before the feed-forward layer under the name post_attention_norm.
var seedOSS = architecture{
	name:  "seed_oss",
	read:  (*reader).halves,
	build: preNorm("post_attention_norm", turned),
}
