package shaders

import (
	"fmt"
	"strings"

	"eclat/loader/quant"
)

// Grids returns the tables of the types that have one, as includes: names, from this
// folder, and texts. Package quant has the tables; go generate writes the files.
func Grids() map[string]string {
	files := map[string]string{}
	for _, t := range Types {
		name, points := quant.GridOf(t)
		if points == nil {
			continue
		}
		var b strings.Builder
		fmt.Fprintf(&b, "// Written by shaders/gen: the points of loader/quant/grids.txt, two a word.\n#define GRID %d\nconst uint grid_words[GRID] = uint[](", len(points)/2)
		for i := 0; i < len(points); i += 2 {
			switch {
			case i%16 == 0 && i > 0:
				b.WriteString(",\n    ")
			case i%16 == 0:
				b.WriteString("\n    ")
			default:
				b.WriteString(", ")
			}
			fmt.Fprintf(&b, "0x%08xu", uint32(points[i])|uint32(points[i+1])<<16)
		}
		b.WriteString(");\n")
		files["lib/grid_"+name+".glsl"] = b.String()
	}
	return files
}
