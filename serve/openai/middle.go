package openai

import (
	"eclat/serve/core"
	"eclat/serve/field"
)

// middles are the control tokens by which families mark what comes before, what after, and
// that the middle is to follow.
var middles = [][3]string{
	{"<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"}, // Qwen
	{"<fim_prefix>", "<fim_suffix>", "<fim_middle>"},       // StarCoder, Granite
	{"<fim-prefix>", "<fim-suffix>", "<fim-middle>"},
	{"<｜fim▁begin｜>", "<｜fim▁hole｜>", "<｜fim▁end｜>"}, // DeepSeek
	{"<|code_prefix|>", "<|code_suffix|>", "<|code_middle|>"},
}

// fillMiddle makes prompts for what comes between each and the suffix:
//
//	before PROMPT after SUFFIX middle
func fillMiddle(o *field.Object, m *core.Model, prompts [][]int32, suffix string) [][]int32 {
	t := m.Engine.Tokenizer
	for _, names := range middles {
		var ids [3]int32
		all := true
		for i, name := range names {
			id, ok := t.ID(name)
			ids[i], all = id, all && ok && t.IsControl(id)
		}
		if !all {
			continue
		}
		for i, p := range prompts {
			out := make([]int32, 0, len(p)+len(suffix)+3)
			if bos, ok := t.BOS(); ok && len(p) > 0 && p[0] == bos {
				out, p = append(out, bos), p[1:]
			}
			out = append(append(append(out, ids[0]), p...), ids[1])
			prompts[i] = append(t.Encode(out, suffix, false), ids[2])
		}
		return prompts
	}
	o.Failf("suffix", "is not supported: the model's vocabulary has no tokens to fill in a middle by")
	return nil
}
