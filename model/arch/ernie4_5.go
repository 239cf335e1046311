package arch

// ernie4_5 is llama's block as it stands.
var ernie4_5 = architecture{
	name:  "ernie4_5",
	read:  (*reader).transformer,
	build: preNorm("ffn_norm", turned),
}
