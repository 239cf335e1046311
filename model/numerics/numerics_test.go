package numerics

import (
	"math"
	"math/rand/v2"
	"testing"
)

// TestFunctions holds each function against float64 over a million inputs and the
// whole domain's exponents: the limits are what the doc comments promise.
func TestFunctions(t *testing.T) {
	for _, c := range []struct {
		name     string
		got      func(float32) float32
		want     func(float64) float64
		lo, hi   float64 // of the magnitude, as powers of two
		signed   bool
		relative float64
		absolute float64
	}{
		{"Exp2", Exp2, math.Exp2, -30, 6.9, true, 2.5e-7, 0},
		{"Recip", Recip, func(x float64) float64 { return 1 / x }, -101, 101, false, 1.5e-7, 0},
		{"RSqrt", RSqrt, func(x float64) float64 { return 1 / math.Sqrt(x) }, -120, 127, false, 1.5e-7, 0},
		{"Sigmoid", Sigmoid, func(x float64) float64 { return 1 / (1 + math.Exp(-x)) }, -30, 5, true, 5e-6, 0},
		{"SiLU", SiLU, func(x float64) float64 { return x / (1 + math.Exp(-x)) }, -30, 5, true, 5e-6, Least},
		{"Cap", func(x float32) float32 { return Cap(x, 30, Inverse(30)) }, func(x float64) float64 { return 30 * math.Tanh(x/30) }, -30, 12, true, 1e-6, Least * 31},
		{"ClampedGate", ClampedGate, func(x float64) float64 { return min(x, 7) / (1 + math.Exp(-1.702*min(x, 7))) }, -30, 4.3, true, 5e-6, Least},
		{"ClampedUp", ClampedUp, func(x float64) float64 { return 1 + max(-7, min(x, 7)) }, -30, 20, true, 1e-6, 1e-7},
		{"ReLU2", ReLU2, func(x float64) float64 { return max(x, 0) * max(x, 0) }, -15, 30, true, 1e-7, Least},
		{"GELU", GELU, func(x float64) float64 { return x / 2 * (1 + math.Tanh(math.Sqrt(2/math.Pi)*(x+0.044715*x*x*x))) }, -30, 6, true, 2e-5, Least},
		{"Tanh", Tanh, math.Tanh, -38, 6, true, 1e-6, 0},
		{"Softplus", Softplus, func(x float64) float64 { return math.Max(x, 0) + math.Log1p(math.Exp(-math.Abs(x))) }, -30, 5, true, 5e-6, 0},
	} {
		r := rand.New(rand.NewPCG(1, 2))
		worst, at := 0.0, float32(0)
		for range 1 << 20 {
			x := float32(math.Exp2(c.lo + r.Float64()*(c.hi-c.lo)))
			if c.signed && r.IntN(2) == 0 {
				x = -x
			}
			want := c.want(float64(x))
			e := (math.Abs(float64(c.got(x))-want) - c.absolute) / math.Abs(want)
			if !(e <= worst) {
				worst, at = e, x
			}
		}
		if !(worst <= c.relative) {
			t.Errorf("%s(%g) is off by %.2g, allowed %.2g", c.name, at, worst, c.relative)
		}
		t.Logf("%s: at most %.2g", c.name, worst)
	}
}

func TestEdges(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	for _, c := range []struct {
		name      string
		got, want float32
	}{
		{"Exp2(0)", Exp2(0), 1}, {"Exp2(-126)", Exp2(-126), 0}, {"Exp2(-125)", Exp2(-125), 0x1p-125},
		{"Exp2(-inf)", Exp2(-inf), 0}, {"Exp2(inf)", Exp2(inf), 0x1p127}, {"Exp2(NaN)", Exp2(nan), nan},
		{"Sigmoid(0)", Sigmoid(0), 0.5}, {"Sigmoid(NaN)", Sigmoid(nan), nan}, {"Sigmoid(inf)", Sigmoid(inf), 1},
		{"Tanh(0)", Tanh(0), 0}, {"Tanh(inf)", Tanh(inf), 1}, {"Tanh(-inf)", Tanh(-inf), -1}, {"Tanh(NaN)", Tanh(nan), nan},
		{"Cap(NaN)", Cap(nan, 5, Inverse(5)), nan}, {"Cap(inf)", Cap(inf, 5, Inverse(5)), 5}, {"Cap(-inf)", Cap(-inf, 5, Inverse(5)), -5},
		{"ClampedGate(NaN)", ClampedGate(nan), nan}, {"ClampedGate(inf)", ClampedGate(inf), ClampedGate(7)},
		{"ClampedUp(NaN)", ClampedUp(nan), nan}, {"ClampedUp(inf)", ClampedUp(inf), 8}, {"ClampedUp(-inf)", ClampedUp(-inf), -6}, {"ClampedUp(-1)", ClampedUp(-1), 0},
		{"ReLU2(NaN)", ReLU2(nan), nan}, {"ReLU2(-inf)", ReLU2(-inf), 0}, {"ReLU2(-0)", ReLU2(float32(math.Copysign(0, -1))), 0},
		{"GELU(0)", GELU(0), 0}, {"GELU(NaN)", GELU(nan), nan}, {"GELU(inf)", GELU(inf), inf},
		{"Softplus(NaN)", Softplus(nan), nan}, {"Softplus(inf)", Softplus(inf), inf},
		{"Flush(-0)", Flush(float32(math.Copysign(0, -1))), 0}, {"Flush(2^-40)", Flush(-Least), -Least},
		{"Flush(below)", Flush(math.Nextafter32(Least, 0)), 0}, {"Flush(NaN)", Flush(nan), nan}, {"Flush(-inf)", Flush(-inf), -inf},
		{"Weight", Weight(-40, 0), 0x1p-40}, {"Weight below", Weight(-40.0001, 0), 0}, {"Weight(NaN)", Weight(nan, 0), nan},
	} {
		if math.Float32bits(c.got) != math.Float32bits(c.want) && !(c.got != c.got && c.want != c.want) {
			t.Errorf("%s = %g, want %g", c.name, c.got, c.want)
		}
	}
	if r := RSqrt(inf); r-r == 0 {
		t.Errorf("RSqrt(inf) = %g, a finite number", r)
	}
}

// TestHalf rounds every half, and the numbers at and beside the middle between two.
func TestHalf(t *testing.T) {
	value := func(h uint16) float64 { // as if 0x7c00 were the next number
		if e := int(h >> 10); e > 0 {
			return math.Ldexp(float64(h&1023)+1024, e-25)
		}
		return math.Ldexp(float64(h), -24)
	}
	for h := range uint16(0x7c00) {
		middle := float32((value(h) + value(h+1)) / 2) // exact: 12 bits
		next := min(h+1, 0x7bff)
		for _, c := range []struct {
			x    float32
			want uint16
		}{
			{float32(value(h)), h}, {math.Nextafter32(middle, 0), h},
			{middle, min(h+h&1, 0x7bff)}, {math.Nextafter32(middle, 1e9), next},
		} {
			if got := Half(c.x); got != c.want {
				t.Fatalf("Half(%g) = %#x, want %#x", c.x, got, c.want)
			}
			if got := Half(-c.x); got != c.want|0x8000 {
				t.Fatalf("Half(%g) = %#x, want %#x", -c.x, got, c.want|0x8000)
			}
		}
	}
	for x, want := range map[float32]uint16{float32(math.Inf(-1)): 0x7e00, float32(math.Inf(1)): 0x7e00, 1e30: 0x7bff, float32(math.NaN()): 0x7e00} {
		if got := Half(x); got != want {
			t.Errorf("Half(%g) = %#x, want %#x", x, got, want)
		}
	}
	for _, x := range []float32{0, -1, Least, math.MaxFloat32, -math.MaxFloat32} {
		if got := Single(x); got != x {
			t.Errorf("Single(%g) = %g", x, got)
		}
	}
	for _, x := range []float32{float32(math.Inf(1)), float32(math.Inf(-1)), float32(math.NaN())} {
		if got := Single(x); got == got {
			t.Errorf("Single(%g) = %g, want NaN", x, got)
		}
	}
}

func TestRound(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 20000 {
		x := make([]float32, 1+r.IntN(2*BlockLen))
		top := r.IntN(250) - 130
		for i := range x {
			x[i] = float32(math.Ldexp(r.Float64()*2-1, top-r.IntN(20)))
		}
		row := NewRow(len(x))
		row.Round(x)
		for b, scale := range row.Scale {
			var sum int32
			var largest float64
			for k := b * BlockLen; k < (b+1)*BlockLen; k++ {
				sum += int32(row.M[k])
				if k >= len(x) {
					if row.M[k] != 0 {
						t.Fatalf("element %d of %d is %d", k, len(x), row.M[k])
					}
					continue
				}
				largest = max(largest, math.Abs(float64(x[k])))
				if e := math.Abs(float64(row.At(k)) - float64(x[k])); e > float64(scale)/2 {
					t.Fatalf("%g became %g with scale %g", x[k], row.At(k), scale)
				}
				if m := row.M[k]; m > 16384 || m < -16384 {
					t.Fatalf("m = %d", m)
				}
			}
			if sum != row.Sum[b] {
				t.Fatalf("sum %d, said %d", sum, row.Sum[b])
			}
			if f, e := math.Frexp(float64(scale)); f != 0.5 || (largest >= float64(scale)*16384 || largest < float64(scale)*8192) && e != -59 {
				t.Fatalf("scale %g for %g", scale, largest)
			}
		}
	}
	for _, bad := range []float32{float32(math.NaN()), float32(math.Inf(1)), float32(math.Inf(-1))} {
		x := []float32{1, bad, 3}
		m := make([]int16, BlockLen)
		if s, _ := RoundBlock(m, x); s == s {
			t.Errorf("a block with %g has scale %g", bad, s)
		}
	}
}

// TestSums compares the orders with float64 and checks that the order is the stated
// one: a chain is sensitive to which elements it takes.
func TestSums(t *testing.T) {
	x := make([]float32, 300)
	for i := range x {
		x[i] = float32(i%7) + 1
	}
	want := 0.0
	for _, v := range x {
		want += float64(v) * float64(v)
	}
	if got := SumSquares(x); float64(got) != want { // small integers: exact
		t.Errorf("SumSquares = %g, want %g", got, want)
	}
	if got := Dot4(x, x); float64(got) != want {
		t.Errorf("Dot4 = %g, want %g", got, want)
	}
	if got := Dot(x, x); float64(got) != want {
		t.Errorf("Dot = %g, want %g", got, want)
	}
	// 2^24 swallows a 1 that is added to its own chain; two 1s of other chains meet
	// in the tree and count.
	one := make([]float32, 512)
	for i := range one {
		one[i] = 1
	}
	for _, c := range []struct {
		name string
		sum  func(y []float32) float32
		at   [2]int // of the 1s
		want float32
	}{
		{"Dot, both in chain 0", func(y []float32) float32 { return Dot(y, one) }, [2]int{7, 64}, 1 << 24},
		{"Dot, both in chain 2", func(y []float32) float32 { return Dot(y, one) }, [2]int{16, 80}, 1<<24 + 2},
		{"Dot, chains 2 and 3", func(y []float32) float32 { return Dot(y, one) }, [2]int{23, 24}, 1<<24 + 2},
		{"Dot, chains 1 and 2", func(y []float32) float32 { return Dot(y, one) }, [2]int{8, 16}, 1 << 24},
		{"Dot4, both in chain 0", func(y []float32) float32 { return Dot4(y, one) }, [2]int{4, 8}, 1 << 24},
		{"Dot4, chains 2 and 3", func(y []float32) float32 { return Dot4(y, one) }, [2]int{6, 3}, 1<<24 + 2},
		{"Dot4, chains 1 and 2", func(y []float32) float32 { return Dot4(y, one) }, [2]int{5, 2}, 1 << 24},
		{"SumSquares, both in chain 0", SumSquares, [2]int{256, 256}, 1 << 24},
		{"SumSquares, chains 2 and 3", SumSquares, [2]int{2, 259}, 1<<24 + 2},
		{"SumSquares, chains 1 and 2", SumSquares, [2]int{1, 2}, 1 << 24},
	} {
		y := make([]float32, 512)
		y[0], y[c.at[0]], y[c.at[1]] = 1<<24, 1, 1
		if c.name[0] == 'S' {
			y[0] = 1 << 12
		}
		if got := c.sum(y); got != c.want {
			t.Errorf("%s: %g, want %g", c.name, got, c.want)
		}
	}
}

func TestHost(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	var worst float64
	for range 1 << 18 {
		x := (r.Float64()*2 - 1) * math.Exp2(r.Float64()*24-4)
		s, c := Sincos(x)
		worst = max(worst, math.Abs(s-math.Sin(x)), math.Abs(c-math.Cos(x)))
		y := math.Exp2(r.Float64()*80 - 40)
		worst = max(worst, math.Abs(Log(y)/math.Log(y)-1), math.Abs(Exp(x/1e5)/math.Exp(x/1e5)-1))
		p := r.Float64()*4 - 2
		worst = max(worst, math.Abs(Pow(y, p)/math.Pow(y, p)-1)/10)
	}
	if !(worst < 1e-9) { // at 2^20 radians the reduction by the float64 2π is what is lost
		t.Errorf("off by %g", worst)
	}
	t.Logf("at most %.2g", worst)
}
