package arch

import "eclat/model"

// mistral4 is the block of Mistral Small 4, deepseek2's. Its rope is scaled by YaRN's factor
// relative to the one that rope.scaling.yarn_log_multiplier says.
var mistral4 = architecture{
	name: "mistral4",
	read: func(r *reader) model.Config {
		return r.latentExperts(func(ln, m float64) float64 { return (1 + float64(0.1*ln)) / (1 + float64(0.1*m*ln)) })
	},
	build: latentBlocks,
}
