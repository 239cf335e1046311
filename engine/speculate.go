package engine

import (
	"math/bits"
	"time"

	"eclat/model"
)

// Drafts: where an answer's last words have come before, what followed them is a guess at
// what follows now. The guess runs in the same batch as the token before it, which costs
// less than a batch for each, and stands as far as the tokens that are then chosen equal it.
// They are chosen from the same logits, by the same numbers, as without: only the time
// differs. (Prompt lookup; as llama.cpp's common_sampler_sample_and_accept_n accepts.)

// MaxDraft is the most tokens of a guess, so that an answer's batch fills a program.
const MaxDraft = 15

// maxDrafting is how many sequences may have guesses in a batch: more of them fill a
// batch without.
const maxDrafting = 4

// gram is how many tokens must have come before in the same order.
const gram = 3

// lookup finds where the last tokens of a sequence stood before. It belongs to a sequence.
type lookup struct {
	ends  []int32 // by hash of gram tokens: where the last ones were that end at … ; 0 for nowhere
	known int     // tokens that are in ends
	same  int     // of the answer, how many tokens are those of Request.Guess; −1 once one is another
	right [kinds]float32
}

// kind is where a guess comes from: a match of 3 tokens, of 4–7, of 8–15, of more, for the
// longer what has come before, the likelier is what followed it; a smaller model; or who asks.
type kind int8

const (
	noGuess  kind = iota
	byModel  kind = 5
	byCaller kind = 6
	kinds         = 7
)

func kindOf(match int) kind { return kind(min(bits.Len(uint(match))-1, 4)) }

func newLookup() *lookup {
	l := &lookup{ends: make([]int32, 1<<12)}
	for i := range l.right {
		l.right[i] = 0.5
	}
	l.right[byCaller] = 0.98 // who gives a guess knows it
	return l
}

// hash is of the gram tokens that end before end.
func (l *lookup) hash(tokens []int32, end int) *int32 {
	h := uint32(0)
	for _, id := range tokens[end-gram : end] {
		h = (h ^ uint32(id)) * 0x9E3779B1
		h ^= h >> 15
	}
	return &l.ends[h%uint32(len(l.ends))]
}

// find returns where the last tokens ended before, and how many of them are the same;
// 0 for nowhere. All but the last is known afterwards.
func (l *lookup) find(tokens []int32) (end, match int) {
	for l.known = max(l.known, gram); l.known < len(tokens); l.known++ {
		*l.hash(tokens, l.known) = int32(l.known)
	}
	if len(tokens) < gram {
		return 0, 0
	}
	end = int(*l.hash(tokens, len(tokens)))
	for match < min(end, 32) && tokens[end-1-match] == tokens[len(tokens)-1-match] {
		match++
	}
	if match < gram {
		return 0, 0
	}
	return end, match
}

// before finds where what may follow the last tokens of q stands: text[end:] of the guess
// that came with the request, or of q's own tokens. noGuess is nowhere.
func (q *sequence) before() (text []int32, end int, k kind) {
	l, answer := q.lookup, q.tokens[len(q.r.Tokens):]
	for l.same >= 0 && l.same < len(answer) {
		if l.same < len(q.r.Guess) && q.r.Guess[l.same] == answer[l.same] {
			l.same++
		} else {
			l.same = -1
		}
	}
	if l.same >= 0 && l.same < len(q.r.Guess) {
		return q.r.Guess, l.same, byCaller
	}
	end, match := l.find(q.tokens)
	if match == 0 {
		return nil, 0, noGuess
	}
	return q.tokens, end, kindOf(match)
}

// took counts whether the token that was guessed was chosen.
func (l *lookup) took(k kind, right bool) {
	p := &l.right[k]
	if right {
		*p += (1 - *p) / 8
	} else {
		*p -= *p / 8
	}
}

// guess appends up to n tokens that followed at end, and where the text ends there, those
// that followed then: a text that repeats itself goes on so.
func guess(dst, tokens []int32, end, n int) []int32 {
	back := len(tokens) - end
	for i := range n {
		if end+i < len(tokens) {
			dst = append(dst, tokens[end+i])
		} else {
			dst = append(dst, dst[i-back])
		}
	}
	return dst
}

// pace is what a batch of answers takes, in seconds, by the program's size: 1, 2, 4 … 64
// tokens. 0 is not known.
type pace [7]float64

func paceOf(n int) int { return min(bits.Len(uint(n-1)), len(pace{})-1) }

// of is what a batch of n tokens may take; one that has not been timed is thought to take
// half as much again as one of half its size.
func (p *pace) of(n int) float64 {
	at, more := paceOf(n), 1.
	for ; at > 0 && p[at] == 0; at-- {
		more *= 1.5
	}
	return p[at] * more
}

func (p *pace) took(n int, d time.Duration) {
	smooth(&p[paceOf(n)], d.Seconds())
}

// smooth takes a measurement into a mean of the last ones; 0 is none yet.
func smooth(mean *float64, x float64) {
	if *mean == 0 {
		*mean = x
	}
	*mean += (x - *mean) / 8
}

// price is what guesses take besides their batch.
type price struct {
	each    float64 // seconds to guess a token
	keeping float64 // seconds to keep what a wrong guess is taken back to
	again   bool    // what is right of a guess that is not all right runs once more
}

// worth is how many tokens to guess, of which each is right with a probability where the
// ones before are, when so many answers share a batch, and how much faster that is; 0 where
// none pays.
func (p *pace) worth(right float32, answers, most int, c price) (best int, gain float64) {
	gain = 1.05 // a guess has its own price, and times are not sure
	if p[paceOf(answers)] == 0 {
		return 0, 1
	}
	base := p.of(answers)
	for n := 1; n <= most; n = 2*n + 1 {
		tokens, q := 1., 1.
		for range n {
			q *= float64(right)
			tokens += q
		}
		// The others' tokens come in the same batch, each with its guess or without.
		took := p.of(answers*(1+n)) + float64(n)*c.each + c.keeping
		if c.again { // with the token that was chosen last, and another comes of it
			took += (1 - q) * p.of(answers*(1+int(tokens)))
			tokens += 1 - q
		}
		if g := tokens * base / took; g > gain {
			best, gain = n, g
		}
	}
	return best, gain
}

// draft guesses the next tokens of q, at most n, into q.draft.
func (o *owner) draft(q *sequence, n int) {
	q.draft, q.guess = q.draft[:0], noGuess
	if q.r.Draft <= 0 {
		return
	}
	if q.lookup == nil {
		q.lookup = newLookup()
	}
	text, end, k := q.before()
	switch {
	case k != noGuess:
		// The first guess is looked at also where none is made: that costs nothing.
		q.guess, q.guessed = k, text[end]
	case o.e.options.DraftModel == nil:
		return
	}
	most := min(n, q.r.Draft, MaxDraft, maxWant/o.answers-1, o.e.Context-len(q.tokens), cap(q.stream.events)-len(q.stream.events)-2)
	if q.r.MaxTokens >= 0 {
		most = min(most, q.r.MaxTokens-q.stats.GeneratedTokens-1)
	}
	if o.answers > maxDrafting || most <= 0 || !o.spare(q, 1+most) {
		return
	}
	if k == noGuess {
		o.askModel(q, most)
		return
	}
	if o.pays(q, &most, 0) {
		q.draft = guess(q.draft, text, end, most)
	}
}

// pays reports whether it pays to guess tokens of q, each of which takes a time to guess,
// and makes n as many as are best.
func (o *owner) pays(q *sequence, n *int, each float64) bool {
	if o.e.options.eager {
		return true
	}
	gain := 0.
	*n, gain = o.pace.worth(q.lookup.right[q.guess], o.answers, *n, price{each, o.keeping, o.index.states})
	return *n > 0 && o.compiled(o.answers*(1+*n), gain)
}

// compiled reports whether a batch of n tokens has its program, or should get one: when
// as much time was missed without it as a program takes on average to compile.
func (o *owner) compiled(n int, gain float64) bool {
	some, lacks := 0, false
	for i := range o.chain.links {
		programs := o.chain.links[i].programs
		if programs[o.e.sizeFor(n)] == nil {
			lacks = true
		}
		some += len(programs)
	}
	if !lacks {
		return true
	}
	if o.missed += (1 - 1/gain) * o.pace[paceOf(o.answers)]; o.missed*float64(max(1, some)) < o.chain.compileTime().Seconds() {
		return false
	}
	o.missed = 0
	return true
}

// spare reports whether n tokens of q have pages without anybody's giving way, and what a
// state is kept in is left beside a snapshot.
func (o *owner) spare(q *sequence, n int) bool {
	for pool, k := range o.pages.kinds {
		if k.Per == model.Sequence {
			if len(o.pages.free[pool]) == 0 && o.pages.idle[pool] < 2 {
				return false
			}
			continue
		}
		if len(q.units) > pool && len(q.units[pool]) >= model.Pages(q.stored+n) {
			continue
		}
		if len(o.pages.free[pool]) < len(o.active)+1 {
			return false
		}
	}
	return true
}
