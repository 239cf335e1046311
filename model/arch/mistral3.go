package arch

import "eclat/model"

// mistral3 is llama's block of Ministral 3 and Devstral 2, with queries that grow warmer:
// behind rope they are multiplied by 1 + s·ln(⌊position/L⌋ + 1), s being
// attention.temperature_scale and L rope.scaling.original_context_length.
var mistral3 = architecture{
	name: "mistral3",
	read: func(r *reader) model.Config {
		const key = "attention.temperature_scale"
		c := r.transformer()
		c.Rope.Warm, c.Rope.Every = r.warmth(key), c.Rope.OrigCtx
		if r.err == nil && c.Rope.Warm != 0 && c.Rope.Dims != c.HeadDimK {
			r.unsupported(key, "heads of %d of which rope turns %d are not supported", c.HeadDimK, c.Rope.Dims)
		}
		return c
	},
	build: preNorm("ffn_norm", turned),
}

// warmth reads how much warmer queries grow.
func (r *reader) warmth(key string) float64 {
	warm := r.float(key, 0)
	if r.err == nil && (warm < 0 || warm > 1000) {
		r.fail(key, "%g is not from 0 to 1000", warm)
	}
	return warm
}
