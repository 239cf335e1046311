package rows

import (
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"eclat/loader/quant"
	"eclat/model/numerics"
)

var inf = float32(math.Inf(1))

// some is rows of all sizes of numbers: of one size mostly, with some far from it, and zeros.
func some(r *rand.Rand, n int) []float32 {
	x := make([]float32, n)
	size := math.Ldexp(1, r.IntN(14)-10)
	for i := range x {
		x[i] = float32(r.NormFloat64() * size)
		switch r.IntN(20) {
		case 0:
			x[i] = 0
		case 1:
			x[i] = float32(math.Ldexp(float64(x[i]), r.IntN(60)-70))
		case 2: // half way between two integers of a block
			x[i] = float32(math.Ldexp(float64(r.IntN(255)-127)+0.5, r.IntN(8)-12))
		}
	}
	return x
}

// TestRound: what arrives is what Round says, in every format and of every width; rounding
// twice is rounding once, and no element moves further than its format allows.
func TestRound(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, f := range Formats {
		for _, cols := range []int{1, 2, 31, 32, 33, 64, 100, 256} {
			for range 200 {
				x := some(r, 3*cols)
				b, err := f.Append([]byte("head"), x, cols)
				if err != nil || len(b) != 4+3*f.Bytes(cols) {
					t.Fatalf("%v, %d columns: %d bytes, %v", f, cols, len(b), err)
				}
				got, err := f.Read(nil, b[4:], cols)
				if err != nil {
					t.Fatal(err)
				}
				want, err := f.Round(nil, x, cols)
				if err != nil || !same(got, want) {
					t.Fatalf("%v, %d columns: %v, want %v; %v", f, cols, got, want, err)
				}
				if twice, err := f.Round(nil, want, cols); err != nil || !same(twice, want) {
					t.Fatalf("%v, %d columns: %v twice, %v once; %v", f, cols, twice, want, err)
				}
				if again, err := f.Append(nil, want, cols); err != nil || !slices.Equal(again, b[4:]) {
					t.Fatalf("%v, %d columns: other bytes of what was rounded; %v", f, cols, err)
				}
				for i := range x {
					if d, most := math.Abs(float64(want[i])-float64(x[i])), f.most(x, i, cols); d > most {
						t.Fatalf("%v, %d columns: %g became %g, may move by %g", f, cols, x[i], want[i], most)
					}
				}
				if in, err := f.Round(x, x, cols); err != nil || !same(in, want) {
					t.Fatalf("%v: in place: %v, want %v; %v", f, in, want, err)
				}
			}
		}
	}
}

// most is how far an element may move.
func (f Format) most(x []float32, i, cols int) float64 {
	switch f {
	case F16: // half of the last of 11 bits, or of 2^-24
		return max(math.Abs(float64(x[i]))*0x1p-11, 0x1p-25)
	case Q8_0: // half a step; a whole one of what would be 128
		first := i/cols*cols + i%cols/numerics.BlockLen*numerics.BlockLen
		largest := 0.
		for _, v := range x[first:min(first+numerics.BlockLen, (i/cols+1)*cols)] {
			largest = max(largest, math.Abs(float64(v)))
		}
		step := math.Ldexp(1, max(-60, math.Ilogb(max(largest, 0x1p-100))-6))
		if math.Abs(float64(x[i])) > 127*step {
			return step
		}
		return step / 2
	}
	return 0
}

func same(a, b []float32) bool {
	return slices.EqualFunc(a, b, func(x, y float32) bool { return math.Float32bits(x) == math.Float32bits(y) })
}

// TestRoundGiven: values that the definition gives, and the ends of the ranges.
func TestRoundGiven(t *testing.T) {
	for _, c := range []struct {
		f       Format
		x, want []float32
	}{
		{Q8_0, []float32{1, 0.01, -0.0079, 0.0078}, []float32{1, 0.015625, -0.015625, 0}},
		{Q8_0, []float32{1.999, -1.5, 0.0234375, 0.0390625}, []float32{1.984375, -1.5, 0.03125, 0.03125}}, // 127.9 is 127; ties to even
		{Q8_0, []float32{-math.MaxFloat32, 1}, []float32{-127 * 0x1p121, 0}},
		{Q8_0, []float32{0x1p-60, 0x1.8p-61, 0x1p-61, 0x1p-149}, []float32{0x1p-60, 0x1p-60, 0, 0}},
		{Q8_0, []float32{0, float32(math.Copysign(0, -1))}, []float32{0, 0}},
		{Q8_0, []float32{100000, 3}, []float32{100352, 0}},
		{F16, []float32{65519.996, -65504, 1.00048828125, 1.0009765625, 0x1p-25, -0x1p-26}, []float32{65504, -65504, 1, 1.0009765625, 0, 0}},
	} {
		got, err := c.f.Round(nil, c.x, len(c.x))
		if err != nil || !same(got, c.want) {
			t.Errorf("%v of %v: %v, want %v; %v", c.f, c.x, got, c.want, err)
		}
	}
	// Float16 is the one of package quant: each of its numbers stays.
	for h := range 1 << 16 {
		x := quant.HalfToFloat(uint16(h))
		if h&0x7c00 == 0x7c00 || h == 0x8000 {
			continue
		}
		if got, err := F16.Append(nil, []float32{x}, 1); err != nil || int(got[0])|int(got[1])<<8 != h {
			t.Fatalf("%g is %v, want %x; %v", x, got, h, err)
		}
	}
}

// TestNotHeld: what a format does not hold is refused on both sides, with a line that names it.
func TestNotHeld(t *testing.T) {
	nan := float32(math.NaN())
	for _, c := range []struct {
		f Format
		x float32
	}{{F16, 65520}, {F16, -1e9}, {F16, inf}, {F16, nan}, {Q8_0, nan}, {Q8_0, inf}, {Q8_0, -inf}} {
		x := make([]float32, 3*40)
		x[2*40+35] = c.x
		_, round := c.f.Round(nil, x, 40)
		_, wire := c.f.Append(nil, x, 40)
		for _, err := range []error{round, wire} {
			if !errors.Is(err, ErrRange) || !strings.Contains(err.Error(), "element 35 of row 2 is ") || strings.Contains(err.Error(), "\n") {
				t.Errorf("%v of %g: %v", c.f, c.x, err)
			}
		}
	}
	for name, c := range map[string]struct {
		f    Format
		b    []byte
		cols int
	}{
		"an infinity":           {F16, []byte{0, 0, 0, 0x7c}, 2},
		"a NaN":                 {F16, []byte{1, 0xfe, 0, 0}, 2},
		"a part of a row":       {F16, []byte{1, 2, 3, 4}, 3},
		"half a number":         {F16, []byte{1, 2, 3}, 1},
		"of blocks":             {Q8_0, make([]byte, 34), 32},
		"an exponent too large": {Q8_0, []byte{182, 1}, 1},
		"the last exponent":     {Q8_0, []byte{255, 1}, 1},
		"-128":                  {Q8_0, []byte{60, 0x80}, 1},
		"in the last block":     {Q8_0, append(make([]byte, 33), 60, 0x80), 33},
		"floats":                {F32, make([]byte, 6), 1},
		"no columns":            {Q8_0, make([]byte, 6), 0},
	} {
		if got, err := c.f.Read(nil, c.b, c.cols); err == nil {
			t.Errorf("%s: %v", name, got)
		}
	}
	if x, err := Q8_0.Read(nil, []byte{181, 127}, 1); err != nil || x[0] != 127*0x1p121 {
		t.Errorf("the largest: %v, %v", x, err)
	}
	if _, err := F16.Round(nil, make([]float32, 5), 2); err == nil {
		t.Error("two rows and a half")
	}
}

// TestParse: names are those of the formats.
func TestParse(t *testing.T) {
	for _, f := range Formats {
		if got, err := Parse(f.String()); err != nil || got != f {
			t.Errorf("%v: %v, %v", f, got, err)
		}
	}
	for _, s := range []string{"", "q8", "F16", "q8_0\n", strings.Repeat("x", 1000)} {
		if f, err := Parse(s); err == nil || len(err.Error()) > 100 {
			t.Errorf("%.20q: %v, %v", s, f, err)
		}
	}
}

// FuzzRead: whatever comes is refused or is rows that stay what they are.
func FuzzRead(f *testing.F) {
	for _, k := range Formats {
		b, _ := k.Append(nil, some(rand.New(rand.NewPCG(3, 4)), 80), 40)
		f.Add(uint8(k), 40, b)
	}
	f.Fuzz(func(t *testing.T, k uint8, cols int, b []byte) {
		if cols < 0 || cols > 1<<16 || int(k) >= len(Formats) {
			return
		}
		k2 := Formats[k]
		x, err := k2.Read(nil, b, cols)
		if err != nil || k2 == F32 {
			return
		}
		if got, err := k2.Round(nil, x, cols); err != nil || !slices.Equal(got, x) {
			t.Fatalf("%v of %d columns: %v became %v; %v", k2, cols, x, got, err)
		}
	})
}
