package sample

import (
	"math"
	"math/bits"
	"slices"
	"unsafe"

	"eclat/model/numerics"
)

// Params say how to pick a token from logits, as far as every device can. The filters apply in the order
// top-k, top-p, min-p, temperature; the zero value of each filter turns it off.
type Params struct {
	Temp float32 // temperature; 0 picks the most likely token
	TopK int32   // keep the k most likely tokens
	TopP float32 // keep the fewest tokens whose probabilities reach p; 1 is off too
	MinP float32 // keep tokens at least p times as likely as the most likely
	Seed uint64  // with the token's position, the only source of randomness

	Logits bool // the row of logits itself is wanted on the host; no token is picked
}

// Factor is from a difference of logits to a power of two at the temperature: log₂e/Temp,
// at most the largest number, flushed.
func (p *Params) Factor() float32 {
	return numerics.Flush(float32(min(math.Log2E/float64(p.Temp), math.MaxFloat32)))
}

// Least is what a logit may lie below the largest for min-p, ln(MinP) ≤ 0, −Inf where the
// filter is off. (Above 1, which no logit but the largest passes, it is greater than 0.)
func (p *Params) Least() float32 {
	if !(p.MinP > 0) {
		return float32(math.Inf(-1))
	}
	return float32(numerics.Log(min(float64(p.MinP), math.MaxFloat32)))
}

// weight is 2^((logit − top)·factor), each operation rounded. Logits further apart than
// float32 reaches are as far as it reaches, so that no infinity meets a factor of 0.
func weight(logit, top, factor float32) float32 {
	return numerics.Exp2(float32(max(logit-top, -math.MaxFloat32) * factor))
}

// Uniform returns the random number in [0, 1) of a seed and a position: the top
// 24 bits of the first word of Philox4x32-10 with the seed as key and the position
// as counter (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3").
// It needs 32-bit integers only, so a shader computes the same number.
func Uniform(seed uint64, pos uint32) float32 {
	return uniform(seed, pos, 0)
}

// uniform is the number of one of the four words of a seed and a position.
func uniform(seed uint64, pos uint32, word int) float32 {
	return float32(philox([4]uint32{pos}, [2]uint32{uint32(seed), uint32(seed >> 32)})[word]>>8) / (1 << 24)
}

func philox(c [4]uint32, k [2]uint32) [4]uint32 {
	for range 10 {
		h0, l0 := bits.Mul32(0xD2511F53, c[0])
		h1, l1 := bits.Mul32(0xCD9E8D57, c[2])
		c = [4]uint32{h1 ^ c[1] ^ k[0], l1, h0 ^ c[3] ^ k[1], l0}
		k[0] += 0x9E3779B9
		k[1] += 0xBB67AE85
	}
	return c
}

// Sampler picks tokens. It keeps its scratch memory between calls, so it belongs
// to one goroutine; the zero value is ready.
type Sampler struct {
	cand     []candidate
	logits   []float32  // adjusted
	counts   []int32    // by token, zeros between uses
	common   []int32    // by position of a window
	surprise []surprise // by candidate
	weights  []float64  // by candidate
	text     []byte     // of a token
}

type candidate struct {
	id    int32
	logit float32
}

// CandidateBytes is what a Sampler's scratch memory takes for each token of the vocabulary.
const CandidateBytes = int64(unsafe.Sizeof(candidate{}))

// Reserve makes room for a vocabulary of n tokens, so that Pick allocates nothing.
func (s *Sampler) Reserve(n int) { s.cand = slices.Grow(s.cand[:0], n) }

// Pick returns the token chosen from logits (vocab) at a position, or −1 where one of
// them is not finite: NaN or an infinity. Equal logits rank by id, so the answer is a
// function of its arguments alone, and it is the same on every device: with x[c] the
// logits in order of rank, in float32, each operation rounded, sums from +0 in that order,
//
//	w[c] = Exp2((x[c] − x[0])·log₂e)     top-p keeps up to the first c with Σw[…c] ≥ TopP·Σw
//	x[c] ≥ x[0] + Least()                min-p keeps these, of those
//	w[c] = Exp2((x[c] − x[0])·Factor())  the first c with Σw[…c] > Uniform·Σw is chosen, else the last
func (s *Sampler) Pick(logits []float32, how Params, pos int32) int32 {
	if !Finite(logits) {
		return -1
	}
	return s.draw(logits, &Settings{Params: how}, pos)
}

// Choose returns the token that follows ids, chosen from the logits (vocab) that stand
// after the last of them; −1 where one of the logits is not finite, which no penalty
// mends, or no token may be chosen. Settings are prepared. Where they are Params alone it is Pick at that token's
// position.
func (s *Sampler) Choose(logits []float32, how *Settings, ids []int32) int32 {
	if !Finite(logits) {
		return -1
	}
	if how.adjusts() {
		logits = s.adjust(logits, how, ids)
	}
	return s.draw(logits, how, int32(len(ids)-1))
}

// draw takes a token from logits that are finite, or −∞ where it is banned; −1 where
// all are.
func (s *Sampler) draw(logits []float32, how *Settings, pos int32) int32 {
	best := Argmax(logits)
	greedy := !(how.Temp > 0) && !(how.DynaRange > 0) && !how.typical() && !how.xtc()
	if best < 0 || greedy || how.TopK == 1 {
		return best
	}
	k := len(logits)
	if how.TopK > 0 {
		k = min(k, int(how.TopK))
	}
	s.choose(logits, k)
	cand := s.cand // ranked, at every step

	if how.TopNSigma > 0 {
		cand = withinSigma(cand, logits, how.TopNSigma)
	}
	if how.typical() {
		cand = s.typicalOf(cand, how.Typical)
	}
	if how.TopP > 0 && how.TopP < 1 {
		reach := float32(how.TopP * total(cand, math.Log2E))
		cand = cand[:min(len(cand), 1+first(cand, math.Log2E, func(sum float32) bool { return sum >= reach }))]
	}
	if how.MinP > 0 {
		least := cand[0].logit + how.Least()
		n, _ := slices.BinarySearchFunc(cand, least, func(c candidate, least float32) int {
			if c.logit >= least {
				return -1
			}
			return 1
		})
		cand = cand[:max(1, n)]
	}
	if how.xtc() {
		cand = withoutTop(cand, how, pos)
	}
	p := how.Params
	if p.Temp = s.temperature(how, cand); !(p.Temp > 0) {
		return cand[0].id
	}
	factor := p.Factor()
	u := float32(Uniform(p.Seed, uint32(pos)) * total(cand, factor))
	return cand[min(len(cand)-1, first(cand, factor, func(sum float32) bool { return sum > u }))].id
}

// total is the sum of the candidates' weights, in order of rank.
func total(cand []candidate, factor float32) (sum float32) {
	for _, c := range cand {
		sum += weight(c.logit, cand[0].logit, factor)
	}
	return sum
}

// first returns the first candidate with which the sum of the weights is enough, their
// number where none is.
func first(cand []candidate, factor float32, enough func(sum float32) bool) int {
	var sum float32
	for i, c := range cand {
		if sum += weight(c.logit, cand[0].logit, factor); enough(sum) {
			return i
		}
	}
	return len(cand)
}

// Argmax returns the index of the largest number, the first of equals; −1 where
// none is a number.
func Argmax(logits []float32) int32 {
	best, at := float32(math.Inf(-1)), int32(-1)
	for i, x := range logits {
		if x > best {
			best, at = x, int32(i)
		}
	}
	return at
}

// Finite reports whether no number is NaN or infinite.
func Finite(logits []float32) bool {
	var bad uint32
	for _, x := range logits {
		bad |= (math.Float32bits(x)&0x7f800000 + 0x00800000) & 0x80000000 // an exponent of all ones carries over
	}
	return bad == 0
}

// before reports that c ranks before o: the more likely one does, of equals that of the
// lower id. Logits are numbers, so this takes no care of NaN.
func (c candidate) before(o candidate) bool {
	return c.logit > o.logit || c.logit == o.logit && c.id < o.id
}

// byRank orders candidates as before does.
func byRank(a, b candidate) int {
	switch {
	case a.before(b):
		return -1
	case b.before(a):
		return 1
	}
	return 0
}

// choose leaves the k best numbers of logits in s.cand, ranked; none of −∞. For k below the
// vocabulary it keeps a heap of k with the worst on top.
func (s *Sampler) choose(logits []float32, k int) {
	s.cand = s.cand[:0]
	i := 0
	for ; i < len(logits) && len(s.cand) < k; i++ {
		if x := logits[i]; x >= -math.MaxFloat32 { // else banned
			s.cand = append(s.cand, candidate{int32(i), x})
		}
	}
	if i < len(logits) {
		for j := k/2 - 1; j >= 0; j-- {
			s.down(j)
		}
		worst := s.cand[0].logit
		for ; i < len(logits); i++ {
			if x := logits[i]; x > worst { // an equal one would rank after it, for its id is higher
				s.cand[0] = candidate{int32(i), x}
				s.down(0)
				worst = s.cand[0].logit
			}
		}
	}
	slices.SortFunc(s.cand, byRank)
}

// down restores the heap below i: every candidate ranks after its children.
func (s *Sampler) down(i int) {
	h := s.cand
	for {
		worst := i
		for c := 2*i + 1; c <= 2*i+2 && c < len(h); c++ {
			if h[worst].before(h[c]) {
				worst = c
			}
		}
		if worst == i {
			return
		}
		h[i], h[worst] = h[worst], h[i]
		i = worst
	}
}
