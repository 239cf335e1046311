package lower

import (
	"encoding/binary"

	"eclat/loader/quant"
)

// Kernels read weights in quads of 16 bytes. Q4_K and Q5_K blocks are whole quads
// and lie as in the file. The rows of the others are packed at upload: floats are padded
// with zeros to a quad, of blocks first some bytes of all of them are put together, then
// others, each plane padded to a quad.

// plane is n bytes of each block, from byte at on.
type plane struct{ at, n int }

// planesOf are the planes of each type's rows.
var planesOf = map[quant.Type][]plane{
	quant.Q8_0:    {{2, 32}, {0, 2}},
	quant.Q4_0:    {{2, 16}, {0, 2}},
	quant.Q4_1:    {{4, 16}, {0, 4}},
	quant.Q5_0:    {{6, 16}, {2, 4}, {0, 2}},
	quant.Q5_1:    {{8, 16}, {4, 4}, {0, 4}},
	quant.Q2_K:    {{0, 80}, {80, 4}},
	quant.Q3_K:    {{0, 96}, {96, 8}, {104, 4}, {108, 2}},
	quant.Q6_K:    {{0, 208}, {208, 2}},
	quant.IQ4_NL:  {{2, 16}, {0, 2}},
	quant.IQ4_XS:  {{8, 128}, {0, 8}},
	quant.MXFP4:   {{1, 16}, {0, 1}},
	quant.NVFP4:   {{4, 32}, {0, 4}},
	quant.Q1_0:    {{2, 16}, {0, 2}},
	quant.Q2_0:    {{2, 16}, {0, 2}},
	quant.TQ1_0:   {{0, 48}, {48, 4}, {52, 2}},
	quant.TQ2_0:   {{0, 64}, {64, 2}},
	quant.IQ2_XXS: {{2, 64}, {0, 2}},
	quant.IQ2_XS:  {{2, 64}, {66, 8}, {0, 2}},
	quant.IQ2_S:   {{2, 80}, {0, 2}},
	quant.IQ3_XXS: {{2, 96}, {0, 2}},
	quant.IQ3_S:   {{2, 64}, {66, 8}, {74, 32}, {106, 4}, {0, 2}},
	quant.IQ1_S:   {{2, 48}, {0, 2}},
	quant.IQ1_M:   {{0, 48}, {48, 8}},
}

// Repack returns the device layout of a weight type, nil for the file's own.
func (k *Kernels) Repack(t quant.Type) *Repack {
	block, size := t.Block()
	switch t {
	case quant.F32, quant.F16, quant.BF16:
		return &Repack{
			RowBytes: func(cols int) int { return pad16(cols * size) },
			Rows: func(dst, src []byte, rows, cols int) {
				for from, to := cols*size, pad16(cols*size); rows > 0; rows-- {
					clear(dst[copy(dst[:to], src[:from]):to])
					dst, src = dst[to:], src[from:]
				}
			},
		}
	}
	if list := planesOf[t]; list != nil {
		return planes(block, size, list)
	}
	return nil
}

// TableBytes is how long the table is that lies behind the rows of each part of a weight of
// a type with a grid: whole quads; 0 for another type.
func TableBytes(t quant.Type) int {
	_, points := quant.GridOf(t)
	return 2 * len(points)
}

// PutTable writes it to dst.
func PutTable(dst []byte, t quant.Type) {
	_, points := quant.GridOf(t)
	for i, x := range points {
		binary.LittleEndian.PutUint16(dst[2*i:], x)
	}
}

// planes packs a row of blocks of so many elements and bytes.
func planes(block, size int, list []plane) *Repack {
	rowBytes := func(cols int) (all int) {
		for _, p := range list {
			all += pad16(cols / block * p.n)
		}
		return all
	}
	return &Repack{
		RowBytes: rowBytes,
		Rows: func(dst, src []byte, rows, cols int) {
			blocks := cols / block
			for ; rows > 0; rows-- {
				for _, p := range list {
					to := dst[:pad16(blocks*p.n)]
					for i := range blocks {
						copy(to[i*p.n:][:p.n], src[i*size+p.at:])
					}
					clear(to[blocks*p.n:])
					dst = dst[len(to):]
				}
				src = src[blocks*size:]
			}
		},
	}
}

func pad16(n int) int { return (n + 15) &^ 15 }
