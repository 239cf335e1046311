package numerics

import "math"

// BlockLen is how many elements of a row share a power of two.
const BlockLen = 32

// Least is the smallest magnitude but zero that a step writes.
const Least = 0x1p-40

// Flush returns x, or +0 where |x| < Least.
func Flush(x float32) float32 {
	if math.Float32bits(x)&0x7fffffff < (127-40)<<23 {
		return 0
	}
	return x
}

// nan is the power of two of a block that has no number for an element.
var nan = math.Float32frombits(0x7fc00000)

// RoundBlock rounds up to BlockLen elements: x[i] ≈ m[i]·scale, scale a power of two,
// |m[i]| ≤ 16384, sum = Σm. Elements of m beyond x become 0. A NaN or an infinity in
// x makes scale NaN and m zero.
func RoundBlock(m []int16, x []float32) (scale float32, sum int32) {
	var largest uint32
	for _, v := range x {
		largest = max(largest, math.Float32bits(v)&0x7fffffff)
	}
	clear(m[:BlockLen])
	exp := max(largest>>23, 127+13-60) // biased
	if exp == 255 {
		return nan, 0
	}
	scale = math.Float32frombits((exp - 13) << 23)
	inverse := math.Float32frombits((267 - exp) << 23)
	for i, v := range x {
		q := int32(math.RoundToEven(float64(v * inverse)))
		m[i] = int16(q)
		sum += q
	}
	return scale, sum
}

// Blocks is how many blocks a row of cols elements has; the last may be short.
func Blocks(cols int) int { return (cols + BlockLen - 1) / BlockLen }

// Row is a row of activations as products see it.
type Row struct {
	M     []int16   // (Blocks·BlockLen) integers
	Scale []float32 // (Blocks) 2^e
	Sum   []int32   // (Blocks) Σm
}

// NewRow returns a row of cols elements.
func NewRow(cols int) Row {
	n := Blocks(cols)
	return Row{make([]int16, n*BlockLen), make([]float32, n), make([]int32, n)}
}

// Round rounds x, which has as many blocks as the row or fewer.
func (r *Row) Round(x []float32) {
	for b := range Blocks(len(x)) {
		end := min(len(x), (b+1)*BlockLen)
		r.Scale[b], r.Sum[b] = RoundBlock(r.M[b*BlockLen:], x[b*BlockLen:end])
	}
}

// At returns the rounded element k as a float: exact.
func (r *Row) At(k int) float32 { return float32(float32(r.M[k]) * r.Scale[k/BlockLen]) }
