package quant

import (
	_ "embed"
	"encoding/binary"
	"fmt"
	"math/bits"
	"strconv"
	"strings"
	"unsafe"
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
	gridIQ2XXS = points("iq2_xxs", levelsIQ2)
	gridIQ2XS  = points("iq2_xs", levelsIQ2)
	gridIQ2S   = points("iq2_s", levelsIQ2)
	gridIQ3XXS = points("iq3_xxs", []int8{4, 12, 20, 28, 36, 44, 52, 62})
	gridIQ3S   = points("iq3_s", []int8{1, 3, 5, 7, 9, 11, 13, 15})
	gridUp     = points("iq1", []int8{-7, 1, 9}) // −1, 0, 1 and an eighth, eight times
	gridDown   = points("iq1", []int8{-9, -1, 7})

	levelsIQ2 = []int8{8, 25, 43}
)

// points are those of a grid with the levels put in: a byte an element, the first the
// lowest. Eight elements are a word; where a point has four, the upper half is zero.
func points(name string, levels []int8) []uint64 {
	out, width := make([]uint64, len(grids[name])), 2 // bits that count a level
	if len(levels) > 4 {
		width = 4
	}
	for i, x := range grids[name] {
		for j := range 16 / width {
			out[i] |= uint64(uint8(levels[x>>(j*width)&(1<<width-1)])) << (8 * j)
		}
	}
	return out
}

// negative has ones in the bytes whose bits of a byte are set.
var negative = func() (m [256]uint64) {
	for s := range m {
		for j := range 8 {
			m[s] |= uint64(s>>j&1*0xff) << (8 * j)
		}
	}
	return m
}()

// eight writes elements at … at+7.
func (v *Ints) eight(at int, word uint64) {
	binary.LittleEndian.PutUint64(unsafe.Slice((*byte)(unsafe.Pointer(&v.Q[at : at+8][0])), 8), word)
}

// signed writes eight elements whose magnitudes are a word and whose signs are bits, set
// where negative. No magnitude is 0, so that no byte carries into the next.
func (v *Ints) signed(at int, word uint64, signs byte) {
	m := negative[signs]
	v.eight(at, word^m+m&0x0101010101010101)
}

// signs7 makes eight signs of the low seven bits: an even number of them is negative.
func signs7(x uint32) byte {
	s := byte(x & 127)
	return s | byte(bits.OnesCount8(s)&1)<<7
}
