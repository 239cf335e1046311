package quant

import (
	"encoding/binary"
	"math"
	"slices"
)

// The types of 32 elements a block; their layouts stand at the functions that read them.
// Where all elements weigh the same, all but IQ4_NL are written at once, as the ggml library
// does it: to look for the step that loses least takes ten times as long, to lose a
// twentieth less.

// none is what is taken off elements where nothing is.
var none lanes

func encodeQ8_0(dst []byte, x, _ []float32) {
	var e eight
	eights(dst, x, nil, func(dst []byte, x, _ []float32) {
		var low, high, step lanes
		e.fill(x, nil)
		e.extent(&low, &high)
		for l := range step {
			step[l] = max(-low[l], high[l]) / 127
		}
		by := e.steps(dst, 34, &step)
		e.levels(&e.q, &none, &by, -127, 127, 0)
		for i := range len(x) / 32 {
			copy(dst[34*i+2:][:32], e.q[32*i:])
		}
	})
}

func encodeQ4_0(dst []byte, x, w []float32) {
	encodeSigned(dst, x, w, 8, firstsQ4)
}

func encodeQ5_0(dst []byte, x, w []float32) {
	encodeSigned(dst, x, w, 16, firstsQ5)
}

var (
	firstsQ4, firstsQ5 = spread(-9, -7, 16), spread(-17, -15, 16)
	firstsIQ4          = spread(-141, -113, 21)
	nearIQ4            = nearby(neighbours(1, 0)...)
)

// eight are up to eight blocks, which are searched side by side.
type eight struct {
	side
	x, w [256]float32 // of fewer blocks
	q    [256]byte
}

// steps writes the steps of the blocks of dst, halves, and returns the inverses of those.
func (e *eight) steps(dst []byte, size int, step *lanes) (by lanes) {
	for l := range min(8, len(dst)/size) {
		by[l] = inverse(putHalf(dst[size*l:], step[l]+0)) // never −0
	}
	return by
}

// block is the levels of a block.
func (e *eight) block(i int) *[32]byte { return (*[32]byte)(e.q[32*i:]) }

// fill takes in the blocks; one without weights above 0 has weights of 1.
func (e *eight) fill(x, w []float32) {
	if len(x) < 256 || w != nil {
		clear(e.x[copy(e.x[:], x):])
		x = e.x[:]
	}
	if w == nil {
		e.side.fill(x, nil)
		return
	}
	clear(e.w[copy(e.w[:], w):])
	for i := 0; i < 256; i += 32 {
		if weightsOf(e.w[:], i, 32) == nil {
			copy(e.w[i:i+32], ones[:])
		}
	}
	e.side.fill(x, e.w[:])
}

var ones = [32]float32(slices.Repeat([]float32{1}, 32))

// put writes the levels of a block, of four bits or of five, as there is room for.
func (e *eight) put(dst []byte, i int) {
	if len(dst) == 16 {
		putFours(dst, e.block(i))
	} else {
		putFives(dst, e.block(i))
	}
}

// eights calls encode for up to eight blocks at a time.
func eights(dst []byte, x, w []float32, encode func(dst []byte, x, w []float32)) {
	size := len(dst) / (len(x) / 32)
	for len(x) > 0 {
		n := min(len(x), 256)
		if w == nil {
			encode(dst[:n/32*size], x[:n], nil)
		} else {
			encode(dst[:n/32*size], x[:n], w[:n])
			w = w[n:]
		}
		dst, x = dst[n/32*size:], x[n:]
	}
}

// encodeSigned writes d and the levels, −half…half−1, from zero up.
func encodeSigned(dst []byte, x, w []float32, half int, firsts []lanes) {
	lo, hi := float32(-half), float32(half-1)
	size := len(dst) / (len(x) / 32)
	var e eight
	eights(dst, x, w, func(dst []byte, x, w []float32) {
		var step, low, high lanes
		e.fill(x, w)
		if w != nil {
			e.fit(&step, firsts, whole, lo, hi)
		} else {
			e.extent(&low, &high)
			for l := range step {
				if step[l] = high[l] / lo; -low[l] >= high[l] {
					step[l] = low[l] / lo
				}
			}
		}
		by := e.steps(dst, size, &step)
		e.levels(&e.q, &none, &by, lo, hi, half)
		for i := range len(x) / 32 {
			e.put(dst[size*i+2:size*(i+1)], i)
		}
	})
}

func encodeQ4_1(dst []byte, x, w []float32) {
	encodeRange(dst, x, w, 15, cuts15)
}

func encodeQ5_1(dst []byte, x, w []float32) {
	encodeRange(dst, x, w, 31, cuts31)
}

// encodeRange writes d and m and the levels, 0…top.
func encodeRange(dst []byte, x, w []float32, top float32, cuts []lanes) {
	size := len(dst) / (len(x) / 32)
	var e eight
	eights(dst, x, w, func(dst []byte, x, w []float32) {
		var step, low, high lanes
		e.fill(x, w)
		if w != nil {
			e.fitRange(&step, &low, cuts, top, false)
		} else {
			e.extent(&low, &high)
			for l := range step {
				step[l] = (high[l] - low[l]) / top
			}
		}
		by := e.steps(dst, size, &step)
		for i := range len(x) / 32 {
			low[i] = putHalf(dst[size*i+2:], low[i]+0) // never −0
		}
		e.levels(&e.q, &low, &by, 0, top, 0)
		for i := range len(x) / 32 {
			e.put(dst[size*i+4:size*(i+1)], i)
		}
	})
}

// putFours writes levels of four bits, the first 16 in the low nibbles.
func putFours(dst []byte, q *[32]byte) {
	for i := 0; i < 16; i += 8 {
		low, high := binary.LittleEndian.Uint64(q[i:]), binary.LittleEndian.Uint64(q[i+16:])
		binary.LittleEndian.PutUint64(dst[i:], low|high<<4) // no level has more bits
	}
}

// putFives writes levels of five bits: the fifth ones in 4 bytes, then the nibbles.
func putFives(dst []byte, q *[32]byte) {
	var four [32]byte
	for i := 0; i < 32; i += 8 {
		eight := binary.LittleEndian.Uint64(q[i:])
		dst[i/8] = byte(eight >> 4 & 0x0101010101010101 * 0x0102040810204080 >> 56) // the fifth bit of each byte, one beside the other
		binary.LittleEndian.PutUint64(four[i:], eight&nibblesOf8)
	}
	putFours(dst[4:], &four)
}

func encodeIQ4_NL(dst []byte, x, w []float32) {
	var e eight
	eights(dst, x, w, func(dst []byte, x, w []float32) {
		var step lanes
		e.fill(x, w)
		e.fit(&step, firstsIQ4, iq4nl, 0, 0)
		by := e.steps(dst, 18, &step)
		for i := range len(x) / 32 {
			nibblesIQ4(e.q[32*i:], x[32*i:][:32], by[i])
			putFours(dst[18*i+2:], e.block(i))
		}
	})
}

// nibblesIQ4 gives the nibbles whose values are nearest to x·inverse; where that is 0, zeros.
func nibblesIQ4(q []byte, x []float32, inverse float32) {
	for i, v := range x {
		q[i] = 0
		if inverse != 0 {
			q[i] = nearestIQ4NL(float32(v * inverse))
		}
	}
}

// nearestIQ4NL returns the nibble whose value is nearest to v.
func nearestIQ4NL(v float32) byte {
	if !(v > -127) { // or no number
		return 0
	}
	return nibblesIQ4NL[int(math.Ceil(2*float64(lesser(v, 127))))+256]
}

// nibblesIQ4NL has the nibble for v by ⌈2v⌉ + 256: between two values, a and b, the higher
// one where 2v > a + b.
var nibblesIQ4NL = func() (t [512]byte) {
	for at := range t {
		for i := range 15 {
			if at-256 > int(valuesIQ4NL[i])+int(valuesIQ4NL[i+1]) {
				t[at] = byte(i + 1)
			}
		}
	}
	return t
}()

// levelIQ4NL is the value nearest to v.
func levelIQ4NL(v float32) float32 { return float32(valuesIQ4NL[nearestIQ4NL(v)]) }

// encodeMXFP4 takes the exponent that brings the value farthest from zero to the last levels,
// or where elements have weights the best of the three round it.
func encodeMXFP4(dst []byte, x, w []float32) {
	var e eight
	eights(dst, x, w, func(dst []byte, x, w []float32) {
		var low, high, by lanes
		e.fill(x, w)
		e.extent(&low, &high)
		blocks := len(x) / 32
		var first, at [8]int
		for i := range blocks {
			first[i] = int(math.Float32bits(max(-low[i], high[i]))>>23) - 2 // the exponent and 125
		}
		var best [8]float64
		for _, more := range tries(w) {
			for i := range blocks {
				at[i] = min(max(first[i]+more, 1), 254)
				by[i] = math.Float32frombits(uint32(255-at[i]) << 23) // 2^(128 − at)
			}
			e.levelsFP4(&e.q, &by)
			for i := range blocks {
				if max(-low[i], high[i]) == 0 {
					continue
				}
				if w != nil {
					loss := lossFP4(x[32*i:][:32], weightsOf(w, 32*i, 32), e.block(i), at[i])
					if more > -1 && loss >= best[i] {
						continue
					}
					best[i] = loss
				}
				dst[17*i] = byte(at[i])
				putFours(dst[17*i+1:], e.block(i))
			}
		}
	})
}

// tries are how far exponents are looked for.
func tries(w []float32) []int {
	if w == nil {
		return []int{0}
	}
	return []int{-1, 0, 1}
}

// lossFP4 is what a block loses by an exponent; w is nil for weights of 1.
func lossFP4(x, w []float32, q *[32]byte, exponent int) (loss float64) {
	step := math.Ldexp(1, exponent-128)
	for i, v := range x {
		off, by := float64(v)-float64(valuesFP4[q[i]])*step, 1.0
		if w != nil {
			by = float64(w[i])
		}
		loss += by * off * off
	}
	return loss
}
