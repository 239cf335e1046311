package lower

import "eclat/loader/quant"

// Kernels read weights in quads of 16 bytes. Q4_K and Q5_K blocks are whole quads
// and lie as in the file. The rows of the others are packed at upload:
//
//	F32, F16, BF16   padded with zeros to a quad
//	Q8_0, Q4_0, IQ4_NL  all qs of the row, then all d (halves), padded to a quad
//	Q6_K             the first 208 bytes of all blocks (ql, qh, scales), then all d, padded

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
	case quant.Q8_0, quant.Q4_0, quant.IQ4_NL:
		return planes(block, size, 2, size-2, 0)
	case quant.Q6_K:
		return planes(block, size, 0, 208, 208)
	}
	return nil
}

// planes packs a row of blocks as the n bytes at offset body of every block,
// then the two bytes d at offset half of every block.
func planes(block, size, body, n, half int) *Repack {
	rowBytes := func(cols int) int { return pad16(cols / block * (n + 2)) }
	return &Repack{
		RowBytes: rowBytes,
		Rows: func(dst, src []byte, rows, cols int) {
			blocks, to := cols/block, rowBytes(cols)
			for ; rows > 0; rows-- {
				ds := dst[blocks*n : to]
				for i := range blocks {
					b := src[i*size:][:size]
					copy(dst[i*n:], b[body:body+n])
					ds[2*i], ds[2*i+1] = b[half], b[half+1]
				}
				clear(ds[2*blocks:])
				dst, src = dst[to:], src[blocks*size:]
			}
		},
	}
}

func pad16(n int) int { return (n + 15) &^ 15 }
