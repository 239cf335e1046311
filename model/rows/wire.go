package rows

import (
	"encoding/binary"
	"fmt"
	"math"

	"eclat/loader/quant"
	"eclat/model/numerics"
)

// Append appends rows x, (n, cols), as bytes. An error is ErrRange; F32 holds everything.
func (f Format) Append(dst []byte, x []float32, cols int) ([]byte, error) {
	if f != F32 && (cols < 1 || len(x)%cols != 0) {
		return nil, fmt.Errorf("rows: %d numbers are no rows of %d", len(x), cols)
	}
	switch f {
	case F32:
		for _, v := range x {
			dst = binary.LittleEndian.AppendUint32(dst, math.Float32bits(v))
		}
	case F16:
		for i, v := range x {
			h, ok := half(v)
			if !ok {
				return nil, f.notHeld(i, cols, v)
			}
			dst = binary.LittleEndian.AppendUint16(dst, h)
		}
	case Q8_0:
		err := f.blocks(x, cols, func(_, n, e int, q [numerics.BlockLen]int8) {
			dst = append(dst, byte(e-lowest))
			for _, v := range q[:n] {
				dst = append(dst, byte(v))
			}
		})
		if err != nil {
			return nil, err
		}
	}
	return dst, nil
}

// Read reads rows of cols elements into dst's memory. What Append does not write is an
// error: a part of a row, and of other formats than F32 a number that is not finite.
func (f Format) Read(dst []float32, b []byte, cols int) ([]float32, error) {
	if cols < 1 || len(b)%f.Bytes(cols) != 0 {
		return nil, fmt.Errorf("%d bytes are no rows of %d elements in %v", len(b), cols, f)
	}
	n := len(b) / f.Bytes(cols) * cols
	if cap(dst) < n {
		dst = make([]float32, n)
	}
	dst = dst[:n]
	switch f {
	case F32:
		for i := range dst {
			dst[i] = math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:]))
		}
	case F16:
		for i := range dst {
			h := binary.LittleEndian.Uint16(b[2*i:])
			if h&0x7c00 == 0x7c00 {
				return nil, fmt.Errorf("%w: element %d of row %d is no finite number", ErrRange, i%cols, i/cols)
			}
			dst[i] = quant.HalfToFloat(h)
		}
	case Q8_0:
		for row := 0; row < n; row += cols {
			for first := row; first < row+cols; first += numerics.BlockLen {
				end := min(first+numerics.BlockLen, row+cols)
				e := int(b[0]) + lowest
				if e > highest {
					return nil, fmt.Errorf("%w: a block of row %d has the exponent %d, beyond %d", ErrRange, row/cols, e, highest)
				}
				scale := power(e)
				for i := range dst[first:end] {
					q := int8(b[1+i])
					if q == -128 {
						return nil, fmt.Errorf("%w: element %d of row %d is -128, below -127", ErrRange, first+i-row, row/cols)
					}
					dst[first+i] = float32(q) * scale
				}
				b = b[1+end-first:]
			}
		}
	}
	return dst, nil
}
