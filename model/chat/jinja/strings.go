package jinja

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// The functions on strings that filters and methods share. All keep taint.

// strip takes characters away at the left, the right or both ends: those of chars, or
// white space where chars is nil.
func (m *machine) strip(s Str, chars Value, left, right bool) Str {
	cut := isSpace
	if chars != nil {
		c, ok := chars.(Str)
		if !ok {
			m.fail("strip needs a string, not %s", m.kind(chars))
		}
		m.work(len(c.s))
		set := map[rune]bool{}
		for _, r := range c.s {
			set[r] = true
		}
		cut = func(r rune) bool { return set[r] }
	}
	m.work(len(s.s))
	i, j := 0, len(s.s)
	if left {
		i = j - len(strings.TrimLeftFunc(s.s, cut))
	}
	if right && i < j {
		j = i + len(strings.TrimRightFunc(s.s[i:], cut))
	}
	return m.cut(s, i, j)
}

// replace replaces old by new, n times at most or always where n is negative.
func (m *machine) replace(s, old, new Str, n int) Str {
	b, at := m.builder(), 0
	if old.s == "" {
		for i := range s.s {
			if n == 0 {
				break
			}
			n--
			b.str(new)
			at = i + width(s.s[i:])
			b.part(s, i, at)
		}
		b.part(s, at, len(s.s))
		if n != 0 {
			b.str(new)
		}
		return b.done()
	}
	m.work(len(s.s))
	if k := strings.Count(s.s, old.s); n < 0 || k < n {
		n = k
	}
	if len(new.s) > 0 && n > m.lim.Memory/len(new.s) {
		m.exceeded("more than %d bytes of memory", m.lim.Memory)
	}
	b.grow(len(s.s) + n*(len(new.s)-len(old.s)))
	for n != 0 {
		m.work(len(old.s))
		i := strings.Index(s.s[at:], old.s)
		if i < 0 {
			break
		}
		b.part(s, at, at+i)
		b.str(new)
		at += i + len(old.s)
		n--
	}
	m.work(len(s.s))
	b.part(s, at, len(s.s))
	return b.done()
}

// split cuts at sep, n times at most or always where n is negative; from the right end
// where last.
func (m *machine) split(s, sep Str, n int, last bool) Value {
	if sep.s == "" {
		m.fail("split needs a separator that is not empty")
	}
	m.work(len(s.s) + len(sep.s))
	var items []Value
	add := func(i, j int) {
		m.alloc(64)
		items = append(items, m.cut(s, i, j))
	}
	if last && n >= 0 {
		end := len(s.s)
		for ; n > 0; n-- {
			i := strings.LastIndex(s.s[:end], sep.s)
			if i < 0 {
				break
			}
			add(i+len(sep.s), end)
			end = i
		}
		add(0, end)
		for i, j := 0, len(items)-1; i < j; i, j = i+1, j-1 {
			items[i], items[j] = items[j], items[i]
		}
		return &List{items: items}
	}
	at := 0
	for ; n != 0; n-- {
		i := strings.Index(s.s[at:], sep.s)
		if i < 0 {
			break
		}
		add(at, at+i)
		at += i + len(sep.s)
	}
	add(at, len(s.s))
	return &List{items: items}
}

// fields cuts at runs of white space, n times at most or always where n is negative.
func (m *machine) fields(s Str, n int, last bool) Value {
	l := &List{}
	add := func(i, j int) {
		m.alloc(64)
		l.items = append(l.items, m.cut(s, i, j))
	}
	m.work(len(s.s))
	if last && n >= 0 {
		end := len(strings.TrimRightFunc(s.s, isSpace))
		for ; end > 0; n-- {
			i := strings.LastIndexFunc(s.s[:end], isSpace)
			if n == 0 || i < 0 {
				add(len(s.s[:end])-len(strings.TrimLeftFunc(s.s[:end], isSpace))*b2i(n != 0 || i < 0), end)
				if n == 0 {
					l.items[len(l.items)-1] = m.cut(s, 0, end)
				}
				break
			}
			add(i+width(s.s[i:]), end)
			end = len(strings.TrimRightFunc(s.s[:i], isSpace))
		}
		for i, j := 0, len(l.items)-1; i < j; i, j = i+1, j-1 {
			l.items[i], l.items[j] = l.items[j], l.items[i]
		}
		return l
	}
	at := len(s.s) - len(strings.TrimLeftFunc(s.s, isSpace))
	for ; at < len(s.s); n-- {
		i := strings.IndexFunc(s.s[at:], isSpace)
		if n == 0 || i < 0 {
			add(at, len(s.s))
			break
		}
		add(at, at+i)
		at = len(s.s) - len(strings.TrimLeftFunc(s.s[at+i:], isSpace))
	}
	return l
}

// lines cuts at line ends, which go unless keep.
func (m *machine) lines(s Str, keep bool) *List {
	l := &List{}
	m.work(len(s.s))
	from := 0
	for i := 0; i < len(s.s); {
		r, n := utf8.DecodeRuneInString(s.s[i:])
		end := i + n
		if strings.ContainsRune("\n\r\v\f\x1c\x1d\x1e\u0085\u2028\u2029", r) {
			if r == '\r' && strings.HasPrefix(s.s[end:], "\n") {
				end++
			}
			m.alloc(64)
			if keep {
				i = end
			}
			l.items = append(l.items, m.cut(s, from, i))
			from = end
		}
		i = end
	}
	if from < len(s.s) {
		m.alloc(64)
		l.items = append(l.items, m.cut(s, from, len(s.s)))
	}
	return l
}

// join writes values with a separator between them.
func (m *machine) join(items []Value, sep Str) Str {
	b, n := m.builder(), 0
	for _, v := range items {
		if s, ok := v.(Str); ok {
			n += len(s.s)
		}
		n = min(n+len(sep.s), m.lim.Memory)
	}
	b.grow(max(n-len(sep.s), 0))
	for i, v := range items {
		m.step()
		if i > 0 {
			b.str(sep)
		}
		b.str(m.str(v))
	}
	return b.done()
}

func upper(r rune) string {
	if r == 'ß' {
		return "SS"
	}
	return string(unicode.ToUpper(r))
}

// titled is a character as the first of a word.
func titled(r rune) string {
	if r == 'ß' {
		return "Ss"
	}
	return string(unicode.ToTitle(r))
}

func lower(r rune) string { return string(unicode.ToLower(r)) }

// capitalize is the first character large, the others small.
func (m *machine) capitalize(s Str) Str {
	first := true
	return m.mapRunes(s, func(r rune) string {
		if first {
			first = false
			return titled(r)
		}
		return lower(r)
	})
}

// title is the first character of each word large; begins says what a word begins
// after.
func (m *machine) title(s Str, begins func(r rune) bool) Str {
	start := true
	return m.mapRunes(s, func(r rune) string {
		at := start
		start = begins(r)
		if at {
			return titled(r)
		}
		return lower(r)
	})
}

// center pads to a width on both sides, left or right of the text.
func (m *machine) pad(s Str, to int, fill string, left, right bool) Str {
	n := to - m.runes(s)
	if n <= 0 {
		return s
	}
	if n > m.lim.Memory {
		m.exceeded("more than %d bytes of memory", m.lim.Memory)
	}
	before := 0
	switch {
	case left && right:
		before = n/2 + n&to&1
	case left:
		before = n
	}
	m.alloc(n * len(fill))
	b := m.builder()
	b.clean(strings.Repeat(fill, before))
	b.str(s)
	b.clean(strings.Repeat(fill, n-before))
	return b.done()
}
