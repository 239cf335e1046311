package quant

import (
	"encoding/json"
	"math"
	"os"
	"testing"
)

// encodeInput returns n elements of a distribution that is written so that another
// language has the same: a small generator's numbers, four added and some made large.
func encodeInput(n int) []float32 {
	x, seed := make([]float32, n), uint32(1)
	draw := func() float64 { seed = seed*1664525 + 1013904223; return float64(seed>>8)/(1<<24) - 0.5 }
	for i := range x {
		v := draw() + draw() + draw() + draw()
		if i%61 == 0 {
			v *= 4
		}
		x[i] = float32(v * (1 + float64(i/256%7)) / 64)
	}
	return x
}

// loss is the root mean square of what encoding takes away.
func loss(t Type, x, w []float32) float64 {
	block, size := t.Block()
	b, y := make([]byte, len(x)/block*size), make([]float32, len(x))
	Encode(t, b, x, w)
	Decode(t, y, b)
	sum := 0.0
	for i := range x {
		sum += (float64(x[i]) - float64(y[i])) * (float64(x[i]) - float64(y[i]))
	}
	return math.Sqrt(sum / float64(len(x)))
}

// TestEncodeLoss: each type loses at most 2 % more than the ggml library does on the
// same elements. Its figures are in testdata/encode.json (testdata/oracle/encode.py).
func TestEncodeLoss(t *testing.T) {
	data, err := os.ReadFile("testdata/encode.json")
	if err != nil {
		t.Fatal(err)
	}
	var theirs map[string]float64
	if err := json.Unmarshal(data, &theirs); err != nil {
		t.Fatal(err)
	}
	x := encodeInput(1 << 16)
	for _, ty := range Encodable() {
		if ty == F32 || ty == F16 || ty == BF16 {
			continue
		}
		want, ok := theirs[ty.String()]
		if got := loss(ty, x, nil); !ok || !(got <= 1.02*want) {
			t.Errorf("%s: loses %.6g, the ggml library %.6g", ty, got, want)
		} else {
			t.Logf("%s: loses %.6g, the ggml library %.6g: %+.1f %%", ty, got, want, 100*(got/want-1))
		}
	}
}

// TestEncodeOdd: blocks of zeros, of one value, tiny and with weights of zero come
// out finite and no farther off than zeros would be.
func TestEncodeOdd(t *testing.T) {
	for _, ty := range Encodable() {
		for name, fill := range map[string]func(i int) float32{
			"zeros":    func(int) float32 { return 0 },
			"one":      func(int) float32 { return 0.75 },
			"negative": func(int) float32 { return -3 },
			"tiny":     func(i int) float32 { return float32(i) * 1e-42 },
			"a spike":  func(i int) float32 { return map[bool]float32{true: 1000}[i == 77] },
			"rising":   func(i int) float32 { return float32(i) - 100 },
		} {
			x, zero := make([]float32, 256), make([]float32, 256)
			sum := 0.0
			for i := range x {
				x[i] = fill(i)
				sum += float64(x[i]) * float64(x[i])
			}
			for _, w := range [][]float32{nil, zero} {
				if got := loss(ty, x, w); !(got <= math.Sqrt(sum/256)) {
					t.Errorf("%s, %s, weights %v: loses %g of %g", ty, name, w != nil, got, math.Sqrt(sum/256))
				}
			}
		}
	}
}

// TestEncodeWeights: elements that weigh more lose less.
func TestEncodeWeights(t *testing.T) {
	x := encodeInput(1 << 12)
	w := make([]float32, len(x))
	for i := range w {
		w[i] = float32(1 + i%4/3*99)
	}
	heavy := func(ty Type, w []float32) (sum float64) {
		block, size := ty.Block()
		b, y := make([]byte, len(x)/block*size), make([]float32, len(x))
		Encode(ty, b, x, w)
		Decode(ty, y, b)
		for i := 3; i < len(x); i += 4 {
			sum += math.Pow(float64(x[i])-float64(y[i]), 2)
		}
		return sum
	}
	for _, ty := range []Type{Q4_0, IQ4_NL, Q4_K, Q5_K, Q6_K} {
		if with, without := heavy(ty, w), heavy(ty, nil); with >= without {
			t.Errorf("%s: the heavy elements lose %g with weights, %g without", ty, with, without)
		}
	}
}

// TestEncodeAllocates: nothing, for any type, with weights or without.
func TestEncodeAllocates(t *testing.T) {
	x := encodeInput(1024)
	w := make([]float32, len(x))
	for i := range w {
		w[i] = float32(i)
	}
	for _, ty := range Encodable() {
		block, size := ty.Block()
		dst := make([]byte, len(x)/block*size)
		for _, w := range [][]float32{nil, w} {
			if n := testing.AllocsPerRun(10, func() { Encode(ty, dst, x, w) }); n != 0 {
				t.Errorf("%s, weights %v: %v allocations", ty, w != nil, n)
			}
		}
	}
}
