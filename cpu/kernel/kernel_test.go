package kernel

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"unsafe"

	"eclat/loader"
	"eclat/loader/gguf"
	"eclat/loader/quant"
	"eclat/model/numerics"
)

// kinds are the rows that every form is held to. NaN comes last.
var kinds = []string{"normal", "at the limit", "outliers", "zero", "powers of two", "denormal", "60 binades", "huge", "infinite", "NaN"}

// fillRow fills x with numbers of a kind.
func fillRow(r *rand.Rand, x []float32, kind string) {
	sign := func() float32 { return float32(1 - 2*r.IntN(2)) }
	for i := range x {
		v := float32(r.NormFloat64())
		switch kind {
		case "at the limit":
			v = 1.9999999 * sign()
		case "outliers":
			if r.IntN(40) == 0 {
				v *= 5000
			}
		case "zero":
			v = 0 * sign()
		case "powers of two":
			v = sign() * float32(math.Ldexp(1, r.IntN(40)-20))
			if i/32%3 == 0 {
				v = 0
			}
		case "denormal":
			v = math.Float32frombits(r.Uint32N(1<<24) | r.Uint32()&(1<<31))
		case "60 binades":
			v = sign() * float32(math.Ldexp(1+r.Float64(), r.IntN(60)-40))
		case "huge":
			v *= 1e37
		case "infinite":
			if r.IntN(100) == 0 {
				v = float32(math.Inf(r.IntN(2)*2 - 1))
			}
		case "NaN":
			if r.IntN(300) == 0 {
				v = float32(math.NaN())
			}
		}
		x[i] = v
	}
}

// weight makes a matrix of a type of random bytes; its halves, which are scales, are
// normal, denormal, extreme, and now and then no number.
func weight(r *rand.Rand, t quant.Type, rows, cols int, special bool) *loader.Tensor {
	bytes, ok := t.RowBytes(uint64(cols))
	if !ok {
		panic("cols")
	}
	w := &loader.Tensor{Tensor: gguf.Tensor{Type: t, Dims: []int{cols, rows}, RowBytes: int(bytes)}, Data: make([]byte, rows*int(bytes))}
	for i := range w.Data {
		w.Data[i] = byte(r.Uint32())
	}
	half := func() uint16 {
		h := uint16(r.Uint32()&0x83ff) | uint16(8+r.IntN(8))<<10
		switch r.IntN(8) {
		case 0:
			h &= 0x83ff
		case 1:
			h |= 0x7800
		case 2:
			h &= 0x8000
		case 3:
			if special && r.IntN(20) == 0 {
				h |= 0x7c00
			}
		}
		return h
	}
	_, size := t.Block()
	at, ok := map[quant.Type][]int{
		quant.Q4_K: {0, 2}, quant.Q5_K: {0, 2}, quant.Q6_K: {208}, quant.Q4_1: {0, 2}, quant.Q5_1: {0, 2}, quant.Q2_K: {80, 82},
		quant.Q3_K: {108}, quant.TQ1_0: {52}, quant.TQ2_0: {64}, quant.IQ1_M: {}, quant.MXFP4: {}, quant.NVFP4: {},
	}[t]
	if !ok {
		at = []int{0}
	}
	for b := 0; b < len(w.Data); b += size {
		switch {
		case t == quant.F32 || t == quant.BF16:
			var x [1]float32
			fillRow(r, x[:], kinds[r.IntN(7)])
			bits := math.Float32bits(x[0])
			if t == quant.F32 {
				binary.LittleEndian.PutUint32(w.Data[b:], bits)
			} else {
				binary.LittleEndian.PutUint16(w.Data[b:], uint16(bits>>16))
			}
		case t == quant.MXFP4 && r.IntN(8) > 0:
			w.Data[b] = byte(90 + r.IntN(70))
		case t == quant.IQ1_M && !special: // the half's sign and upper bits of its exponent
			w.Data[b+55] = w.Data[b+55]&0x8f | 0x20
		default:
			for _, o := range at {
				binary.LittleEndian.PutUint16(w.Data[b+o:], half())
			}
		}
	}
	return w
}

// same says where two answers differ, NaNs being equal.
func same(got, want []float32) error {
	for i := range want {
		a, b := got[i], want[i]
		if math.Float32bits(a) != math.Float32bits(b) && !(a != a && b != b) {
			return fmt.Errorf("element %d is %g (%#x), want %g (%#x)", i, a, math.Float32bits(a), b, math.Float32bits(b))
		}
	}
	return nil
}

// product computes with a form from fresh memory that is full of NaNs.
func product(f *Form, w *loader.Tensor, x [][]float32, from, to int) []float32 {
	cols, rows := w.Dims[0], w.Dims[1]
	need := Need{Cols: cols, Rows: len(x)}
	s, in := new(Scratch), new(Input)
	s.Set(need, nans(need.Len()))
	f.Set(in, nans(InputLen(cols, len(x))), w.Type, cols, len(x))
	for i := range x {
		f.Round(in, i, x[i])
	}
	dst := nans(len(x) * rows)
	f.Product(in, w, from, to, dst, rows, s)
	return dst
}

func nans(n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(math.NaN())
	}
	return x
}

// TestProducts holds every form against the plain one: all types, short and long rows of
// odd numbers of blocks, one column and more, whole and ragged tiles.
func TestProducts(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, ty := range quant.Decodable() {
		elems, _ := ty.Block()
		lengths := []int{1, 2, 3, 4, 5, 7, 8, 9, 15, 17, 40}
		switch elems {
		case 1:
			lengths = []int{1, 7, 8, 9, 63, 64, 65, 100, 128, 500, 1025}
		case 256:
			lengths = []int{1, 2, 3, 4, 5, 6, 7, 9}
		}
		for _, n := range lengths {
			for c := 1; c <= 9; c++ {
				cols, rows := n*elems, 1+r.IntN(2*tileRows+5)
				w := weight(r, ty, rows, cols, c%3 == 0)
				x := make([][]float32, c)
				for i := range x {
					x[i] = make([]float32, cols)
					fillRow(r, x[i], kinds[r.IntN(len(kinds))])
				}
				from := r.IntN(rows)
				want := product(&plain, w, x, from, rows)
				for _, f := range Forms()[:len(Forms())-1] {
					if err := same(product(f, w, x, from, rows), want); err != nil {
						t.Fatalf("%s, %s, %d × %d from row %d, %d columns: %v", f.Name, ty, rows, cols, from, c, err)
					}
				}
			}
		}
	}
}

func TestPick(t *testing.T) {
	for _, name := range Names() {
		t.Setenv(Variable, name)
		if f, err := Pick(); err != nil || f.Name != name {
			t.Errorf("%s: %v, %v", name, f, err)
		}
	}
	for _, name := range []string{"sse", "AVX2", "\n\x1b[31m" + strings.Repeat("x", 1000)} {
		t.Setenv(Variable, name)
		if f, err := Pick(); err == nil {
			t.Errorf("%q gave %s", name, f.Name)
		} else if s := err.Error(); len(s) > 200 || strings.ContainsAny(s, "\n\x1b") {
			t.Errorf("a message of %d bytes: %s", len(s), s)
		}
	}
}

// TestRows holds norms, SwiGLU and the weights of attention against the plain form.
func TestRows(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for _, f := range Forms()[:len(Forms())-1] {
		for _, n := range []int{1, 7, 8, 9, 100, 128, 255, 256, 257, 511, 1024, 1100, 5120} {
			for _, kind := range kinds {
				x, y := make([]float32, n), make([]float32, n)
				fillRow(r, x, kind)
				fillRow(r, y, "60 binades")
				got, want := nans(n), nans(n)
				plain.Norm(want, x, y, 1e-5)
				f.Norm(got, x, y, 1e-5)
				if err := same(got, want); err != nil {
					t.Errorf("%s, norm of %d %s: %v", f.Name, n, kind, err)
				}
				for i := range x {
					x[i] *= 10
				}
				plain.L2Norm(want, x, 1e-6)
				f.L2Norm(got, x, 1e-6)
				if err := same(got, want); err != nil {
					t.Errorf("%s, L2Norm of %d %s: %v", f.Name, n, kind, err)
				}
				by := y[r.IntN(n)]
				plain.Scale(want, x, by)
				f.Scale(got, x, by)
				if err := same(got, want); err != nil {
					t.Errorf("%s, scale of %d %s: %v", f.Name, n, kind, err)
				}
				plain.SwiGLU(want, x, y)
				f.SwiGLU(got, x, y)
				if err := same(got, want); err != nil {
					t.Errorf("%s, SwiGLU of %d %s: %v", f.Name, n, kind, err)
				}
			}
		}
		for range 3000 {
			heads, n := 1+r.IntN(9), 1+r.IntN(Span)
			a := make([]float32, heads*Span)
			for h := range heads {
				fillRow(r, a[h*Span:][:n], kinds[r.IntN(len(kinds))])
			}
			for i, x := range a { // as Scores leaves them
				a[i] = numerics.Flush(x)
			}
			b := append([]float32{}, a...)
			var top, sum [2][9]float32
			plain.Weights(a, n, heads, top[0][:], sum[0][:])
			f.Weights(b, n, heads, top[1][:], sum[1][:])
			for h := range heads {
				err := same(sum[1][h:h+1], sum[0][h:h+1])
				if s := sum[0][h]; err == nil && s == s {
					if err = same(top[1][h:h+1], top[0][h:h+1]); err == nil {
						err = same(b[h*Span:][:n], a[h*Span:][:n])
					}
				}
				if err != nil {
					t.Fatalf("%s, weights of %d positions, head %d of %d: %v", f.Name, n, h, heads, err)
				}
			}
		}
	}
}

// TestStates holds the steps of recurrent states against the plain form.
func TestStates(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 9))
	for _, f := range Forms()[:len(Forms())-1] {
		for range 2000 {
			dimK, n := 1+r.IntN(130), 1+r.IntN(70)
			stride := n + r.IntN(20)
			var rows [4][]float32 // h, q, k, v
			for i, size := range []int{dimK * stride, dimK, dimK, n} {
				rows[i] = make([]float32, size)
				fillRow(r, rows[i], kinds[r.IntN(len(kinds))])
				for j, x := range rows[i] { // as steps leave them
					rows[i][j] = numerics.Flush(x)
				}
			}
			h := append([]float32{}, rows[0]...)
			got, want := nans(n), nans(n)
			decay, beta, skip := r.Float32(), r.Float32(), r.Float32()*4-2
			name := "Delta"
			if r.IntN(2) == 0 {
				plain.Delta(want, rows[0], stride, rows[1], rows[2], rows[3], decay, beta, 0.1)
				f.Delta(got, h, stride, rows[1], rows[2], rows[3], decay, beta, 0.1)
			} else {
				name = "Scan"
				plain.Scan(want, rows[0], stride, rows[1], rows[2], rows[3], decay, beta, skip)
				f.Scan(got, h, stride, rows[1], rows[2], rows[3], decay, beta, skip)
			}
			if err := same(got, want); err != nil {
				t.Fatalf("%s, %s of %d × %d in rows of %d: %v", f.Name, name, dimK, n, stride, err)
			}
			if err := same(h, rows[0]); err != nil {
				t.Fatalf("%s, the state after %s of %d × %d in rows of %d: %v", f.Name, name, dimK, n, stride, err)
			}
		}
	}
}

// keptInts is memory of n random integers, with any scales.
func keptInts(r *rand.Rand, n int) (k Kept) {
	bytes := make([]byte, n)
	for i := range bytes {
		bytes[i] = byte(r.Uint32())
	}
	if r.IntN(2) == 0 {
		k.Four = bytes[:n/2]
	} else {
		k.Eight = bytes
	}
	k.Scales = make([]uint16, n/32)
	for i := range k.Scales {
		k.Scales[i] = uint16(r.Uint32())
	}
	return k
}

// TestAttention holds scores and mixed values against the plain form.
func TestAttention(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for _, f := range Forms()[:len(Forms())-1] {
		for round := range 1000 {
			heads, dim := 1+r.IntN(6), []int{1, 8, 20, 24, 64, 80, 96, 128, 192, 256}[r.IntN(10)]
			need := Need{Heads: heads, DimK: dim, DimV: dim}
			stride, n := dim*(1+r.IntN(3)), 1+r.IntN(Page)
			var k, v Kept
			if dim%32 == 0 && round%2 == 0 {
				k, v = keptInts(r, dim*Page), keptInts(r, stride*Page)
			} else if round%3 == 0 {
				k.Full, v.Full = make([]float32, dim*Page), make([]float32, stride*Page)
				fillRow(r, k.Full, kinds[r.IntN(7)])
				fillRow(r, v.Full, kinds[r.IntN(7)])
			} else {
				k.Half, v.Half = make([]uint16, dim*Page), make([]uint16, stride*Page)
				for i := range k.Half {
					k.Half[i] = uint16(r.Uint32())
				}
				for i := range v.Half {
					v.Half[i] = uint16(r.Uint32())
				}
			}
			q, a := make([]float32, heads*dim), make([]float32, heads*Span)
			fillRow(r, q, kinds[r.IntN(len(kinds))])
			for i := range a {
				a[i] = max(0, r.Float32()-0.2)
			}
			scale := r.Float32()
			var out, mixed [2][]float32
			for i, f := range []*Form{&plain, f} {
				s := new(Scratch)
				s.Set(need, nans(need.Len()))
				out[i], mixed[i] = nans(heads*Span), make([]float32, heads*dim)
				f.Queries(q, 0, heads, dim, s)
				f.Scores(out[i], k, heads, dim, scale, s)
				f.Mix(mixed[i], a, v, n, stride, heads, dim, s)
			}
			if err := same(out[1], out[0]); err != nil {
				t.Fatalf("%s, scores of %d heads of %d: %v", f.Name, heads, dim, err)
			}
			if err := same(mixed[1], mixed[0]); err != nil {
				t.Fatalf("%s, values of %d positions, %d heads of %d: %v", f.Name, n, heads, dim, err)
			}
		}
	}
}

// TestAligned: whatever the memory, what vectors are read from begins with a line of the
// cache.
func TestAligned(t *testing.T) {
	n := Need{Cols: 7, Rows: 5, Heads: 3, DimK: 20, DimV: 20}
	for skip := range 20 {
		s, in := new(Scratch), new(Input)
		s.Set(n, make([]float32, n.Len()+skip)[skip:])
		Forms()[0].Set(in, make([]float32, InputLen(300, 5)+skip)[skip:], quant.Q4_K, 300, 5)
		for i, p := range []unsafe.Pointer{
			unsafe.Pointer(s.tile), unsafe.Pointer(&s.acc[0]), unsafe.Pointer(&s.q[0]), unsafe.Pointer(&s.page[0]),
			unsafe.Pointer(&s.Scores[0]), unsafe.Pointer(&s.Span[0]), unsafe.Pointer(&in.m[0]), unsafe.Pointer(&in.e[0]),
		} {
			if uintptr(p)%64 != 0 {
				t.Errorf("memory from float %d on: array %d begins at %p", skip, i, p)
			}
		}
	}
}
