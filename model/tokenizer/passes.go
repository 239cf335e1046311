package tokenizer

import "strings"

// The splitters of pre-tokenisers that work in several passes.

// splitDigits3 cuts out \p{N}{1,3}.
func splitDigits3(s string) int { return cutNumbers(s, 3) }

// splitDigits1 cuts out \p{N}.
func splitDigits1(s string) int { return cutNumbers(s, 1) }

// splitNumbers cuts out \p{N}+.
func splitNumbers(s string) int { return cutNumbers(s, len(s)) }

func cutNumbers(s string, most int) int {
	t := classes()
	if end := numbers(t, s, most); end > 0 {
		return end
	}
	return t.span(s, 0, ^number)
}

// splitLines cuts out \n+; the lines between are words.
func splitLines(s string) int {
	i := 0
	for i < len(s) && s[i] == '\n' {
		i++
	}
	if i > 0 {
		return i
	}
	if i = strings.IndexByte(s, '\n'); i > 0 {
		return i
	}
	return len(s)
}

// splitThreeDigits cuts out [0-9][0-9][0-9].
func splitThreeDigits(s string) int {
	run := 0
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			run = 0
			continue
		}
		if run++; run == 3 {
			if i == 2 {
				return 3
			}
			return i - 2
		}
	}
	return len(s)
}

// splitPunct cuts out [\p{P}\$\+<=>\^~\|]+.
func splitPunct(s string) int {
	t := classes()
	start := isPunct(t, s, 0)
	i := 0
	for i < len(s) && isPunct(t, s, i) == start {
		_, n := t.at(s, i)
		i += n
	}
	return i
}

func isPunct(t *classTable, s string, i int) bool {
	switch s[i] {
	case '$', '+', '<', '=', '>', '^', '~', '|':
		return true
	}
	c, _ := t.at(s, i)
	return c == punct
}

// splitCJK cuts out [一-龥぀-ゟ゠-ヿ]+.
func splitCJK(s string) int {
	start := isCJK(s, 0)
	i := 0
	for i < len(s) && isCJK(s, i) == start {
		_, n := decodeRune(s[i:])
		i += n
	}
	return i
}

func isCJK(s string, i int) bool {
	if s[i] < 0xE3 { // all of them are encoded with a lead byte from E3 on
		return false
	}
	r, _ := decodeRune(s[i:])
	return 0x4E00 <= r && r <= 0x9FA5 || 0x3040 <= r && r <= 0x30FF
}

// splitDeepSeek3 is the last pass of DeepSeek V3:
//
//	[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+
//	| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+
//
// It leaves numbers unmatched, and characters of class other no letters follow.
func splitDeepSeek3(s string) int {
	t := classes()
	if end := matchDeepSeek3(t, s); end > 0 {
		return end
	}
	for i := 0; ; {
		_, n := t.at(s, i)
		if i += n; i >= len(s) || matchDeepSeek3(t, s[i:]) > 0 {
			return i
		}
	}
}

// matchDeepSeek3 returns the end of the match at s[0:] or 0.
func matchDeepSeek3(t *classTable, s string) int {
	c, n := t.at(s, 0)
	if s[0] < asciiMax && c&(punct|symbol) != 0 && len(s) > 1 && isASCIILetter(s[1]) {
		end := 2
		for end < len(s) && isASCIILetter(s[end]) {
			end++
		}
		return end
	}
	if c&(punct|symbol) == 0 && !isNewline(s[0]) {
		if end := t.span(s, n, letter|mark); end > n || c&(letter|mark) != 0 {
			return end
		}
	}
	if end := punctuation(t, s, punct|symbol, "\r\n"); end > 0 {
		return end
	}
	if c == space {
		return whitespace(t, s)
	}
	return 0
}

func isASCIILetter(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }
