package tokenizer

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// The passes of DeepSeek LLM and of DeepSeek Coder. To llama.cpp's expressions
// all white space beyond ASCII is one character that only \s matches, so that
// U+3000 and the like belong to none of the sets here.

// splitNewline cuts out [\r\n].
func splitNewline(s string) int {
	if isNewline(s[0]) {
		return 1
	}
	if i := strings.IndexAny(s, "\r\n"); i > 0 {
		return i
	}
	return len(s)
}

// splitCasedLetters cuts out \s?[cased letters]+.
func splitCasedLetters(s string) int {
	return cutSpaced(s, func(r rune, _ class) bool {
		if r < asciiMax {
			return isASCIILetter(byte(r))
		}
		return unicode.Is(casedLetters, r)
	})
}

// splitMarks cuts out \s?[!-/:-~！-／：-～‘-‟　-。]+. ASCII letters are between :
// and ~ too: those that follow a letter the pass before does not know.
func splitMarks(s string) int {
	return cutSpaced(s, func(r rune, _ class) bool {
		switch {
		case r < asciiMax:
			return '!' <= r && r <= '/' || ':' <= r && r <= '~'
		case 0xFF01 <= r && r <= 0xFF0F, 0xFF1A <= r && r <= 0xFF5E:
			return true
		}
		return 0x2018 <= r && r <= 0x201F || 0x3001 <= r && r <= 0x3002
	})
}

// splitLetters cuts out \s?\p{L}+.
func splitLetters(s string) int {
	return cutSpaced(s, func(_ rune, c class) bool { return c == letter })
}

// splitSpacedPunct cuts out \s?\p{P}+.
func splitSpacedPunct(s string) int {
	return cutSpaced(s, func(_ rune, c class) bool { return c == punct })
}

// splitTrailing cuts out \s+$.
func splitTrailing(s string) int {
	t, end := classes(), len(s)
	for end > 0 {
		_, n := utf8.DecodeLastRuneInString(s[:end])
		if c, _ := t.at(s, end-n); c != space {
			break
		}
		end -= n
	}
	if end == 0 {
		return len(s)
	}
	return end
}

// splitEast cuts out [一-龥ࠀ-一가-퟿]+.
func splitEast(s string) int {
	return cutRuns(s, false, func(r rune, c class) bool {
		return c != space && (0x800 <= r && r <= 0x9FA5 || 0xAC00 <= r && r <= 0xD7FF)
	})
}

// cutSpaced cuts out \s?[set]+, where no white space is in the set.
func cutSpaced(s string, set func(rune, class) bool) int { return cutRuns(s, true, set) }

// cutRuns returns the end of [set]+, with spaced of \s?[set]+, at the start of s;
// else the place where the first begins.
func cutRuns(s string, spaced bool, set func(rune, class) bool) int {
	t := classes()
	in := func(i int) (bool, int) {
		c, n := t.at(s, i)
		if n == 0 {
			return false, 0
		}
		r := rune(s[i])
		if r >= asciiMax {
			r, _ = decodeRune(s[i:])
		}
		return set(r, c), n
	}
	start := 0
	if c, n := t.at(s, 0); spaced && c == space {
		start = n
	}
	end := start
	for {
		ok, n := in(end)
		if !ok {
			break
		}
		end += n
	}
	if end > start {
		return end
	}
	for before, i := 0, 0; i < len(s); { // before: where the character before i begins
		ok, n := in(i)
		if ok {
			if c, _ := t.at(s, before); spaced && c == space {
				return before
			}
			return i
		}
		before = i
		i += n
	}
	return len(s)
}

// casedLetters are the letters of splitCasedLetters beyond ASCII: most of those that have
// case in Unicode 11.
var casedLetters = ranges(casedSet)

const casedSet = "µÀ-ÖØ-öø-ƺƼ-ƿǄ-ʓʕ-ʯͰ-ͳͶͷͻ-ͽͿΆΈ-ΊΌΎ-ΡΣ-ϵϷ-ҁҊ-ԯԱ-ՖႠ-ჅᎠ-Ᏽᏸ-ᏽᲐ-ᲺᲽ-Ჿᴀ-ᴫᵫ-ᵷᵹ-ᶚ" +
	"Ḁ-ἕἘ-Ἕἠ-ὅὈ-Ὅὐ-ὗὙὛὝὟ-\u1f7dᾀ-ᾴᾶ-ᾼ\u1fbeῂ-ῄῆ-ῌῐ-\u1fd3ῖ-\u1fdbῠ-Ῥῲ-ῴῶ-ῼℂℇℊ-ℓℕℙ-ℝℤ\u2126ℨ\u212a-ℭℯ-ℴℹℼ-ℿⅅ-ⅉⅎↃↄ" +
	"Ⰰ-ⱻⱾ-ⳤⳫ-ⳮⳲⳳꙀ-ꙭꚀ-ꚛꜢ-ꝯꝱ-ꞇꞋ-ꞎꭰ-ꮿﬀ-ﬆﬓ-ﬗＡ-Ｚａ-ｚ𐐀-𐑏𐒰-𐓓𐓘-𐓻𐲀-𐲲𐳀-𐳲𑢠-𑣟𞤀-𞥃"

// ranges reads a set of characters as an expression writes it, in rising order.
func ranges(set string) *unicode.RangeTable {
	table := &unicode.RangeTable{}
	for r := []rune(set); len(r) > 0; {
		lo, hi := r[0], r[0]
		r = r[1:]
		if len(r) > 1 && r[0] == '-' {
			hi, r = r[1], r[2:]
		}
		table.R32 = append(table.R32, unicode.Range32{Lo: uint32(lo), Hi: uint32(hi), Stride: 1})
	}
	return table
}
