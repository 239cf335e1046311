package arch

import "eclat/model"

// exaone4 is EXAONE 4's block: norms after both branches alone, and norms of every head of
// queries and keys before rope, whose pairs are half a rotation apart. The model of 64
// layers has windows in three of four, and no rope in the others.
var exaone4 = architecture{
	name: "exaone4",
	read: func(r *reader) model.Config {
		c := r.halves()
		if c.NLayer != 64 {
			return c
		}
		w, windowed := r.window(0), r.windowed(c.NLayer, 4)
		eachLayer(&c, func(l int, k *model.Block) {
			if windowed[l] {
				k.Window = w
			} else {
				k.NoRope = true
			}
		})
		return c
	},
	build: postNorm(headsNormed),
}
