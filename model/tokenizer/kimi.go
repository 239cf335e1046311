package tokenizer

// splitKimiK2 is the one of Kimi K2. The original tells upper from lower case
// and counts marks as letters; llama.cpp does neither, so that its words are
//
//	[\p{Han}]+|[^\r\n\p{L}\p{N}]?[\p{L}&&[^\p{Han}]]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?
//	|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+
func splitKimiK2(s string) int {
	t := classes()
	if end := spanHan(s); end > 0 {
		return end
	}
	c, n := t.at(s, 0)
	if c == number {
		return numbers(t, s, 3)
	}
	start := 0
	if c != letter && !isNewline(s[0]) {
		start = n
	}
	end := start
	for end < len(s) {
		c, n := t.at(s, end)
		if c != letter || isHan(s[end:]) {
			break
		}
		end += n
	}
	if end > start {
		if end < len(s) {
			end += contraction(s[end:], true)
		}
		return end
	}
	if end := punctuation(t, s, ^(space | letter | number), "\r\n"); end > 0 {
		return end
	}
	return whitespace(t, s)
}

// spanHan returns the end of the run of Han characters at the start of s.
func spanHan(s string) int {
	i := 0
	for i < len(s) && isHan(s[i:]) {
		_, n := decodeRune(s[i:])
		i += n
	}
	return i
}

// isHan reports whether s begins with a character of the blocks that llama.cpp
// calls Han: ideographs up to extension F, and those for compatibility. The signs
// 々 and 〇, Han to Unicode, are in none of them.
func isHan(s string) bool {
	if s[0] < 0xE3 { // all of them are encoded with a lead byte from E3 on
		return false
	}
	r, _ := decodeRune(s)
	switch {
	case 0x3400 <= r && r <= 0x4DBF, 0x4E00 <= r && r <= 0x9FFF, 0xF900 <= r && r <= 0xFAFF:
		return true
	case 0x20000 <= r && r <= 0x2A6DF, 0x2A700 <= r && r <= 0x2EBEF, 0x2F800 <= r && r <= 0x2FA1F:
		return true
	}
	return false
}
