package rows

import (
	"errors"
	"fmt"
	"math"

	"eclat/loader/quant"
	"eclat/model/numerics"
)

// Format is how a row travels.
type Format uint8

// A row of cols elements in the order of their bytes:
//
//	F32   cols × float32, little endian
//	F16   cols × float16, little endian: each to nearest even
//	Q8_0  blocks of numerics.BlockLen elements, the last of what is left: a byte s, then
//	      an int8 q for each element, which is q·2^(s−60)
//
// A block of Q8_0 is rounded as numerics.RoundBlock rounds one, but to 8 bits:
//
//	e = max(−60, (exponent of the block's largest |x|) − 6)
//	q = x·2^-e, to the nearest integer, ties to even, and no further than −127 and 127
//
// Where the largest |x| is 2^(e+6) or more so is the largest |q·2^e|, whose exponent is the
// same; so a row that was rounded stays what it is. The name is that of the type of weights
// with the same blocks, whose scales are other numbers.
const (
	F32 Format = iota
	F16
	Q8_0
)

// Formats lists them all.
var Formats = []Format{F32, F16, Q8_0}

var names = [...]string{F32: "f32", F16: "f16", Q8_0: "q8_0"}

func (f Format) String() string {
	if int(f) < len(names) {
		return names[f]
	}
	return fmt.Sprintf("Format(%d)", uint8(f))
}

// Parse is the format of a name.
func Parse(name string) (Format, error) {
	for _, f := range Formats {
		if f.String() == name {
			return f, nil
		}
	}
	return F32, errNoFormat
}

// Bytes is the size of a row of cols elements.
func (f Format) Bytes(cols int) int {
	switch f {
	case F16:
		return 2 * cols
	case Q8_0:
		return numerics.Blocks(cols) + cols
	}
	return 4 * cols
}

var errNoFormat = errors.New("no format of rows: give f32, f16 or q8_0")

// ErrRange says that a row has a number that its format does not hold: a NaN, an infinity,
// and in F16 what would round beyond 65504.
var ErrRange = errors.New("a row does not fit its format")

// notHeld is ErrRange of an element.
func (f Format) notHeld(i, cols int, x float32) error {
	err := fmt.Errorf("%w: element %d of row %d is %g, which %v does not hold", ErrRange, i%cols, i/cols, x, f)
	if f == F16 && !math.IsInf(float64(x), 0) && x == x {
		err = fmt.Errorf("%w; q8_0 and f32 do", err)
	}
	return err
}

// lowest is the least exponent of a block of Q8_0: rows have no finer numbers than a row's
// rounding for a product has.
const lowest = -60

// highest is the largest: of the largest float32.
const highest = 127 - 6

// half rounds to float16; false where it does not hold x. Zero is +0.
func half(x float32) (uint16, bool) {
	if math.Float32bits(x)&0x7fffffff >= 0x477ff000 { // 65520, half way to what would be 65536
		return 0, false
	}
	h := numerics.Half(x)
	if h == 0x8000 {
		h = 0
	}
	return h, true
}

// block rounds up to numerics.BlockLen elements to q, and returns their exponent. Where one
// is not finite, at is which; else −1.
func block(q *[numerics.BlockLen]int8, x []float32) (e, at int) {
	var largest uint32
	for i, v := range x {
		a := math.Float32bits(v) & 0x7fffffff
		if a >= 0x7f800000 {
			return 0, i
		}
		largest = max(largest, a)
	}
	e = max(lowest, int(largest>>23)-127-6)
	inverse := power(-e)
	for i, v := range x { // the product is exact, or far below a half
		q[i] = int8(math.RoundToEven(float64(min(max(v*inverse, -127), 127))))
	}
	return e, -1
}

// blocks rounds the blocks of rows x one after the other: each is told by its first element
// in x, how many there are, their exponent and integers; x is not read there any more.
func (f Format) blocks(x []float32, cols int, each func(first, n, e int, q [numerics.BlockLen]int8)) error {
	var q [numerics.BlockLen]int8
	for row := 0; row < len(x); row += cols {
		for first := row; first < row+cols; first += numerics.BlockLen {
			end := min(first+numerics.BlockLen, row+cols)
			e, bad := block(&q, x[first:end])
			if bad >= 0 {
				return f.notHeld(first+bad, cols, x[first+bad])
			}
			each(first, end-first, e, q)
		}
	}
	return nil
}

// power is 2^e, of an exponent that a normal float32 has.
func power(e int) float32 { return math.Float32frombits(uint32(e+127) << 23) }

// Round appends to dst[:0] what arrives of rows x, (n, cols): x itself where that is all of
// it. dst and x may be the same memory. An error is ErrRange.
func (f Format) Round(dst, x []float32, cols int) ([]float32, error) {
	if f == F32 {
		return x, nil
	}
	if cols < 1 || len(x)%cols != 0 {
		return nil, fmt.Errorf("rows: %d numbers are no rows of %d", len(x), cols)
	}
	if cap(dst) < len(x) {
		dst = make([]float32, len(x))
	}
	dst = dst[:len(x)]
	if f == F16 {
		for i, v := range x {
			h, ok := half(v)
			if !ok {
				return nil, f.notHeld(i, cols, v)
			}
			dst[i] = quant.HalfToFloat(h)
		}
		return dst, nil
	}
	err := f.blocks(x, cols, func(first, n, e int, q [numerics.BlockLen]int8) {
		scale := power(e)
		for i, v := range q[:n] {
			dst[first+i] = float32(v) * scale
		}
	})
	if err != nil {
		return nil, err
	}
	return dst, nil
}
