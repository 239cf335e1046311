package jinja

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// Span is a range of bytes [From, To).
type Span struct{ From, To int }

// Text is a rendered template.
type Text struct {
	String  string
	Tainted []Span // what came from tainted variables: ascending, apart, not empty
}

// Str is a string value. The zero Str is the empty string.
type Str struct {
	s string
	t []Span // tainted bytes, as in Text; never changed once made
}

// String makes a string value; tainted says that it comes from outside.
func String(s string, tainted bool) Str {
	if tainted && s != "" {
		return Str{s, []Span{{0, len(s)}}}
	}
	return Str{s: s}
}

func clean(s string) Str { return Str{s: s} }

// builder makes a Str of pieces and counts its bytes.
type builder struct {
	m     *machine
	limit int // of bytes; 0 for none but the machine's memory
	b     strings.Builder
	t     []Span
}

func (b *builder) put(s string) {
	b.m.alloc(len(s))
	if b.limit > 0 && b.b.Len()+len(s) > b.limit {
		b.m.exceeded("more than %d bytes of output", b.limit)
	}
	b.b.WriteString(s)
}

// grow makes room for n bytes that are to come, all of which are counted as they do.
func (b *builder) grow(n int) {
	if n < 0 || n > b.m.lim.Memory-b.m.memory {
		b.m.exceeded("more than %d bytes of memory", b.m.lim.Memory)
	}
	b.b.Grow(n)
}

// mark taints the bytes from i to the end.
func (b *builder) mark(i int) {
	j := b.b.Len()
	switch last := len(b.t) - 1; {
	case i == j:
	case last >= 0 && b.t[last].To == i:
		b.t[last].To = j
	default:
		b.m.alloc(16)
		b.t = append(b.t, Span{i, j})
	}
}

func (b *builder) clean(s string) { b.put(s) }

// as writes s, tainted or not.
func (b *builder) as(s string, tainted bool) {
	i := b.b.Len()
	b.put(s)
	if tainted {
		b.mark(i)
	}
}

func (b *builder) str(s Str) { b.part(s, 0, len(s.s)) }

// part writes the bytes [i, j) of s.
func (b *builder) part(s Str, i, j int) {
	at := b.b.Len()
	b.put(s.s[i:j])
	// The spans from the first that ends after i.
	k, _ := slices.BinarySearchFunc(s.t, i+1, func(t Span, i int) int { return t.To - i })
	for _, t := range s.t[k:] {
		if t.From >= j {
			break
		}
		from, to := at+max(t.From, i)-i, at+min(t.To, j)-i
		if last := len(b.t) - 1; last >= 0 && b.t[last].To == from {
			b.t[last].To = to
			continue
		}
		b.m.alloc(16)
		b.t = append(b.t, Span{from, to})
	}
}

func (b *builder) done() Str { return Str{b.b.String(), b.t} }

func (m *machine) builder() *builder { return &builder{m: m} }

// concat joins strings.
func (m *machine) concat(parts ...Str) Str {
	b, n := m.builder(), 0
	for _, p := range parts {
		n += len(p.s)
	}
	b.grow(n)
	for _, p := range parts {
		b.str(p)
	}
	return b.done()
}

// cut is the bytes [i, j) of s, which share its memory.
func (m *machine) cut(s Str, i, j int) Str {
	if i >= j {
		return Str{}
	}
	if i == 0 && j == len(s.s) {
		return s
	}
	k, _ := slices.BinarySearchFunc(s.t, i+1, func(t Span, i int) int { return t.To - i })
	var t []Span
	for _, x := range s.t[k:] {
		if x.From >= j {
			break
		}
		m.alloc(16)
		t = append(t, Span{max(x.From, i) - i, min(x.To, j) - i})
	}
	m.step()
	return Str{s.s[i:j], t}
}

// mapRunes replaces each character by what f gives for it; first and taint pass on.
func (m *machine) mapRunes(s Str, f func(r rune) string) Str {
	b, k := m.builder(), 0
	for i, r := range s.s {
		m.step()
		for k < len(s.t) && s.t[k].To <= i {
			k++
		}
		b.as(f(r), k < len(s.t) && s.t[k].From <= i)
	}
	return b.done()
}

// runes is the number of characters.
func (m *machine) runes(s Str) int {
	m.work(len(s.s))
	return utf8.RuneCountInString(s.s)
}

// offset is the byte at which character n begins; 0 ≤ n ≤ the number of characters.
func (m *machine) offset(s string, n int) int {
	m.work(len(s))
	for i := range s {
		if n == 0 {
			return i
		}
		n--
	}
	return len(s)
}
