package tokenizer

import (
	"slices"
	"sort"
	"strings"
)

// attr says what kind of token an id is, one bit each: a token that looks like
// a control token to llama.cpp becomes one on top of what the file calls it.
type attr uint8

const (
	attrNormal attr = 1 << iota
	attrUnknown
	attrControl
	attrUser // user-defined: found in the text before anything else
	attrByte // <0xHH>
	stripRight
)

// attrOf maps tokenizer.ggml.token_type; 5 is unused, anything else undefined.
var attrOf = map[uint64]attr{1: attrNormal, 2: attrUnknown, 3: attrControl, 4: attrUser, 6: attrByte}

// endings are the texts that end a turn or a document in some model.
// llama.cpp stops at each of them, whatever the file says.
var endings = []string{
	"<|eot_id|>", "<|im_end|>", "<|end|>", "<|return|>", "<|call|>", "<|flush|>", "<|calls|>",
	"<end_of_turn>", "<|endoftext|>", "</s>", "<|eom_id|>", "<EOT>", "_<EOT>", "[EOT]", "[EOS]",
	"<|end_of_text|>", "<end_of_utterance>", "<eos>", "<turn|>", "<|tool_response>",
	"<｜end▁of▁sentence｜>", "[e~[",
}

// fillIn are the texts of the tokens for filling in the middle: which key names
// each, and whether it ends generation too. The first text found counts.
var fillIn = []struct {
	keys  []string
	texts []string
	ends  bool
}{
	{[]string{"fim_pre_token_id", "prefix_token_id"}, []string{"<|fim_prefix|>", "<fim-prefix>", "<fim_prefix>",
		"<｜fim▁begin｜>", "<PRE>", "▁<PRE>", "<|code_prefix|>", "<|prefix|>"}, false},
	{[]string{"fim_suf_token_id", "suffix_token_id"}, []string{"<|fim_suffix|>", "<fim-suffix>", "<fim_suffix>",
		"<｜fim▁hole｜>", "<SUF>", "▁<SUF>", "<|code_suffix|>", "<|suffix|>"}, false},
	{[]string{"fim_mid_token_id", "middle_token_id"}, []string{"<|fim_middle|>", "<fim-middle>", "<fim_middle>",
		"<｜fim▁end｜>", "<MID>", "▁<MID>", "<|code_middle|>", "<|middle|>"}, false},
	{[]string{"fim_pad_token_id"}, []string{"<|fim_pad|>", "<fim-pad>", "<fim_pad>", "<PAD>", "[PAD]"}, true},
	{[]string{"fim_rep_token_id"}, []string{"<|fim_repo|>", "<|repo_name|>", "<fim-repo>", "<REPO>", "<reponame>"}, true},
	{[]string{"fim_sep_token_id"}, []string{"<|file_sep|>"}, true},
}

// classify finds the tokens that are control tokens or end generation by their
// text, as llama.cpp does after reading the file.
func (t *Tokenizer) classify(m *metadata) {
	t.eog = map[int32]bool{}
	for _, f := range fillIn {
		id := int32(-1)
		for _, key := range f.keys {
			id = m.spare(key, id)
		}
		for _, text := range f.texts {
			if found, ok := t.ID(text); ok && id < 0 {
				id = found
				t.attrs[id] |= attrControl
			}
		}
		if f.ends && id >= 0 {
			t.eog[id] = true
		}
	}
	for _, text := range endings {
		if id, ok := t.ID(text); ok {
			t.eog[id] = true
			t.attrs[id] |= attrControl
		}
	}
	for _, id := range []int32{t.eos, m.id("eot_token_id", -1), m.id("eom_token_id", -1)} {
		if id >= 0 {
			t.eog[id] = true
		}
	}

	// The channels of gpt-oss are text to be shown.
	for _, text := range []string{"<|channel|>", "<|message|>", "<|start|>", "<|constrain|>"} {
		if id, ok := t.ID(text); ok {
			t.attrs[id] = attrUser
		}
	}
	ends := func(text string) bool {
		id, ok := t.ID(text)
		return ok && t.eog[id]
	}
	// There, <|end|> ends a message, not the turn. So it does with Solar.
	call := ends("<|call|>") || ends("<|calls|>")
	if call && ends("<|end|>") && (ends("<|return|>") || ends("<|flush|>")) {
		id, _ := t.ID("<|end|>")
		delete(t.eog, id)
		t.attrs[id] = attrUser
	}
	// With Gemma 4, </s> is HTML.
	if ends("<|tool_response>") && ends("</s>") {
		id, _ := t.ID("</s>")
		delete(t.eog, id)
		t.attrs[id] = attrNormal
	}

	for id, a := range t.attrs {
		if a&(attrControl|attrUser|attrUnknown) != 0 {
			t.special.add(int32(id), t.texts[id])
			if a&(attrControl|attrUnknown) == 0 {
				t.user.add(int32(id), t.texts[id])
			}
		}
	}
	t.special.sort()
	t.user.sort()

	// Phi 3 swallows the whitespace after most special tokens.
	if name := strings.ToLower(m.str("general.name", "")); strings.Contains(name, "phi-3") || strings.Contains(name, "phi3") {
		for _, id := range t.special.ids {
			if text := t.texts[id]; text != "<unk>" && text != "<s>" && text != "<|endoftext|>" {
				t.attrs[id] |= stripRight
			}
		}
		if id, ok := t.ID("</s>"); ok {
			t.attrs[id] |= stripRight
		}
	}
}

// specials is a set of tokens to look for in a text.
type specials struct {
	texts  []string // sorted
	ids    []int32  // of texts
	starts [256]bool
}

func (s *specials) add(id int32, text string) {
	s.texts, s.ids = append(s.texts, text), append(s.ids, id)
	s.starts[text[0]] = true
}

func (s *specials) sort() { sort.Sort((*byText)(s)) }

type byText specials

func (s *byText) Len() int           { return len(s.texts) }
func (s *byText) Less(i, j int) bool { return s.texts[i] < s.texts[j] }
func (s *byText) Swap(i, j int) {
	s.texts[i], s.texts[j] = s.texts[j], s.texts[i]
	s.ids[i], s.ids[j] = s.ids[j], s.ids[i]
}

// in returns the ids of the tokens that occur anywhere in text.
func (s *specials) in(text string) []int32 {
	if len(s.texts) == 0 {
		return nil
	}
	var found []int32
	var seen map[int]bool
	for i := range len(text) {
		if !s.starts[text[i]] {
			continue
		}
		// texts[lo:hi] are those that begin with the n bytes looked at so far.
		lo, hi := 0, len(s.texts)
		for n := 0; lo < hi; n++ {
			if len(s.texts[lo]) == n {
				if !seen[lo] {
					if seen == nil {
						seen = map[int]bool{}
					}
					seen[lo] = true
					found = append(found, s.ids[lo])
				}
				lo++
			}
			if i+n == len(text) {
				break
			}
			c, group := text[i+n], s.texts[lo:hi]
			first := sort.Search(len(group), func(j int) bool { return group[j][n] >= c })
			last := sort.Search(len(group), func(j int) bool { return group[j][n] > c })
			lo, hi = lo+first, lo+last
		}
	}
	return found
}

// fragment is a piece of the text, or a token that was cut out of it.
type fragment struct {
	text string
	id   int32 // -1: text
	at   int   // of text, in the whole
}

// Range is a range of bytes [From, To) of a text.
type Range struct{ From, To int }

// partition cuts special tokens out of the text: the longest first, wherever it
// occurs, then the next longest out of what is left. With parse, control and
// unknown tokens are cut out, else only user-defined ones.
func (t *Tokenizer) partition(text string, parse bool) []fragment {
	if parse {
		return t.cut(text, &t.special, nil)
	}
	return t.cut(text, &t.user, nil)
}

// cut cuts the tokens of a set out of the text, but control and unknown ones not
// where they touch a plain range.
func (t *Tokenizer) cut(text string, set *specials, plain []Range) []fragment {
	parts := []fragment{{text, -1, 0}}
	found := set.in(text)
	slices.SortFunc(found, func(a, b int32) int {
		if d := len(t.texts[b]) - len(t.texts[a]); d != 0 {
			return d
		}
		return int(a - b)
	})
	for _, id := range found {
		token := t.texts[id]
		forbidden := plain
		if t.attrs[id]&(attrControl|attrUnknown) == 0 {
			forbidden = nil
		}
		var next []fragment
		for _, p := range parts {
			for p.id < 0 && p.text != "" {
				i := indexOutside(p.text, token, p.at, forbidden)
				if i < 0 {
					break
				}
				if i > 0 {
					next = append(next, fragment{p.text[:i], -1, p.at})
				}
				next = append(next, fragment{"", id, p.at + i})
				whole := len(p.text)
				p.text = p.text[i+len(token):]
				if t.attrs[id]&stripRight != 0 {
					p.text = strings.TrimLeft(p.text, " \t\n\v\f\r")
				}
				p.at += whole - len(p.text)
			}
			if p.id >= 0 || p.text != "" {
				next = append(next, p)
			}
		}
		parts = next
	}
	return parts
}

// indexOutside is strings.Index of a token in a text that begins at byte at of the
// whole, but for the places that touch one of the ranges, which ascend.
func indexOutside(text, token string, at int, ranges []Range) int {
	for from := 0; ; {
		i := strings.Index(text[from:], token)
		if i < 0 {
			return -1
		}
		i += from
		r, _ := slices.BinarySearchFunc(ranges, at+i+1, func(r Range, first int) int { return r.To - first })
		if r == len(ranges) || ranges[r].From >= at+i+len(token) {
			return i
		}
		from = max(i+1, min(ranges[r].To-at, len(text)))
	}
}
