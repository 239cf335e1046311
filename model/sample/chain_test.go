package sample

import (
	"fmt"
	"math"
	"slices"
	"testing"
)

// letters are 40 words, of one letter or two; every fifth holds a breaker or half of one.
func letters() (w words) {
	for i := range 40 {
		switch {
		case i == 5:
			w = append(w, "x\n")
		case i == 10:
			w = append(w, "-") // of "->"
		case i == 15:
			w = append(w, ">y")
		default:
			w = append(w, string(rune('a'+i%26)))
		}
	}
	return w
}

// rowOf is a row of logits with ties, of which some are likely.
func rowOf(n int, seed uint64) []float32 {
	row := make([]float32, n)
	for i := range row {
		row[i] = float32(6*Uniform(seed, uint32(i))) - 3
		if i%7 == 3 {
			row[i] = row[i-1]
		}
	}
	return row
}

// said is a text that repeats itself.
func said(n, vocab int, seed uint64) []int32 {
	ids := make([]int32, n)
	for i := range ids {
		ids[i] = int32(float32(Uniform(seed, uint32(i))*float32(vocab)) * 0.4)
		if i >= 9 && i%23 > 8 {
			ids[i] = ids[i-9]
		}
	}
	return ids
}

// TestDistributions: each sampler alone draws what its formula says.
func TestDistributions(t *testing.T) {
	inf := float32(math.Inf(-1))
	off := Settings{Params: Params{Temp: 1}}
	set := func(change func(s *Settings)) Settings {
		s := off
		change(&s)
		return s
	}
	dry := func(allowed, last int32, base float32, breakers ...string) Settings {
		return set(func(s *Settings) {
			s.DryMultiplier, s.DryBase, s.DryAllowed, s.DryLastN, s.DryBreakers = 0.7, base, allowed, last, breakers
		})
	}
	for name, s := range map[string]Settings{
		"off":                         off,
		"greedy":                      {},
		"defaults":                    Defaults(),
		"temperature":                 set(func(s *Settings) { s.Temp = 1.7 }),
		"bias":                        set(func(s *Settings) { s.Bias = []Bias{{3, 2}, {4, -1.5}, {5, inf}, {3, 0.5}, {6, -100}} }),
		"repeat":                      set(func(s *Settings) { s.Repeat, s.LastN = 1.6, 20 }),
		"repeat below 1":              set(func(s *Settings) { s.Repeat, s.LastN = 0.7, -1 }),
		"frequency":                   set(func(s *Settings) { s.Frequency, s.LastN = 0.3, 30 }),
		"presence":                    set(func(s *Settings) { s.Presence, s.LastN = 1.1, 12 }),
		"negative presence":           set(func(s *Settings) { s.Presence, s.LastN = -0.8, 64 }),
		"all penalties":               set(func(s *Settings) { s.Repeat, s.Frequency, s.Presence, s.LastN = 1.2, 0.2, 0.4, 25 }),
		"penalties on no tokens":      set(func(s *Settings) { s.Repeat, s.Frequency, s.Presence, s.LastN = 1.2, 0.2, 0.4, 0 }),
		"DRY":                         dry(2, -1, 1.75),
		"DRY over few":                dry(1, 24, 1.3),
		"DRY from nothing on":         dry(0, -1, 1.2),
		"DRY of base 1":               dry(2, -1, 1),
		"DRY with a breaker":          dry(2, -1, 1.75, "\n"),
		"DRY over two tokens":         dry(1, -1, 1.75, "->"),
		"DRY with letters":            dry(0, -1, 1.75, "c", "d"),
		"DRY beyond float32":          dry(1, -1, math.MaxFloat32),
		"top-n-sigma 1":               set(func(s *Settings) { s.TopNSigma = 1 }),
		"top-n-sigma 0.3":             set(func(s *Settings) { s.TopNSigma = 0.3 }),
		"top-n-sigma beside bans":     set(func(s *Settings) { s.TopNSigma, s.Bias = 1.2, []Bias{{1, inf}, {2, inf}} }),
		"top-n-sigma off":             set(func(s *Settings) { s.TopNSigma = -1 }),
		"top-k":                       set(func(s *Settings) { s.TopK = 7 }),
		"top-k with a tie at its end": set(func(s *Settings) { s.TopK = 4 }),
		"top-k of what is not banned": set(func(s *Settings) { s.TopK, s.Bias = 3, []Bias{{0, inf}, {7, inf}, {8, inf}} }),
		"typical 0.5":                 set(func(s *Settings) { s.Typical = 0.5 }),
		"typical 0.9":                 set(func(s *Settings) { s.Typical = 0.9 }),
		"typical 0.01":                set(func(s *Settings) { s.Typical = 0.01 }),
		"typical at temperature 0":    {Typical: 0.3},
		"top-p":                       set(func(s *Settings) { s.TopP = 0.8 }),
		"min-p":                       set(func(s *Settings) { s.MinP = 0.2 }),
		"XTC":                         set(func(s *Settings) { s.XTCProbability, s.XTCThreshold = 0.5, 0.05 }),
		"XTC always":                  set(func(s *Settings) { s.XTCProbability, s.XTCThreshold = 1, 0.03 }),
		"XTC of one":                  set(func(s *Settings) { s.XTCProbability, s.XTCThreshold = 1, 0.45 }),
		"XTC above a half":            set(func(s *Settings) { s.XTCProbability, s.XTCThreshold = 1, 0.51 }),
		"XTC of all":                  set(func(s *Settings) { s.XTCProbability, s.XTCThreshold = 0.7, 0 }),
		"XTC at temperature 0":        {XTCProbability: 0.3, XTCThreshold: 0.02},
		"dynamic temperature":         set(func(s *Settings) { s.DynaRange, s.DynaExponent = 0.8, 1 }),
		"of exponent 2":               set(func(s *Settings) { s.Temp, s.DynaRange, s.DynaExponent = 0.5, 2, 2 }),
		"of exponent 0":               set(func(s *Settings) { s.DynaRange = 0.5 }),
		"dynamic from 0":              {DynaRange: 1.5, DynaExponent: 1},
	} {
		v, rows := letters(), uint64(2)
		if testing.Short() {
			rows = 1
		}
		for seed := range rows {
			follows(t, fmt.Sprintf("%s, row %d", name, seed), rowOf(len(v), seed), s, said(60, len(v), seed), v)
		}
	}
}

// TestCombinations: samplers together, in order. Half of the draws of settings have each
// of them on.
func TestCombinations(t *testing.T) {
	v := letters()
	const most = 60
	on := map[string]int{}
	for n := range uint32(most) {
		dice := func(i int) float32 { return Uniform(uint64(i)+100, n) }
		half := func(i int) bool { return dice(i) < 0.5 }
		s := Settings{Params: Params{Temp: 0.3 + 2*dice(0)}, LastN: int32(60 * dice(1))}
		if half(2) {
			s.Bias = []Bias{{int32(dice(3) * 40), 4*dice(4) - 2}, {int32(dice(5) * 40), float32(math.Inf(-1))}}
		}
		if half(6) {
			s.Repeat, s.Frequency, s.Presence = 0.8+dice(7), dice(8), dice(9)
		}
		if half(10) {
			s.DryMultiplier, s.DryBase, s.DryAllowed, s.DryLastN = dice(11), 1+dice(12), int32(4*dice(13)), int32(90*dice(14))
			s.DryBreakers = Defaults().DryBreakers
		}
		if half(15) {
			s.TopNSigma = 0.5 + 2*dice(16)
		}
		if half(17) {
			s.TopK = int32(1 + 30*dice(18))
		}
		if half(19) {
			s.Typical = dice(20)
		}
		if half(21) {
			s.TopP = dice(22)
		}
		if half(23) {
			s.MinP = dice(24) / 2
		}
		if half(25) {
			s.XTCProbability, s.XTCThreshold = dice(26), dice(27)/3
		}
		if half(28) {
			s.DynaRange, s.DynaExponent = dice(29), 2*dice(30)
		}
		on[fmt.Sprint(s.OnHost())]++
		follows(t, fmt.Sprintf("combination %d", n), rowOf(len(v), uint64(n)), s, said(60, len(v), uint64(n)), v)
	}
	if on["true"] < 40 {
		t.Errorf("%v: the draw of settings is poor", on)
	}
}

// TestTies: of equals the lower id comes first, in every cut.
func TestTies(t *testing.T) {
	row := []float32{1, 1, 1, 1, 1, 1}
	inf := float32(math.Inf(-1))
	for _, c := range []struct {
		name string
		s    Settings
		want []int32
	}{
		{"greedy", Settings{}, []int32{0}},
		{"greedy where the first is banned", Settings{Bias: []Bias{{0, inf}}}, []int32{1}},
		{"top-k", Settings{Params: Params{Temp: 1, TopK: 2}}, []int32{0, 1}},
		{"top-n-sigma keeps equals", Settings{Params: Params{Temp: 1}, TopNSigma: 0.1}, []int32{0, 1, 2, 3, 4, 5}},
		{"typical", Settings{Params: Params{Temp: 1}, Typical: 0.4}, []int32{0, 1, 2}},
		{"top-p", Settings{Params: Params{Temp: 1, TopP: 0.4}}, []int32{0, 1, 2}},
		{"XTC keeps the last", Settings{Params: Params{Temp: 1, TopK: 4}, XTCProbability: 1, XTCThreshold: 0.2}, []int32{3}},
		{"bias makes a tie", Settings{Params: Params{Temp: 1, TopK: 1}, Bias: []Bias{{4, 1}, {2, 1}}}, []int32{2}},
	} {
		var s Sampler
		var got []int32
		for seed := range uint64(500) {
			c.s.Seed = seed
			if id := s.Choose(row, &c.s, nil); !slices.Contains(got, id) {
				got = append(got, id)
			}
		}
		slices.Sort(got)
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: tokens %v, want %v", c.name, got, c.want)
		}
	}
}

// TestChooseIsPick: with Params alone Choose takes the very tokens that backends take.
func TestChooseIsPick(t *testing.T) {
	row := rowOf(1000, 3)
	ids := said(300, 1000, 1)
	var a, b Sampler
	for _, p := range []Params{{}, {Temp: 1}, {Temp: 0.8, TopK: 40, TopP: 0.95, MinP: 0.05, Seed: 9}, {Temp: 2, TopP: 0.3}} {
		for n := range ids {
			s := Settings{Params: p, LastN: 64, Repeat: 1, TopNSigma: -1, Typical: 1, XTCThreshold: 0.1, DynaExponent: 1, DryBase: 2, DryLastN: -1}
			if s.OnHost() {
				t.Fatalf("%+v is not for the host", s)
			}
			if got, want := a.Choose(row, &s, ids[:n+1]), b.Pick(row, p, int32(n)); got != want {
				t.Fatalf("%+v at %d: %d and %d", p, n, got, want)
			}
		}
	}
}

// TestChooseIsAFunction: what was chosen before matters only as ids; nothing is allocated
// once there was a row as large.
func TestChooseIsAFunction(t *testing.T) {
	v := make(words, 3000)
	for i := range v {
		v[i] = fmt.Sprint(i)
	}
	v[7], v[8] = "\n", "-"
	s := Defaults()
	s.Bias = []Bias{{1, 1}}
	s.Repeat, s.Frequency, s.Presence = 1.1, 0.1, 0.1
	s.DryMultiplier, s.DryBreakers = 0.8, []string{"\n", "-9"}
	s.TopNSigma, s.Typical, s.XTCProbability, s.DynaRange = 2, 0.9, 0.4, 0.3
	if err := s.Prepare(v); err != nil {
		t.Fatal(err)
	}
	row, ids := rowOf(len(v), 1), said(400, len(v), 2)
	var used, fresh Sampler
	other := 0
	for n := 1; n <= len(ids); n++ {
		fresh = Sampler{}
		a := used.Choose(row, &s, ids[:n])
		used.Choose(row, &s, ids[:1+(n*37)%len(ids)]) // a draft that is taken back
		if b := fresh.Choose(row, &s, ids[:n]); a != b {
			t.Fatalf("after %d tokens: %d, of a new sampler %d", n, a, b)
		}
		seed := s
		seed.Seed++
		if used.Choose(row, &seed, ids[:n]) != a {
			other++
		}
	}
	if other == 0 {
		t.Error("another seed chose the same")
	}
	if n := testing.AllocsPerRun(50, func() { used.Choose(row, &s, ids) }); n != 0 {
		t.Errorf("%v allocations a token", n)
	}
}

// TestChooseNotFinite: nothing turns a NaN or an infinity into something that is chosen
// from, and no setting makes one.
func TestChooseNotFinite(t *testing.T) {
	v := words{"a", "b", "c", "d"}
	big := float32(math.MaxFloat32)
	var s Sampler
	for _, how := range []Settings{
		{}, {Params: Params{Temp: 1}}, {Repeat: math.SmallestNonzeroFloat32, LastN: -1}, {Repeat: big, LastN: -1, Params: Params{Temp: 1}},
		{Frequency: big, Presence: big, LastN: -1}, {Frequency: -big, Presence: -big, LastN: -1, Params: Params{Temp: 3}},
		{Frequency: big, Presence: -big, LastN: -1}, {Bias: []Bias{{0, big}, {0, big}, {1, -big}, {1, -big}, {3, float32(math.Inf(-1))}}, LastN: -1, Repeat: 2},
		{DryMultiplier: big, DryBase: big, DryLastN: -1, Params: Params{Temp: big}}, {TopNSigma: big, Params: Params{Temp: 1}},
		{DynaRange: big, DynaExponent: 100, Params: Params{Temp: big}}, {Typical: math.SmallestNonzeroFloat32, XTCProbability: 1, XTCThreshold: 0, DynaRange: 1},
	} {
		if err := how.Prepare(v); err != nil {
			t.Fatal(err)
		}
		for _, bad := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
			for at := range 4 {
				logits := []float32{1, -2, 3, -4}
				logits[at] = float32(bad)
				if id := s.Choose(logits, &how, []int32{1, 2, 1}); id >= 0 {
					t.Errorf("%s, logits %g: token %d", &how, logits, id)
				}
			}
		}
		for _, logits := range [][]float32{{1, -2, 3, -4}, {big, big, -big, -big}, {0, 0, 0, 0}, {-big, -big, -big, big}, {big, 1e-45, -1e-45, 0}} {
			for seed := range uint64(50) {
				how.Seed = seed
				id := s.Choose(logits, &how, []int32{1, 2, 1, 2, 0, 1, 2})
				if id < 0 || id > 3 || len(how.Bias) > 0 && id == 3 {
					t.Errorf("%s, logits %g: token %d", &how, logits, id)
				}
			}
		}
	}
}

// TestChooseAnything: settings that nobody has checked do no harm either.
func TestChooseAnything(t *testing.T) {
	odd := []float32{float32(math.NaN()), float32(math.Inf(1)), float32(math.Inf(-1)), 0, -1, 1, 0.5, math.MaxFloat32, -math.MaxFloat32, math.SmallestNonzeroFloat32}
	whole := []int32{0, -1, math.MinInt32, math.MaxInt32, 1, 3}
	row, ids := rowOf(20, 1), []int32{3, -5, 99, 3, 3, 3, 1, 2, 1, 2, math.MaxInt32, math.MinInt32, 1, 2}
	var s Sampler
	for n := range uint32(5000) {
		how := Settings{Bias: []Bias{{int32(n%40) - 10, odd[n%10]}}}
		how.Seed = uint64(n)
		for i := range Fields {
			f, dice := &Fields[i], Uniform(uint64(i), n)
			if f.Float != nil {
				*f.Float(&how) = odd[int(dice*float32(len(odd)))]
			} else {
				*f.Whole(&how) = whole[int(dice*float32(len(whole)))]
			}
		}
		if id := s.Choose(row, &how, ids); id < -1 || int(id) >= len(row) {
			t.Fatalf("%s: token %d", &how, id)
		}
	}
}
