package host

import (
	"encoding/binary"
	"sync/atomic"
)

// ReadRate measures how fast a number of threads together read main memory, in bytes a
// second. The buffer is far larger than any cache.
func ReadRate(threads int) (float64, error) {
	const size = 256 << 20 // bytes
	mem, err := Make[byte](1, size, "measuring")
	if err != nil {
		return 0, err
	}
	for i := 0; i < size; i += 4096 { // pages of zeros share one page of memory
		mem[i] = byte(i >> 12)
	}
	part := size / threads &^ 63
	var all atomic.Uint64 // what is read must be used
	return bestRate(threads, part, func(t int) { all.Add(sumWords(mem[part*t:][:part])) }), nil
}

// sumWords adds the words of x, whose length is a multiple of 64.
func sumWords(x []byte) uint64 {
	var a, b, c, d uint64
	for ; len(x) >= 64; x = x[64:] {
		a += binary.LittleEndian.Uint64(x) + binary.LittleEndian.Uint64(x[8:])
		b += binary.LittleEndian.Uint64(x[16:]) + binary.LittleEndian.Uint64(x[24:])
		c += binary.LittleEndian.Uint64(x[32:]) + binary.LittleEndian.Uint64(x[40:])
		d += binary.LittleEndian.Uint64(x[48:]) + binary.LittleEndian.Uint64(x[56:])
	}
	return a + b + c + d
}
