package tokenizer

import "strings"

// A splitter returns the length in bytes of the first word of s, which is not
// empty and runs to the end of the text or of the word an earlier splitter cut.
// The result is at least 1 and at most len(s).
//
// Each does by hand what a regular expression in a model's tokenizer.json says;
// the comment above it gives the expression as llama.cpp has it. Where an
// expression leaves characters unmatched, those up to the next match are a word
// of their own.
type splitter func(s string) int

// preTokenizer is what tokenizer.ggml.pre stands for.
type preTokenizer struct {
	splitters []splitter // each splits the words the one before it made
	whole     bool       // a word that is a token as it stands is not merged
	addBOS    bool       // unless the file says otherwise
	noBOS     bool       // no beginning-of-sequence token unless the file names one
}

var preTokenizers = map[string]preTokenizer{}

func init() {
	gpt2 := []splitter{splitGPT2}
	for _, g := range []struct {
		pre   preTokenizer
		names string
	}{
		{preTokenizer{splitters: []splitter{splitPunct, splitGPT2, splitNumbers, splitThreeDigits}}, "default"},
		{preTokenizer{splitters: []splitter{splitTekken}, whole: true, addBOS: true}, "tekken"},
		{preTokenizer{splitters: []splitter{splitLlama3}, whole: true, addBOS: true},
			"llama-bpe llama3 llama-v3 falcon3 falcon-h1 pixtral midm-2.0 lfm2 jina-v5-nano"},
		{preTokenizer{splitters: []splitter{splitLlama3}}, "smaug-bpe dbrx"},
		{preTokenizer{splitters: []splitter{splitLlama3}, noBOS: true}, "glm4 chatglm-bpe"},
		{preTokenizer{splitters: []splitter{splitQwen2}},
			"qwen2 deepseek-r1-qwen kormo f2llmv2 megrez stablelm2 hunyuan solar-open grok-2 bailingmoe bailingmoe2 llada-moe"},
		{preTokenizer{splitters: []splitter{splitQwen35}}, "qwen35"},
		{preTokenizer{splitters: []splitter{splitSeedCoder}}, "seed-coder"},
		{preTokenizer{splitters: []splitter{splitLines, splitQwen2}}, "laguna"},
		{preTokenizer{splitters: []splitter{splitDigits3, splitMiniCPM5}, whole: true}, "minicpm5"},
		{preTokenizer{splitters: []splitter{splitKimiK2}}, "kimi-k2"},
		{preTokenizer{splitters: []splitter{splitGPT4o}}, "gpt-4o llama4 kanana2 talkie minimax-m2"},
		{preTokenizer{splitters: []splitter{splitDigits3, splitCJK, splitDeepSeek3}},
			"deepseek-v3 hunyuan-dense joyai-llm hy_v4"},
		{preTokenizer{splitters: []splitter{splitNewline, splitCasedLetters, splitMarks, splitTrailing, splitEast, splitNumbers}}, "deepseek-llm"},
		{preTokenizer{splitters: []splitter{splitNewline, splitLetters, splitSpacedPunct, splitEast, splitDigits1}}, "deepseek-coder"},
		{preTokenizer{splitters: gpt2},
			"gpt-2 phi-2 gigachat a.x-4.0 mellum mpt olmo jais trillion granite-docling exaone4"},
		{preTokenizer{splitters: []splitter{splitDigits1, splitGPT2}},
			"starcoder refact command-r smollm codeshell exaone minerva-7b mellum2"},
	} {
		for _, name := range strings.Fields(g.names) {
			preTokenizers[name] = g.pre
		}
	}
}

// splitGPT2 is the one of GPT-2:
//
//	's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
func splitGPT2(s string) int {
	t := classes()
	if n := contraction(s, false); n > 0 {
		return n
	}
	start := 0
	if s[0] == ' ' {
		start = 1
	}
	switch c, _ := t.at(s, start); {
	case c == 0 || c == space:
		end := t.span(s, 0, space)
		return spaces(t, s, end)
	case c&(letter|number) != 0:
		return t.span(s, start, c)
	default:
		return t.span(s, start, ^(space | letter | number))
	}
}

// splitLlama3 is the one of Llama 3:
//
//	(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+
func splitLlama3(s string) int { return splitWords(s, letter, 3, "\r\n") }

// splitQwen2 is splitLlama3 with numbers of one digit. BailingMoE's, which ends in
// \s*[\r\n]|\s+(?!\S)|\s+, cuts alike.
func splitQwen2(s string) int { return splitWords(s, letter, 1, "\r\n") }

// splitMiniCPM5 is splitLlama3 with numbers of any length.
func splitMiniCPM5(s string) int { return splitWords(s, letter, len(s), "\r\n") }

// splitSeedCoder is splitQwen2 without the newlines after punctuation:
//
//	(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1}| ?[^\s\p{L}\p{N}\r\n]+|\s*[\r\n]+|\s+(?!\S)|\s+
func splitSeedCoder(s string) int { return splitWords(s, letter, 1, "") }

// splitQwen35 is splitQwen2 with [\p{L}\p{M}] in place of \p{L}, but for the
// character that may precede a word:
//
//	(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+
func splitQwen35(s string) int { return splitWords(s, letter|mark, 1, "\r\n") }

func splitWords(s string, letters class, digits int, after string) int {
	t := classes()
	if n := contraction(s, true); n > 0 {
		return n
	}
	c, n := t.at(s, 0)
	if c == number {
		return numbers(t, s, digits)
	}
	if next, _ := t.at(s, n); c&letters != 0 || next&letters != 0 && !isNewline(s[0]) {
		return t.span(s, n, letters)
	}
	if end := punctuation(t, s, ^(space | letters | number), after); end > 0 {
		return end
	}
	return whitespace(t, s)
}

// splitTekken is the one of Mistral's Tekken. The original tells upper from
// lower case in all scripts; llama.cpp does so in ASCII only, counts every
// other letter as both, and leaves marks out:
//
//	[^\r\n\p{L}\p{N}]?((?=[\p{L}])([^a-z]))*((?=[\p{L}])([^A-Z]))+
//	|[^\r\n\p{L}\p{N}]?((?=[\p{L}])([^a-z]))+((?=[\p{L}])([^A-Z]))*
//	|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+
func splitTekken(s string) int { return splitCased(s, 1, false) }

// splitGPT4o is splitTekken with \p{N}{1,3} and with
// (?i:'s|'t|'re|'ve|'m|'ll|'d)? after each of the two kinds of words.
func splitGPT4o(s string) int { return splitCased(s, 3, true) }

func splitCased(s string, digits int, suffix bool) int {
	t := classes()
	c, n := t.at(s, 0)
	if c == number {
		return numbers(t, s, digits)
	}
	start := 0
	if c != letter && !isNewline(s[0]) {
		start = n
	}
	if end := casedWord(t, s, start); end > 0 {
		if suffix && end < len(s) {
			end += contraction(s[end:], true)
		}
		return end
	}
	if end := punctuation(t, s, ^(space | letter | number), "\r\n/"); end > 0 {
		return end
	}
	return whitespace(t, s)
}

// casedWord returns the end of the word at s[start:] or 0: letters that may be
// upper case, then letters that may be lower case, at least one of the latter
// if there is a way to have it.
func casedWord(t *classTable, s string, start int) int {
	end, both := start, 0 // both: the end of the last letter that counts as both
	for end < len(s) {
		if c := s[end]; c < asciiMax {
			if c < 'A' || c > 'Z' {
				break
			}
			end++
			continue
		}
		c, n := t.at(s, end)
		if c != letter {
			break
		}
		end += n
		both = end
	}
	if end < len(s) && 'a' <= s[end] && s[end] <= 'z' {
		for end < len(s) {
			c, n := t.at(s, end)
			if c != letter || 'A' <= s[end] && s[end] <= 'Z' {
				break
			}
			end += n
		}
		return end
	}
	// No lower-case letter follows: the expression gives back upper-case ones
	// until one that counts as both can stand for it.
	if both > 0 {
		return both
	}
	if end > start {
		return end
	}
	return 0
}

// contraction returns the length of 's, 't, 're, 've, 'm, 'll or 'd at the start
// of s, or 0.
func contraction(s string, ignoreCase bool) int {
	if s[0] != '\'' || len(s) < 2 {
		return 0
	}
	var fold byte
	if ignoreCase {
		fold = 'a' - 'A'
	}
	switch s[1] | fold {
	case 's', 't', 'm', 'd':
		return 2
	case 'r', 'v':
		if len(s) > 2 && s[2]|fold == 'e' {
			return 3
		}
	case 'l':
		if len(s) > 2 && s[2]|fold == 'l' {
			return 3
		}
	}
	return 0
}

// numbers returns the end of the first most characters of a run of numbers.
func numbers(t *classTable, s string, most int) int {
	end := 0
	for range most {
		c, n := t.at(s, end)
		if c != number {
			break
		}
		end += n
	}
	return end
}

// punctuation matches ` ?[mask]+[after]*` and returns its end or 0.
func punctuation(t *classTable, s string, mask class, after string) int {
	start := 0
	if s[0] == ' ' {
		start = 1
	}
	end := t.span(s, start, mask)
	if end == start {
		return 0
	}
	for end < len(s) && strings.IndexByte(after, s[end]) >= 0 {
		end++
	}
	return end
}

// whitespace matches `\s*[\r\n]+|\s+(?!\S)|\s+` at s[0:], which is whitespace.
func whitespace(t *classTable, s string) int {
	end := t.span(s, 0, space)
	if i := strings.LastIndexAny(s[:end], "\r\n"); i >= 0 {
		return i + 1
	}
	return spaces(t, s, end)
}

// spaces matches `\s+(?!\S)|\s+`, given the end of the run of whitespace: all of
// it at the end of the text, else all but the last character, which then
// belongs to the next word, if there are two or more.
func spaces(t *classTable, s string, end int) int {
	if end == len(s) {
		return end
	}
	last := end - 1
	for last > 0 && s[last]&0xC0 == 0x80 {
		last--
	}
	if last == 0 {
		return end
	}
	return last
}

func isNewline(c byte) bool { return c == '\r' || c == '\n' }
