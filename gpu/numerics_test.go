//go:build cgo && !novulkan

package gpu

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"eclat/gpu/vk"
	"eclat/model/numerics"
	"eclat/shaders"
)

// twin is a function of lib/numerics.glsl with the one of package numerics that it
// must equal, and its arguments: how many, their exponents, and whether they have a sign.
type twin struct {
	name   string
	of     func(v [4]float32) [2]float32
	args   int
	lo, hi int // 2^lo ≤ |argument| < 2^(hi+1), or 0
	signed bool
	edges  []float32
}

// one is a function of one argument with one answer.
func one(f func(float32) float32) func([4]float32) [2]float32 {
	return func(v [4]float32) [2]float32 { return [2]float32{f(v[0])} }
}

// about lists the numbers next to x, where a function goes on otherwise.
func about(x float32) (list []float32) {
	for i := range uint32(33) {
		list = append(list, math.Float32frombits(math.Float32bits(x)+i-16))
	}
	return list
}

// twins are in the order of op/numerics.comp. Beyond the exponents given, no function
// promises the same bits: numbers there may be denormal on the way.
var twins = []twin{
	{"Flush", one(numerics.Flush), 1, -149, 127, true, []float32{numerics.Least, math.Nextafter32(numerics.Least, 0), -numerics.Least}},
	{"Exp2", one(numerics.Exp2), 1, -63, 127, true, []float32{-125, -126, math.Nextafter32(-125, -200), 127, math.Nextafter32(127, 200), 128, 0.5, -0.5, 1.5, -2.5}},
	{"Recip", one(numerics.Recip), 1, -125, 101, false, nil}, // above, a step of Newton's is denormal
	{"RSqrt", one(numerics.RSqrt), 1, -120, 126, false, nil},
	{"Sigmoid", one(numerics.Sigmoid), 1, -63, 127, true, slices.Concat(about(60/1.44269504), about(-60/1.44269504))},
	{"SiLU", one(numerics.SiLU), 1, -63, 127, true, slices.Concat([]float32{-20, -40, -41.6}, about(-60/1.44269504))},
	{"Tanh", one(numerics.Tanh), 1, -63, 127, true, slices.Concat(about(0.25), about(-0.25), about(60/2.88539008))},
	{"Softplus", one(numerics.Softplus), 1, -63, 127, true, about(-60 / 1.44269504)},
	{"Weight", func(v [4]float32) [2]float32 { return [2]float32{numerics.Weight(v[0], v[1])} }, 2, -40, 127, true, []float32{-40, math.Nextafter32(-40, -41), 40}},
	{"Half", func(v [4]float32) [2]float32 { return [2]float32{math.Float32frombits(uint32(numerics.Half(v[0])))} }, 1, -149, 127, true,
		[]float32{65504, 65519.996, 65520, 0x1p-14, 0x1p-24, 0x1p-25, math.Nextafter32(0x1p-25, 1)}},
	{"Rotate", func(v [4]float32) [2]float32 {
		x, y := numerics.Rotate(v[0], v[1], v[2], v[3])
		return [2]float32{x, y}
	}, 4, -40, 60, true, []float32{1, -1}},
	{"merged", func(v [4]float32) [2]float32 { return [2]float32{float32(v[0]*v[1]) + float32(v[2]*v[3])} }, 4, -40, 60, true, nil},
	{"plus", func(v [4]float32) [2]float32 { return [2]float32{v[0] + float32(v[1]*v[2])} }, 3, -40, 60, true, nil},
	{"RoundBlock", func(v [4]float32) [2]float32 {
		r := numerics.NewRow(2)
		r.Round(v[:2])
		return [2]float32{r.Scale[0], r.At(1)}
	}, 2, -40, 127, true, nil},
	{"ReLU2", one(numerics.ReLU2), 1, -63, 127, true, nil},
	{"GELU", one(numerics.GELU), 1, -40, 127, true, []float32{0.3133, -0.3133, 5, -5}},
	{"Cap", func(v [4]float32) [2]float32 { return [2]float32{numerics.Cap(v[0], v[1], v[2])} }, 3, -20, 40, true, []float32{0.25, 30}},
	{"ClampedGate", one(numerics.ClampedGate), 1, -40, 127, true, []float32{7, -7, math.Nextafter32(7, 8)}},
	{"ClampedUp", one(numerics.ClampedUp), 1, -40, 127, true, []float32{7, -7, -1}},
}

// arguments of a function: none, not a number and the infinities in every place, each
// exponent with the mantissas about its ends and its middle, the edges with each other,
// and a million drawn at random, of all exponents and of near ones.
func (f *twin) arguments() (all [][4]float32) {
	r := rand.New(rand.NewPCG(uint64(len(f.name)), 7))
	number := func(e int, mantissa uint32) float32 {
		x := float32(math.Ldexp(1+float64(mantissa)/(1<<23), e))
		if f.signed && r.IntN(2) == 0 {
			x = -x
		}
		return x
	}
	draw := func() (v [4]float32) {
		near := f.lo + r.IntN(f.hi-f.lo+1)
		for i := range f.args {
			e := f.lo + r.IntN(f.hi-f.lo+1)
			if i > 0 && r.IntN(2) == 0 {
				e = max(f.lo, min(f.hi, near-r.IntN(12)))
			}
			if i == 0 {
				e = near
			}
			v[i] = number(e, r.Uint32N(1<<23))
		}
		return v
	}
	edges := f.edges
	if f.signed {
		edges = append([]float32{0, float32(math.Inf(1)), float32(math.Inf(-1))}, edges...)
	}
	edges = append([]float32{float32(math.NaN()), math.Float32frombits(0x7f800001)}, edges...)
	for i := range f.args {
		for _, x := range edges {
			for range 8 {
				v := draw()
				v[i] = x
				all = append(all, v)
				v[(i+1)%f.args] = edges[r.IntN(len(edges))]
				all = append(all, v)
			}
		}
		for e := f.lo; e <= f.hi; e++ {
			for _, mantissa := range []uint32{0, 1, 1<<22 - 1, 1 << 22, 1<<22 + 1, 1<<23 - 2, 1<<23 - 1} {
				for range 4 {
					v := draw()
					v[i] = number(e, mantissa)
					all = append(all, v)
				}
			}
		}
	}
	for range 1 << 20 {
		all = append(all, draw())
	}
	return all
}

// TestNumerics holds every function of lib/numerics.glsl against package numerics, on
// every device: the same bits, and NaN for NaN.
func TestNumerics(t *testing.T) {
	long(t)
	infos, err := vk.Enumerate()
	if err != nil || len(infos) == 0 {
		t.Skipf("no Vulkan device: %v", err)
	}
	for _, info := range infos {
		t.Run(info.Name, func(t *testing.T) {
			var lock sync.Mutex
			d, err := vk.Open(info, vk.Options{Validation: true, OnMessage: func(m string) {
				lock.Lock()
				defer lock.Unlock()
				t.Errorf("validation: %s", m)
			}})
			if err != nil {
				t.Fatal(err)
			}
			defer d.Close()
			for i := range twins {
				t.Run(twins[i].name, func(t *testing.T) { twins[i].compare(t, d, uint32(i)) })
			}
		})
	}
}

// compare asks the device for function no.
func (f *twin) compare(t *testing.T, d *vk.Device, no uint32) {
	args := f.arguments()
	_, spirv := shaders.Find("numerics")
	got, err := askTwin(d, spirv, no, args)
	if err != nil {
		t.Fatal(err)
	}
	wrong := 0
	for i, v := range args {
		for j, want := range f.of(v) {
			if g := got[2*i+j]; !sameBits(g, want) {
				if wrong++; wrong <= 5 {
					t.Errorf("of %g (%#08x): answer %d is %g (%#08x), want %g (%#08x)", v[:f.args], math.Float32bits(v[0]), j, g, math.Float32bits(g), want, math.Float32bits(want))
				}
			}
		}
	}
	if wrong > 0 {
		t.Errorf("%d of %d differ", wrong, len(args))
	}
}

// sameBits: one NaN is as good as another.
func sameBits(x, y float32) bool {
	return math.Float32bits(x) == math.Float32bits(y) || x != x && y != y
}

// askTwin has a device compute function no of op/numerics.comp, whose code is spirv, of all
// arguments: two answers each.
func askTwin(d *vk.Device, spirv []byte, no uint32, args [][4]float32) (answers []float32, err error) {
	const local = 64
	n := len(args)
	var close []func()
	defer unwind(&close)
	buffer := func(name string, size int, use vk.Use) *vk.Buffer {
		b, e := d.NewBuffer(name, int64(size+255)&^255, use)
		if err = cmp.Or(err, e); e == nil {
			close = append(close, b.Close)
		}
		return b
	}
	x, y := buffer("arguments", n*16, vk.Shared), buffer("answers", n*8, vk.Readback)
	if err != nil {
		return nil, err
	}
	for i, v := range args {
		copy(x.Floats()[4*i:], v[:])
	}
	v, _ := shaders.Find("numerics")
	p, err := d.NewPipeline(v.Name, spirv, vk.Layout{Storage: v.Storage, PushWords: v.PushWords}, []uint32{local, no}, 0)
	if err != nil {
		return nil, err
	}
	close = append(close, p.Close)
	set, err := d.NewSet(p, []vk.Binding{{Buffer: x, Size: x.Size()}, {Buffer: y, Size: y.Size()}, {Buffer: x, Size: x.Size()}})
	if err != nil {
		return nil, err
	}
	close = append(close, set.Close)
	r, err := d.NewRecorder()
	if err != nil {
		return nil, err
	}
	r.Dispatch(p, set, []uint32{uint32(n)}, uint32((n+local-1)/local), 1, 1)
	r.Barrier()
	c, err := r.End()
	if err != nil {
		return nil, err
	}
	close = append(close, c.Close)
	if err := d.Submit(c); err != nil {
		return nil, err
	}
	return slices.Clone(y.Floats()[:2*n]), nil
}
