package quant_test

import (
	"math"
	"testing"

	"eclat/loader/quant"
)

// halfValue is the definition of IEEE 754 binary16 in float64, NaN aside.
func halfValue(h uint16) float64 {
	sign, exp, frac := 1-2*float64(h>>15), int(h>>10&31), float64(h&1023)
	switch exp {
	case 0:
		return sign * math.Ldexp(frac, -24)
	case 31:
		return sign * math.Inf(1)
	}
	return sign * math.Ldexp(1024+frac, exp-25)
}

func isNaNHalf(h uint16) bool { return h&0x7fff > 0x7c00 }

func TestHalfToFloat(t *testing.T) {
	for i := range 1 << 16 {
		h := uint16(i)
		got, want := quant.HalfToFloat(h), halfValue(h)
		if isNaNHalf(h) {
			if got == got {
				t.Errorf("half %#04x is %g, not NaN", h, got)
			}
			continue
		}
		if float64(got) != want || math.Signbit(float64(got)) != math.Signbit(want) {
			t.Errorf("half %#04x is %g, not %g", h, got, want)
		}
	}
}

func TestFloatToHalfRoundTrip(t *testing.T) {
	for i := range 1 << 16 {
		h := uint16(i)
		got := quant.FloatToHalf(quant.HalfToFloat(h))
		if isNaNHalf(h) {
			if !isNaNHalf(got) || got>>15 != h>>15 {
				t.Errorf("NaN %#04x comes back as %#04x", h, got)
			}
		} else if got != h {
			t.Errorf("half %#04x comes back as %#04x", h, got)
		}
	}
}

// TestFloatToHalfRounding walks all neighbouring halves of both signs: the
// float32 midway between two goes to the even one, those next to it to the nearer.
// The last pair is 65504 and what would be 65536: the latter is infinity.
func TestFloatToHalfRounding(t *testing.T) {
	for lo := uint16(0); lo < 0x7c00; lo++ {
		hi := lo + 1
		above := halfValue(hi)
		if hi == 0x7c00 {
			above = 65536
		}
		mid := float32((halfValue(lo) + above) / 2) // exact: one bit more than a half has
		even := lo + lo&1
		for _, c := range []struct {
			f    float32
			want uint16
		}{
			{math.Nextafter32(mid, 0), lo},
			{mid, even},
			{math.Nextafter32(mid, 1e6), hi},
		} {
			if got := quant.FloatToHalf(c.f); got != c.want {
				t.Errorf("%g, between halves %#04x and %#04x, became %#04x instead of %#04x", c.f, lo, hi, got, c.want)
			}
			if got := quant.FloatToHalf(-c.f); got != c.want|0x8000 {
				t.Errorf("%g became %#04x instead of %#04x", -c.f, got, c.want|0x8000)
			}
		}
	}
}

func TestFloatToHalfExtremes(t *testing.T) {
	for _, c := range []struct {
		name string
		bits uint32 // of the float32
		want uint16
	}{
		{"largest half", 0x477fe000, 0x7bff},
		{"65536", 0x47800000, 0x7c00},
		{"largest float32", 0x7f7fffff, 0x7c00},
		{"infinity", 0x7f800000, 0x7c00},
		{"-infinity", 0xff800000, 0xfc00},
		{"smallest float32", 0x00000001, 0x0000},
		{"-0", 0x80000000, 0x8000},
		{"quiet NaN", 0x7fc00000, 0x7e00},
		{"signalling NaN, low bit", 0x7f800001, 0x7e00},
		{"-NaN", 0xffc00000, 0xfe00},
	} {
		if got := quant.FloatToHalf(math.Float32frombits(c.bits)); got != c.want {
			t.Errorf("%s: %#04x, want %#04x", c.name, got, c.want)
		}
	}
}
