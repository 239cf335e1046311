package quant

import (
	_ "embed"
	"fmt"
	"math/bits"
	"strconv"
	"strings"
)

// Types with a grid take four or eight elements at a time from a table of the points that
// weights are nearest to. The tables are facts of the format: grids.txt has them, once for
// the decoders here, the shaders (shaders/gen) and the oracle (testdata/oracle).
//
//go:embed grids.txt
var gridsText string

// grids are the tables by the names that grids.txt gives them. A point is 16 bits: eight
// elements of two bits, or four of four, the first the lowest; they count the levels from
// the lowest up.
var grids = func() map[string][]uint16 {
	m := map[string][]uint16{}
	var name string
	for line := range strings.Lines(gridsText) {
		words := strings.Fields(line)
		switch {
		case len(words) == 0 || words[0] == "#":
		case len(words) == 1:
			name = words[0]
		default:
			for _, w := range words {
				x, err := strconv.ParseUint(w, 16, 16)
				if err != nil {
					panic(fmt.Sprintf("quant: grids.txt: %v", err))
				}
				m[name] = append(m[name], uint16(x))
			}
		}
	}
	return m
}()

// GridOf returns the name of a type's grid, as shaders have it, and its points; none
// for a type without one.
func GridOf(t Type) (name string, points []uint16) {
	switch t {
	case IQ2_XXS, IQ2_XS, IQ2_S, IQ3_XXS, IQ3_S:
		name = strings.ToLower(t.String())
	case IQ1_S, IQ1_M:
		name = "iq1"
	}
	return name, grids[name]
}

var (
	gridIQ2XXS = points[[8]int8]("iq2_xxs", levelsIQ2)
	gridIQ2XS  = points[[8]int8]("iq2_xs", levelsIQ2)
	gridIQ2S   = points[[8]int8]("iq2_s", levelsIQ2)
	gridIQ3XXS = points[[4]int8]("iq3_xxs", []int8{4, 12, 20, 28, 36, 44, 52, 62})
	gridIQ3S   = points[[4]int8]("iq3_s", []int8{1, 3, 5, 7, 9, 11, 13, 15})
	gridIQ1    = points[[8]int8]("iq1", []int8{-1, 0, 1})

	levelsIQ2 = []int8{8, 25, 43}
)

// points are those of a grid with the levels put in.
func points[P [4]int8 | [8]int8](name string, levels []int8) []P {
	out := make([]P, len(grids[name]))
	for i, x := range grids[name] {
		width := 16 / len(out[i])
		for j := range len(out[i]) {
			out[i][j] = levels[x>>(j*width)&(1<<width-1)]
		}
	}
	return out
}

// signed reads elements at, at+1 … whose magnitudes are a point and whose signs are the
// low bits of signs, set where negative.
func (v *Ints) signed(at int, point []int8, signs byte) {
	for j, q := range point {
		m := -int8(signs >> j & 1) // −1 where negative: no branch, for signs are as chance has them
		v.Q[at+j] = (q ^ m) - m
	}
}

// signs7 makes eight signs of the low seven bits: an even number of them is negative.
func signs7(x uint32) byte {
	s := byte(x & 127)
	return s | byte(bits.OnesCount8(s)&1)<<7
}
