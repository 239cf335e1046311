package sample

import (
	"math"
	"slices"
	"sort"
	"strings"
	"testing"
)

// The chain once more, as the formulas stand in doc.go: in float64, with package math,
// maps and plain loops. It returns the probability of each token.

type oracle map[int32]float64 // logits of the tokens left

func (o oracle) ranked() []int32 {
	ids := make([]int32, 0, len(o))
	for id := range o {
		ids = append(ids, id)
	}
	sort.Slice(ids, func(i, j int) bool {
		a, b := ids[i], ids[j]
		return o[a] > o[b] || o[a] == o[b] && a < b
	})
	return ids
}

func (o oracle) probs(temp float64) map[int32]float64 {
	best, sum := math.Inf(-1), 0.0
	for _, x := range o {
		best = max(best, x)
	}
	p := map[int32]float64{}
	for id, x := range o {
		p[id] = math.Exp((x - best) / temp)
		sum += p[id]
	}
	for id := range p {
		p[id] /= sum
	}
	return p
}

func (o oracle) only(ids []int32) oracle {
	out := oracle{}
	for _, id := range ids {
		out[id] = o[id]
	}
	return out
}

func (o oracle) entropy() (h float64) {
	for _, p := range o.probs(1) {
		if p > 0 {
			h -= p * math.Log(p)
		}
	}
	return h
}

func lastOf(ids []int32, n int32) []int32 {
	if n >= 0 && int(n) < len(ids) {
		return ids[len(ids)-int(n):]
	}
	return ids
}

// dryLength is the longest end of w that stood in w before, followed by t, by trying all;
// 0, false where t never followed anything.
func dryLength(w []int32, t int32, limit int) (n int, ok bool) {
	for at := 1; at < len(w); at++ {
		if w[at] != t {
			continue
		}
		same := 0
		for same < limit && same < at && w[at-1-same] == w[len(w)-1-same] {
			same++
		}
		n, ok = max(n, same), true
	}
	return n, ok
}

// sinceBreaker looks for breakers in the window's text and returns how many tokens
// follow the one in which the last of them ends.
func sinceBreaker(w []int32, breakers []string, text func(int32) string) int {
	var all strings.Builder
	var owner []int // by byte: the token
	for i, id := range w {
		all.WriteString(text(id))
		for range text(id) {
			owner = append(owner, i)
		}
	}
	last := -1
	for end := range owner {
		for _, b := range breakers {
			if strings.HasSuffix(all.String()[:end+1], b) {
				last = owner[end]
			}
		}
	}
	return len(w) - 1 - last
}

func distribution(logits []float32, s *Settings, ids []int32, text func(int32) string) map[int32]float64 {
	o := oracle{}
	for i, x := range logits {
		o[int32(i)] = float64(x)
	}
	for _, b := range s.Bias {
		o[b.ID] += float64(b.Add)
	}
	seen := map[int32]float64{}
	for _, id := range lastOf(ids, s.LastN) {
		seen[id]++
	}
	for id, c := range seen {
		if s.Repeat != 0 {
			if o[id] <= 0 {
				o[id] *= float64(s.Repeat)
			} else {
				o[id] /= float64(s.Repeat)
			}
		}
		o[id] -= c*float64(s.Frequency) + float64(s.Presence)
	}
	if s.DryMultiplier > 0 {
		w := lastOf(ids, s.DryLastN)
		limit := sinceBreaker(w, s.DryBreakers, text)
		for id := range o {
			n, ok := dryLength(w, id, limit)
			if !ok || n < int(s.DryAllowed) || slices.ContainsFunc(s.DryBreakers, func(b string) bool { return strings.Contains(text(id), b) }) {
				continue
			}
			more := float64(n) - float64(s.DryAllowed)
			if base := math.Log(float64(s.DryBase)); base > 0 {
				more = min(more, 88.72/base)
			}
			o[id] -= float64(s.DryMultiplier) * math.Pow(float64(s.DryBase), more)
		}
	}
	for id, x := range o {
		if math.IsInf(x, -1) {
			delete(o, id)
		}
	}
	if s.TopNSigma > 0 {
		var mean, square, best float64
		best = math.Inf(-1)
		for _, x := range o {
			mean += x / float64(len(o))
			best = max(best, x)
		}
		for _, x := range o {
			square += (x - mean) * (x - mean) / float64(len(o))
		}
		for id, x := range o {
			if x < best-float64(s.TopNSigma)*math.Sqrt(square) {
				delete(o, id)
			}
		}
	}
	if k := int(s.TopK); k > 0 && k < len(o) {
		o = o.only(o.ranked()[:k])
	}
	if s.Typical > 0 && s.Typical < 1 {
		p, h, order, sum := o.probs(1), o.entropy(), o.ranked(), 0.0
		away := func(id int32) float64 { return math.Abs(-math.Log(p[id]) - h) }
		sort.SliceStable(order, func(i, j int) bool {
			a, b := order[i], order[j]
			return away(a) < away(b) || away(a) == away(b) && a < b
		})
		for i, id := range order {
			if sum += p[id]; sum > float64(s.Typical) {
				order = order[:i+1]
				break
			}
		}
		o = o.only(order)
	}
	if s.TopP > 0 && s.TopP < 1 {
		p, order, sum := o.probs(1), o.ranked(), 0.0
		for i, id := range order {
			if sum += p[id]; sum >= float64(s.TopP) {
				order = order[:i+1]
				break
			}
		}
		o = o.only(order)
	}
	if s.MinP > 0 {
		best := o[o.ranked()[0]]
		for id, x := range o {
			if x < best+math.Log(float64(s.MinP)) {
				delete(o, id)
			}
		}
	}
	plain := o.drawn(s)
	if !(s.XTCProbability > 0) || s.XTCThreshold > 0.5 {
		return plain
	}
	p, order, n := o.probs(1), o.ranked(), 0
	for n < len(order) && p[order[n]] >= float64(s.XTCThreshold) {
		n++
	}
	if n < 2 {
		return plain
	}
	without, u := o.only(order[n-1:]).drawn(s), float64(s.XTCProbability)
	mixed := map[int32]float64{}
	for id := range o {
		mixed[id] = (1-u)*plain[id] + u*without[id]
	}
	return mixed
}

func (o oracle) drawn(s *Settings) map[int32]float64 {
	temp := float64(s.Temp)
	if s.DynaRange > 0 && len(o) > 1 {
		low, high := max(0, temp-float64(s.DynaRange)), temp+float64(s.DynaRange)
		temp = low + (high-low)*math.Pow(o.entropy()/math.Log(float64(len(o))), float64(s.DynaExponent))
	}
	if temp <= 0 {
		return map[int32]float64{o.ranked()[0]: 1}
	}
	return o.probs(temp)
}

// draws is how many seeds one step is drawn with.
const draws = 20000

// follows compares draws with the probabilities they should follow: no token of
// probability 0, and χ² below what a right sampler exceeds once in 10⁷ (Wilson-Hilferty).
func follows(t *testing.T, name string, logits []float32, s Settings, ids []int32, v words) {
	t.Helper()
	want := distribution(logits, &s, ids, v.text)
	if err := s.Prepare(v); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	var sampler Sampler
	got := map[int32]int{}
	before := slices.Clone(logits)
	for seed := range uint64(draws) {
		s.Seed = seed
		got[sampler.Choose(logits, &s, ids)]++
	}
	if !slices.Equal(logits, before) {
		t.Fatalf("%s: the row of logits was written to", name)
	}
	var chi, rest, restWant float64
	cells := -1
	add := func(n, want float64) {
		chi += (n - want) * (n - want) / want
		cells++
	}
	for id, n := range got {
		if want[id]*draws < 1e-9 {
			t.Fatalf("%s: token %d was drawn %d times; %v is left", name, id, n, want)
		}
	}
	for id, p := range want {
		if p*draws < 8 {
			rest += float64(got[id])
			restWant += p * draws
			continue
		}
		if got[id] == 0 {
			t.Fatalf("%s: token %d of probability %.4f was never drawn", name, id, p)
		}
		add(float64(got[id]), p*draws)
	}
	if restWant > 4 {
		add(rest, restWant)
	}
	if cells < 1 {
		return
	}
	k := float64(cells)
	if limit := k * math.Pow(1-2/(9*k)+5.2*math.Sqrt(2/(9*k)), 3); chi > limit {
		t.Errorf("%s (%s): χ² of %d degrees is %.1f, the limit %.1f\nwant %v\ngot  %v", name, &s, cells, chi, limit, want, got)
	}
}

// words is a vocabulary.
type words []string

func (w words) Size() int                                  { return len(w) }
func (w words) text(id int32) string                       { return w[id] }
func (w words) Append(dst []byte, id int32, _ bool) []byte { return append(dst, w[id]...) }
