package enginetest

import (
	"math"
	"slices"
	"strings"

	"eclat/loader/ggufwrite"
	"eclat/loader/quant"
)

// Infinite is a sound file of a small model, all of float32, whose logits are finite
// but for one of them, which is +∞ after every token.
func Infinite() []byte {
	const embd, vocab = 32, 64
	f := &ggufwrite.File{}
	f.Set("general.architecture", "llama")
	f.Set("general.name", "infinite")
	f.Set("llama.block_count", uint32(1))
	f.Set("llama.context_length", uint32(4096))
	f.Set("llama.embedding_length", uint32(embd))
	f.Set("llama.feed_forward_length", uint32(embd))
	f.Set("llama.attention.head_count", uint32(1))
	f.Set("llama.attention.layer_norm_rms_epsilon", float32(1e-5))
	f.Set("tokenizer.ggml.model", "gpt2")
	f.Set("tokenizer.ggml.pre", "tekken")
	f.Set("tokenizer.ggml.bos_token_id", uint32(1))
	f.Set("tokenizer.ggml.eos_token_id", uint32(2))
	f.Set("tokenizer.ggml.add_bos_token", true)
	f.Set("tokenizer.ggml.merges", []string{"t h"})
	tokens, types := []string{"<unk>", "<s>", "</s>", "Ġ"}, make([]int32, vocab)
	for c := 'a'; len(tokens) < vocab; c++ {
		if tokens = append(tokens, string(c)); c == '~' {
			c = 'À'
		}
	}
	for i := range types {
		types[i] = 1 // a text
		if i < 3 {
			types[i] = 3 // control
		}
	}
	f.Set("tokenizer.ggml.tokens", tokens)
	f.Set("tokenizer.ggml.token_type", types)
	add := func(name string, dims ...int) {
		n := 1
		for _, d := range dims {
			n *= d
		}
		x := slices.Repeat([]float32{1}, n) // every norm leaves a row of ones
		if strings.HasPrefix(name, "blk.") && len(dims) == 2 {
			x = make([]float32, n)
		}
		f.Add(name, quant.F32, dims, x)
	}
	add("token_embd.weight", embd, vocab)
	for _, name := range []string{"attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down"} {
		add("blk.0."+name+".weight", embd, embd)
	}
	add("blk.0.attn_norm.weight", embd)
	add("blk.0.ffn_norm.weight", embd)
	add("output_norm.weight", embd)
	output := slices.Repeat([]float32{1}, embd*vocab)
	output[7*embd] = float32(math.Inf(1))
	f.Add("output.weight", quant.F32, []int{embd, vocab}, output)
	return f.Bytes()
}
