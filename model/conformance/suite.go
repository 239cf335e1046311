package conformance

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"eclat/model"
)

// Limits on the normalised mean squared error Σ(a−b)²/Σa² against the reference.
const (
	LimitExact = 1e-7  // ops on float32
	LimitQuant = 1e-6  // matmul and attention with rounded weights, float32 activations
	LimitStore = 1e-12 // what was stored, read back: a rounding or two of float32
)

// Opener makes a fresh backend.
type Opener func() (model.Backend, error)

// Case is one comparison of a backend with the reference.
type Case struct {
	Op    string  // an op's name, or what else is tried: "run", "memory", "batch"
	Type  string  // of the weight, where the case is about one: "Q4_K"
	Name  string  // of the case within its op: "Q4_K 70×1280"
	Long  bool    // takes seconds on a slow device
	Limit float64 // on the normalised mean squared error; 0 where a case is right or wrong
	check func(c *Case, openRef, open Opener) (float64, error)
}

// Result is how a case went: it passed, it failed, or the backend says of itself
// that it cannot compute it.
type Result struct {
	Err         float64 // the largest normalised mean squared error of its runs
	Fail        string  // why the case failed; empty when it did not
	Unsupported string  // what the backend lacks, so that nothing was compared; empty when it lacks nothing
}

// lacks says that a backend does not claim to do what a case asks for.
type lacks struct{ error }

func (l lacks) Unwrap() error { return l.error }

// Check runs the case. An error in running is a failed case too, and so is one of
// the reference, which has to have everything.
func (c *Case) Check(openRef, open Opener) Result {
	e, err := c.check(c, openRef, open)
	r := Result{Err: e}
	var l lacks
	switch {
	case errors.As(err, &l):
		r.Unsupported = err.Error()
	case err != nil:
		r.Fail = err.Error()
	case !(e <= c.Limit):
		r.Fail = fmt.Sprintf("error %.3g is above the limit %.0g", e, c.Limit)
	}
	return r
}

// Cases lists the whole suite.
func Cases() []*Case {
	return slices.Concat(embed(), vectors(), matmul(), parts(), rope(), store(), attention(), latent(), windows(), headCases(), conv(), states(), pieces(), elementwise(), experts(), sampling(),
		mixed(), behaviour(), pages())
}

// NMSE is Σ(a−b)²/Σa²: 0 when both are empty or zero, NaN for unequal lengths.
// Equal infinities and NaNs do not differ.
func NMSE(a, b []float32) float64 {
	if len(a) != len(b) {
		return math.NaN()
	}
	var diff, norm float64
	for i := range a {
		x, y := float64(a[i]), float64(b[i])
		if x == y || x != x && y != y {
			if !math.IsInf(x, 0) && x == x {
				norm += x * x
			}
			continue
		}
		diff += (x - y) * (x - y)
		norm += x * x
	}
	if diff == 0 {
		return 0
	}
	return diff / norm
}

// sameBits reports whether two answers are the same, NaN for NaN.
func sameBits(a, b []float32) bool {
	return slices.EqualFunc(a, b, func(x, y float32) bool {
		return math.Float32bits(x) == math.Float32bits(y) || x != x && y != y
	})
}

// worst describes the largest difference.
func worst(want, got []float32) string {
	if len(want) != len(got) {
		return fmt.Sprintf("%d values, want %d", len(got), len(want))
	}
	at, most := 0, -1.0
	for i := range want {
		if d := math.Abs(float64(want[i]) - float64(got[i])); d > most || d != d && want[i] == want[i] {
			at, most = i, d
		}
	}
	if len(want) == 0 {
		return "no values"
	}
	return fmt.Sprintf("worst at %d of %d: %g, want %g", at, len(want), got[at], want[at])
}
