package sample

import (
	"math"
	"slices"
	"testing"
)

// Known answers from the Random123 distribution (kat_vectors, philox4x32 10).
func TestPhilox(t *testing.T) {
	for _, c := range []struct {
		ctr  [4]uint32
		key  [2]uint32
		want [4]uint32
	}{
		{[4]uint32{}, [2]uint32{}, [4]uint32{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
		{[4]uint32{^uint32(0), ^uint32(0), ^uint32(0), ^uint32(0)}, [2]uint32{^uint32(0), ^uint32(0)},
			[4]uint32{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
		{[4]uint32{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, [2]uint32{0xa4093822, 0x299f31d0},
			[4]uint32{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
	} {
		if got := philox(c.ctr, c.key); got != c.want {
			t.Errorf("philox(%x, %x) = %x, want %x", c.ctr, c.key, got, c.want)
		}
	}
}

// logitsOf returns logits whose softmax is p.
func logitsOf(p ...float64) []float32 {
	out := make([]float32, len(p))
	for i, x := range p {
		out[i] = float32(math.Log(x))
	}
	return out
}

// TestPickKeeps draws often and checks which tokens each filter lets through.
func TestPickKeeps(t *testing.T) {
	logits := logitsOf(0.05, 0.4, 0.1, 0.3, 0.15) // ranking 1 3 4 2 0
	for _, c := range []struct {
		name string
		how  Params
		want []int32
	}{
		{"all", Params{Temp: 1}, []int32{0, 1, 2, 3, 4}},
		{"greedy", Params{}, []int32{1}},
		{"top-k 1", Params{Temp: 5, TopK: 1}, []int32{1}},
		{"top-k 3", Params{Temp: 1, TopK: 3}, []int32{1, 3, 4}},
		{"top-k above the vocabulary", Params{Temp: 1, TopK: 99}, []int32{0, 1, 2, 3, 4}},
		{"top-p just two", Params{Temp: 1, TopP: 0.69}, []int32{1, 3}},
		{"top-p three", Params{Temp: 1, TopP: 0.71}, []int32{1, 3, 4}},
		{"top-p of the k kept", Params{Temp: 1, TopK: 2, TopP: 0.5}, []int32{1}},
		{"top-p 1 is off", Params{Temp: 1, TopP: 1}, []int32{0, 1, 2, 3, 4}},
		{"min-p", Params{Temp: 1, MinP: 0.3}, []int32{1, 3, 4}},
		{"min-p 1 keeps the best", Params{Temp: 1, MinP: 1}, []int32{1}},
		{"temperature after the filters", Params{Temp: 100, TopP: 0.69}, []int32{1, 3}},
	} {
		var s Sampler
		var got []int32
		for pos := range int32(2000) {
			id := s.Pick(logits, c.how, pos)
			if !slices.Contains(got, id) {
				got = append(got, id)
			}
		}
		slices.Sort(got)
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: tokens %v, want %v", c.name, got, c.want)
		}
	}
}

// TestPickFrequencies compares 20,000 draws with the probabilities they follow.
func TestPickFrequencies(t *testing.T) {
	p := []float64{0.05, 0.4, 0.1, 0.3, 0.15}
	const draws, temp = 20000, 2.0
	var s Sampler
	var count [5]int
	for pos := range int32(draws) {
		count[s.Pick(logitsOf(p...), Params{Temp: temp, Seed: 42}, pos)]++
	}
	var sum float64
	for _, x := range p {
		sum += math.Sqrt(x)
	}
	for i, x := range p {
		want := math.Sqrt(x) / sum
		if got := float64(count[i]) / draws; math.Abs(got-want) > 4*math.Sqrt(want*(1-want)/draws) {
			t.Errorf("token %d drawn with frequency %.4f, want %.4f", i, got, want)
		}
	}
}

// TestWeights: sums are float32's, from the likeliest on. What is below half an ulp of
// them is lost, however much there is of it; added first, it would count.
func TestWeights(t *testing.T) {
	var s Sampler
	s.cand = []candidate{{0, 0}}
	for id := range int32(1 << 10) {
		s.cand = append(s.cand, candidate{id + 1, -17.7}) // weighs 2^-25.5
	}
	if got := total(s.cand, math.Log2E); got != 1 {
		t.Errorf("in order of rank the sum is %g, want 1", got)
	}
	inf, largest := float32(math.Inf(1)), float32(math.MaxFloat32)
	for _, c := range []struct {
		name      string
		got, want float32
	}{
		{"factor of 1", (&Params{Temp: 1}).Factor(), math.Log2E}, {"of 0.5", (&Params{Temp: 0.5}).Factor(), 2 * math.Log2E},
		{"of the least temperature", (&Params{Temp: math.SmallestNonzeroFloat32}).Factor(), largest},
		{"of an infinite one", (&Params{Temp: inf}).Factor(), 0}, {"of a huge one", (&Params{Temp: 1e13}).Factor(), 0},
		{"no min-p", (&Params{}).Least(), -inf}, {"min-p 1", (&Params{MinP: 1}).Least(), 0},
		{"min-p NaN", (&Params{MinP: float32(math.NaN())}).Least(), -inf},
		{"weight of the best", weight(5, 5, largest), 1}, {"of the second", weight(4, 5, largest), 0},
		{"of one that is out of reach", weight(-largest, largest, 1), 0}, {"where all are alike", weight(-largest, largest, 0), 1},
	} {
		if c.got != c.want {
			t.Errorf("%s: %g, want %g", c.name, c.got, c.want)
		}
	}
	if got := (&Params{MinP: inf}).Least(); !(got > 0) {
		t.Errorf("min-p of infinity: %g, want a number above 0", got)
	}
}

func TestPickIsAFunction(t *testing.T) {
	logits := make([]float32, 1000)
	for i := range logits {
		logits[i] = Uniform(7, uint32(i)) * 5
	}
	how := Params{Temp: 0.8, TopK: 40, TopP: 0.95, MinP: 0.05, Seed: 1}
	var a, b Sampler
	b.Pick(logits, Params{Temp: 1}, 3) // another history must not matter
	other := 0
	for pos := range int32(200) {
		x := a.Pick(logits, how, pos)
		if y := b.Pick(logits, how, pos); x != y {
			t.Fatalf("position %d: %d and %d", pos, x, y)
		}
		how2 := how
		how2.Seed = 2
		if a.Pick(logits, how2, pos) != x {
			other++
		}
	}
	if other == 0 {
		t.Error("another seed gave the same tokens")
	}
	if n := testing.AllocsPerRun(100, func() { a.Pick(logits, how, 5) }); n != 0 {
		t.Errorf("Pick allocates %v times", n)
	}
}

func TestPickWithoutNumbers(t *testing.T) {
	nan := float32(math.NaN())
	var s Sampler
	for _, how := range []Params{{}, {Temp: 1}, {Temp: 1, TopK: 2, TopP: 0.5, MinP: 0.1}} {
		if got := s.Pick([]float32{nan, nan}, how, 0); got != -1 {
			t.Errorf("%+v: %d from NaN alone, want −1", how, got)
		}
		for _, bad := range []float32{nan, float32(math.Inf(1)), float32(math.Inf(-1))} {
			if got := s.Pick([]float32{2, 1, bad}, how, 0); got != -1 {
				t.Errorf("%+v: %d beside %g, want −1", how, got, bad)
			}
		}
	}
}
