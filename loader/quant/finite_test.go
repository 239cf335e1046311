package quant_test

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"

	"eclat/loader/quant"
)

// TestNotFinite: whatever the bits of a block, it has a NaN or an infinity if one of
// its elements decodes to one; the first such block of many is named.
func TestNotFinite(t *testing.T) {
	r := rand.NewPCG(1, 2)
	for _, ty := range quant.Decodable() {
		elems, size := ty.Block()
		seen := map[string]int{}
		for range 20000 / elems * 20 {
			n := 1 + int(r.Uint64()%5)
			src := make([]byte, n*size)
			for i := range src {
				src[i] = byte(r.Uint64())
			}
			if r.Uint64()%2 == 0 { // a half or the upper end of a float is often enough one
				binary.LittleEndian.PutUint16(src[len(src)-2:], 0x7f80|uint16(r.Uint64()))
			}
			x := make([]float32, n*elems)
			quant.Decode(ty, x, src)
			want := -1
			for i, v := range x {
				if v-v != 0 {
					want = i / elems
					break
				}
			}
			got, what, value := quant.NotFinite(ty, src)
			if got != want || (got < 0) != (what == "") || (got < 0) != (value-value == 0) {
				t.Fatalf("%s: block %d, its %s is %v; want block %d of % x", ty, got, what, value, want, src)
			}
			seen[what]++
		}
		if ty == quant.NVFP4 && len(seen) == 1 { // none of its scales is such
			continue
		}
		if len(seen) < 2 || seen[""] == 0 {
			t.Errorf("%s: %v", ty, seen)
		}
	}
}
