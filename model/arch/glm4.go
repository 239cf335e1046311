package arch

// glm4 is GLM-4's block: norms before and after both branches, biases on q, k and v, gate
// and up as rows of ffn_up, and rope of neighbours in the first half of each head.
var glm4 = architecture{
	name:  "glm4",
	read:  (*reader).transformer,
	build: sandwich(turned),
}
