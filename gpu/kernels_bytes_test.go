//go:build cgo && !novulkan

package gpu

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"eclat/gpu/lower"
	"eclat/loader"
	"eclat/loader/ggufwrite"
	"eclat/loader/quant"
	"eclat/model"
	"eclat/model/backendtest"
	"eclat/shaders"
)

// byteLoads are the loads of products of bytes.
var byteLoads = []string{lower.LoadDot, lower.LoadCoop}

// extremes are n rows of k elements: at the limit of 15 bits, of one sign and of both,
// zeros, beside the least power of two, not a number in one block, infinite, random.
func extremes(n, k int) []float32 {
	x := random(uint64(n*k), n*k)
	for i := range n {
		row := x[i*k:][:k]
		for e := range row {
			switch i % 9 {
			case 0:
				row[e] = 1.9999999
			case 1:
				row[e] = 1.9999999 * float32(1-e%2*2)
			case 2:
				row[e] = 0
			case 3:
				row[e] *= 0x1p-58
			case 4:
				row[e] *= 1e30
			case 5:
				row[e] *= float32(math.Exp2(float64(e % 24)))
			case 7:
				row[e] = -255.99998
			}
		}
		switch i % 9 {
		case 6:
			row[k/2] = float32(math.NaN())
		case 8:
			row[k-1] = float32(math.Inf(-1))
		}
	}
	return x
}

// halvesAt is where scales and minimums that are halves lie in the blocks of types that the
// writer cannot encode.
var halvesAt = map[quant.Type][]int{
	quant.Q4_1: {0, 2}, quant.Q5_0: {0}, quant.Q5_1: {0, 2}, quant.Q2_K: {80, 82}, quant.Q3_K: {108}, quant.IQ4_XS: {0},
	quant.Q1_0: {0}, quant.Q2_0: {0}, quant.TQ1_0: {52}, quant.TQ2_0: {64}, quant.IQ2_XXS: {0}, quant.IQ2_XS: {0},
	quant.IQ2_S: {0}, quant.IQ3_XXS: {0}, quant.IQ3_S: {0}, quant.IQ1_S: {0},
}

// extremeWeight is a weight (m, k): rows of blocks whose bits are all set, or none, and
// random ones. Scales are about one.
func extremeWeight(ty quant.Type, m, k int) ggufwrite.Tensor {
	size, _ := ty.RowBytes(uint64(k))
	data, r := make([]byte, m*int(size)), rand.NewPCG(uint64(m), uint64(k))
	_, bytes := ty.Block()
	for at := 0; at < len(data); at += bytes {
		b := data[at:][:bytes]
		for i := range b {
			switch at / int(size) % 4 {
			case 0:
				b[i] = 255
			case 1:
				b[i] = 0
			default:
				b[i] = byte(r.Uint64())
			}
		}
		for _, o := range halvesAt[ty] {
			b[o+1] = b[o+1]&0x83 | 0x38
		}
		switch ty {
		case quant.MXFP4:
			b[0] = b[0]&7 | 120
		case quant.IQ1_M: // the half's upper nibble
			b[55] = b[55]&0x8f | 0x30
		}
	}
	return ggufwrite.Tensor{Name: "w", Type: ty, Dims: []int{k, m}, Data: data}
}

// sameAnswer reports the first answer with other bits; one NaN is as good as another.
func sameAnswer(t *testing.T, what string, got, want []float32) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%s: %d answers, want %d", what, len(got), len(want))
		return
	}
	for i := range want {
		if math.Float32bits(got[i]) != math.Float32bits(want[i]) && (got[i] == got[i] || want[i] == want[i]) {
			t.Errorf("%s: %d is %g, want %g", what, i, got[i], want[i])
			return
		}
	}
}

// TestByteProducts compares products of bytes with the reference, bit by bit: every type
// of integers, rows and elements around tiles' edges, extremes of x and of the weight.
func TestByteProducts(t *testing.T) {
	d := openKernels(t, true)
	ran := false
	for _, load := range byteLoads {
		ran = ran || has(d, load)
	}
	if !ran {
		t.Skipf("%s has no products of bytes", d.Info().Name)
	}
	type product struct {
		ty      quant.Type
		m, k, n int // rows and columns of W, rows of x
	}
	var list []product
	for _, ty := range shaders.Types {
		for _, c := range []struct{ m, k int }{{1, 2048}, {7, 256}, {33, 512}, {7, 32}, {33, 96}, {70, 2048}} {
			if block, _ := ty.Block(); !ty.Integers() || c.k%block != 0 || c.m == 70 && testing.Short() {
				continue
			}
			for _, n := range []int{1, 3, 9, 65} {
				list = append(list, product{ty, c.m, c.k, n})
			}
		}
	}
	for _, c := range backendtest.Deal(t, list, func(c product) string { return c.ty.String() }) {
		var f ggufwrite.File
		if ggufwrite.CanEncode(c.ty) {
			w := random(uint64(c.k), c.m*c.k)
			for i := range w {
				switch j := i / c.k; j % 5 {
				case 0:
					w[i] = 1
				case 1:
					w[i] = float32(1 - i%2*2)
				case 2:
					w[i] *= 1e-6
				}
			}
			f.Add("w", c.ty, []int{c.k, c.m}, w)
		} else {
			f.Tensors = append(f.Tensors, extremeWeight(c.ty, c.m, c.k))
		}
		file, err := loader.FromBytes("w", f.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		b := model.NewBuilder(file, room(c.n))
		plan, err := b.Plan(b.MatMul("y", b.Weight("w", c.m, c.k), b.Receive("x", c.k)))
		if err != nil {
			t.Fatal(err)
		}
		in := benchBatch(0, c.n, 0)
		in.Rows = extremes(c.n, c.k)
		want := answer(t, reference(t), file, plan, rows(c.n), in)
		for _, load := range byteLoads {
			if has(d, load) {
				got := answer(t, newBench(d, kernelsWith(d, load)), file, plan, rows(c.n), in)
				sameAnswer(t, fmt.Sprintf("%s %d×%d, %d rows, %s", c.ty, c.m, c.k, c.n, load), got.Rows, want.Rows)
			}
		}
	}
}

// TestForms: rows that products take both as floats and packed, from a norm and from
// another step, and rows that a norm packs for products alone.
func TestForms(t *testing.T) {
	d := openKernels(t, true)
	var f ggufwrite.File
	const k = 256
	for name, ty := range map[string]quant.Type{"q4": quant.Q4_K, "q8": quant.Q8_0, "f16": quant.F16} {
		f.Add(name, ty, []int{k, k}, random(uint64(ty), k*k))
	}
	f.Add("norm", quant.F32, []int{k}, random(1, k))
	file, err := loader.FromBytes("w", f.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{1, 4, 33} {
		for _, float := range []string{"q8", "f16"} {
			b := model.NewBuilder(file, room(n))
			product := func(name, w string, x model.ID) model.ID { return b.MatMul(name, b.Weight(w, k, k), x) }
			x := b.RMSNorm("normed", b.Receive("x", k), b.Weight("norm", 1, k), 1e-5)
			one, two := product("a", "q4", x), product("b", float, x)
			sum := b.Mul("ab", one, two)
			plan, err := b.Plan(b.Mul("y", product("c", float, sum), product("d", "q4", sum)))
			if err != nil {
				t.Fatal(err)
			}
			in := benchBatch(0, n, 0)
			in.Rows = extremes(n, k)
			want := answer(t, reference(t), file, plan, rows(n), in)
			for _, load := range byteLoads {
				if has(d, load) {
					got := answer(t, newBench(d, kernelsWith(d, load)), file, plan, rows(n), in)
					sameAnswer(t, fmt.Sprintf("%s, %d rows, %s", float, n, load), got.Rows, want.Rows)
				}
			}
		}
	}
}
