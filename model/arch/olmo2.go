package arch

import "eclat/model"

// olmo2 is the block of OLMo 2 and 3: norms after both branches alone, and norms of the
// whole rows of queries and of keys before rope, whose pairs are half a rotation apart.
// OLMo 3 has windows in three of four layers, and there rope without the scaling that
// the others have.
var olmo2 = architecture{
	name: "olmo2",
	read: func(r *reader) model.Config {
		c := r.halves()
		if !r.has("attention.sliding_window") {
			return c
		}
		w, windowed := r.window(0), r.windowed(c.NLayer, 4)
		eachLayer(&c, func(l int, k *model.Block) {
			if windowed[l] {
				k.Window, k.Rope = w, k.Rope.Unscaled()
			}
		})
		return c
	},
	build: postNorm(rowsNormed),
}
