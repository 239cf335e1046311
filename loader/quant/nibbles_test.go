package quant_test

import (
	"slices"
	"testing"

	"eclat/loader/quant"
)

func TestPackNibbles(t *testing.T) {
	q := []byte{1, 3, 2, 4, 0x30, 0xf5, 15, 6} // of more than four bits the others are not taken
	for _, c := range []struct {
		half int
		want []byte
	}{
		{1, []byte{0x31, 0x42, 0x50, 0x6f}},
		{2, []byte{0x21, 0x43, 0xf0, 0x65}},
		{4, []byte{0x01, 0x53, 0xf2, 0x64}},
	} {
		got := []byte{9, 9, 9, 9}
		if quant.PackNibbles(got, q, c.half); !slices.Equal(got, c.want) {
			t.Errorf("runs of %d: %x, want %x", 2*c.half, got, c.want)
		}
	}
}
