package kernel

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"eclat/loader"
)

// Span is how many positions of a sequence attention takes together, and Page how many
// of them lie on one page.
const (
	Span = 256
	Page = 32
)

// Form is one way of computing the kernels.
type Form struct {
	Name string
	many order // of an input of more than a few rows

	// Round rounds x, (in.Cols), to row i of in.
	Round func(in *Input, i int, x []float32)
	// Product multiplies rows from … to−1 of w by all rows of in:
	//	dst[to·ld + j] = Flush(w[j] · in[i]),  to = i or in.To[i]
	Product func(in *Input, w *loader.Tensor, from, to int, dst []float32, ld int, s *Scratch)

	// Norm computes dst = Flush((x·RSqrt(Σx²·inv + eps))·w), inv = 1/len(x).
	Norm func(dst, x, w []float32, eps float32)
	// L2Norm computes dst = Flush(x·RSqrt(Σx² + eps)).
	L2Norm func(dst, x []float32, eps float32)
	// Delta takes the columns of a state, h[i·stride + j], j < len(v), one token on by the
	// gated delta rule (package numerics), and gives their answers:
	//	u = Flush(decay·h);  d[j] = Flush(beta·(v[j] − Flush(Dot4(u, k))))
	//	h = Flush(u + k[i]·d[j]);  dst[j] = Flush(Dot4(h, q)·scale)
	Delta func(dst, h []float32, stride int, q, k, v []float32, decay, beta, scale float32)
	// Scan does so by Mamba-2's state space:
	//	h = Flush(Flush(decay·h) + k[i]·Flush(dt·v[j]));  dst[j] = Flush(Dot4(h, q) + skip·v[j])
	Scan func(dst, h []float32, stride int, q, k, v []float32, decay, dt, skip float32)
	// Scale computes dst = Flush(x·by).
	Scale func(dst, x []float32, by float32)
	// SwiGLU computes dst = Flush(SiLU(gate)·up).
	SwiGLU func(dst, gate, up []float32)

	// Scores multiplies heads by the keys of a page:
	//	a[h·Span + t] = Flush(Dot(q[h], k[t])·scale)    t = 0 … Page−1
	// s must have been given the heads, of dim elements each, by Queries.
	Scores func(a []float32, k Kept, heads, dim int, scale float32, s *Scratch)
	// Weights turns n scores of each head into weights, and gives for each head their
	// maximum, rounded up, and the sum of the weights; where the sum is NaN the maximum
	// is any number.
	Weights func(a []float32, n, heads int, top, sum []float32)
	// Mix adds n positions to the sums of a span, in order:
	//	o[h·dim + d] += a[h·Span + t]·v[t·stride + d]
	Mix func(o, a []float32, v Kept, n, stride, heads, dim int, s *Scratch)
	// Queries makes q, (heads, dim), ready for Scores, as the heads from first on.
	Queries func(q []float32, first, heads, dim int, s *Scratch)
}

// Kept is a part of a memory of one of its types; the other slices are nil. Keys lie
// (dim, Page), values (Page, cols). Of integers a byte of Four holds two elements of a
// position, the even one low, each 8 more than it is, and Scales has a half for each 32
// elements of a position: keys' (dim/32, Page), values' (Page, cols/32).
type Kept struct {
	Half   []uint16
	Full   []float32
	Eight  []byte // int8
	Four   []byte
	Scales []uint16
}

// Forms lists the forms that this build and this processor have, the fastest first.
func Forms() []*Form { return append(vectorForms(), &plain) }

// Variable names the environment variable that chooses a form.
const Variable = "ECLAT_CPU"

// Pick returns the form that the environment asks for, else the fastest.
func Pick() (*Form, error) {
	forms, name := Forms(), os.Getenv(Variable)
	if name == "" {
		return forms[0], nil
	}
	for _, f := range forms {
		if f.Name == name {
			return f, nil
		}
	}
	names := Names()
	if slices.Contains([]string{"avx2", "avx512"}, name) {
		why := "this processor lacks it"
		if !vectorBuild {
			why = "this program was built without it (GOEXPERIMENT=simd)"
		}
		return nil, fmt.Errorf("%s=%s: %s; there is %s", Variable, name, why, strings.Join(names, ", "))
	}
	return nil, fmt.Errorf("%s=%.20q: there is %s", Variable, name, strings.Join(names, ", "))
}

// Describe says for people which form Pick gives.
func Describe() string {
	f, err := Pick()
	switch {
	case err != nil:
		return err.Error()
	case !vectorBuild:
		return f.Name + " (a build with GOEXPERIMENT=simd has faster ones)"
	}
	return f.Name
}

// Names lists the names of Forms.
func Names() (names []string) {
	for _, f := range Forms() {
		names = append(names, f.Name)
	}
	return names
}
