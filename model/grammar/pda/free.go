package pda

import "eclat/model/grammar/regular"

// Free says that a state takes plain text: every character of Plain, in any order.
type Free uint8

const (
	Bound    Free = iota // it does not
	Stays                // a plain character leads back to the state
	OneATurn             // a plain character is a whole turn, no more, of a loop whose body begins here
)

// Plain is the characters that strings of JSON, and most free text of other grammars, take
// as they are: no quote, no backslash, no control character, no separator of lines.
var Plain = escaped.Negate().Intersect(regular.Set{{Lo: 0x7F, Hi: 0x7F}, {Lo: 0x2028, Hi: 0x2029}}.Negate())

// markFree finds the free states, so that the tokens of plain text need not be tried there
// one by one.
func (p *Program) markFree() {
	var ways [][]span
	for _, r := range Plain {
		sequences(r.Lo, r.Hi, func(s []span) { ways = append(ways, append([]span(nil), s...)) })
	}
	for s := range p.States {
		// A look at the letter a settles most states.
		to := p.Next(int32(s), 'a')
		if to < 0 {
			continue
		}
		free, turn := to == int32(s), p.States[to].only()
		for _, w := range ways {
			if !free && !turn {
				break
			}
			p.follow(int32(s), w, func(to int32) {
				free = free && to == int32(s)
				turn = turn && to >= 0 && p.States[to].only()
			})
		}
		switch {
		case free:
			p.States[s].Free = Stays
		case turn:
			p.States[s].Free = OneATurn
		}
	}
}

// only reports whether a state can do nothing but pop.
func (s *State) only() bool { return s.Leave && s.Edge == s.EdgeEnd && s.Act == s.ActEnd }

// markShut finds the loops behind which no plain text can follow at once, so that their
// count alone decides how much of it there may be.
func (p *Program) markShut() {
	for i := range p.Loops {
		st := &p.States[p.Loops[i].After]
		shut := !st.Leave && st.Act == st.ActEnd
		for _, e := range p.Edges[st.Edge:st.EdgeEnd] {
			for c := int(e.Lo); c <= int(e.Hi); c++ {
				shut = shut && c < 0x80 && !Plain.Has(rune(c))
			}
		}
		p.Loops[i].Shut = shut
	}
}

// follow gives f the states that the byte ranges of way lead to from s, −1 where a byte
// leads nowhere.
func (p *Program) follow(s int32, way []span, f func(int32)) {
	if s < 0 || len(way) == 0 {
		f(s)
		return
	}
	at := int(way[0].lo)
	st := p.States[s]
	for _, e := range p.Edges[st.Edge:st.EdgeEnd] {
		if int(e.Hi) < at || e.Lo > way[0].hi {
			continue
		}
		if int(e.Lo) > at {
			break
		}
		p.follow(e.To, way[1:], f)
		at = int(e.Hi) + 1
	}
	if at <= int(way[0].hi) {
		f(-1)
	}
}
