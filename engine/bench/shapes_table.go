package bench

import "eclat/loader/ggufwrite"

// Shapes are the models' published configurations, by the names that people use. Some of
// their families may not be supported yet: Synthetic refuses those by name.
var Shapes = []Shape{
	llama("magistral-small-2509", 40, 5120, 32768, 32, 8, 128, 131072, 131072, 1e9, false),
	llama("mistral-small-3.2", 40, 5120, 32768, 32, 8, 128, 131072, 131072, 1e9, false),
	llama("mistral-nemo-12b", 40, 5120, 14336, 32, 8, 128, 131072, 131072, 1e6, false),
	llama("mistral-7b-v0.3", 32, 4096, 14336, 32, 8, 128, 32768, 32768, 1e6, false),
	llama("llama-3.1-8b", 32, 4096, 14336, 32, 8, 128, 128256, 131072, 5e5, false),
	llama("llama-3.2-3b", 28, 3072, 8192, 24, 8, 128, 128256, 131072, 5e5, true),
	llama("llama-3.2-1b", 16, 2048, 8192, 32, 8, 64, 128256, 131072, 5e5, true),
	llama("llama-2-13b", 40, 5120, 13824, 40, 40, 128, 32000, 4096, 1e4, false),
	llama("llama-2-7b", 32, 4096, 11008, 32, 32, 128, 32000, 4096, 1e4, false),
	llama("tinyllama-1.1b", 22, 2048, 5632, 32, 4, 64, 32000, 2048, 1e4, false),
	{Name: "mixtral-8x7b", Arch: "llama", Layers: 32, Embd: 4096, FF: 14336, Heads: 32, HeadsKV: 8, HeadDim: 128, Vocab: 32000, Context: 32768, RopeBase: 1e6,
		experts: experts{n: 8, used: 2, ff: 14336}, block: mixtralBlock, keys: expertKeys},
	{Name: "ministral-3-8b", Arch: "mistral3", Layers: 34, Embd: 4096, FF: 14336, Heads: 32, HeadsKV: 8, HeadDim: 128, Vocab: 131072, Context: 262144, RopeBase: 1e6,
		keys: ministralKeys},

	{Name: "qwen2.5-7b", Arch: "qwen2", Layers: 28, Embd: 3584, FF: 18944, Heads: 28, HeadsKV: 4, HeadDim: 128, Vocab: 152064, Context: 32768, RopeBase: 1e6,
		block: qwen2Block},
	qwen3("qwen3-0.6b", 28, 1024, 3072, 16, true),
	qwen3("qwen3-4b", 36, 2560, 9728, 32, true),
	qwen3("qwen3-8b", 36, 4096, 12288, 32, false),
	qwen3("qwen3-14b", 40, 5120, 17408, 40, false),
	{Name: "qwen3-30b-a3b", Arch: "qwen3moe", Layers: 48, Embd: 2048, FF: 6144, Heads: 32, HeadsKV: 4, HeadDim: 128, Vocab: 151936, Context: 40960, RopeBase: 1e6,
		experts: experts{n: 128, used: 8, ff: 768}, block: qwen3Block, keys: expertKeys},
	{Name: "qwen3-coder-next", Arch: "qwen3next", Layers: 48, Embd: 2048, FF: 5120, Heads: 16, HeadsKV: 2, HeadDim: 256, Vocab: 151936, Context: 262144, RopeBase: 5e6,
		experts: experts{n: 512, used: 10, ff: 512, shared: 512}, block: hybridBlock(16, 32), keys: hybridKeys(16, 32)},
	{Name: "qwen3.6-27b", Arch: "qwen35", Layers: 64, Embd: 5120, FF: 17408, Heads: 24, HeadsKV: 4, HeadDim: 256, Vocab: 248320, Context: 262144, RopeBase: 1e7,
		block: hybridBlock(16, 48), keys: hybridKeys(16, 48)},
	{Name: "qwen3.6-35b-a3b", Arch: "qwen35moe", Layers: 40, Embd: 2048, FF: 512, Heads: 16, HeadsKV: 2, HeadDim: 256, Vocab: 248320, Context: 262144, RopeBase: 1e7,
		experts: experts{n: 256, used: 8, ff: 512, shared: 512}, block: hybridBlock(16, 32), keys: hybridKeys(16, 32)},

	{Name: "gemma-3-12b", Arch: "gemma3", Layers: 48, Embd: 3840, FF: 15360, Heads: 16, HeadsKV: 8, HeadDim: 256, Vocab: 262208, Context: 131072, RopeBase: 1e6, Tied: true,
		block: gemma3Block, keys: gemma3Keys},
	{Name: "gemma-4-e4b", Arch: "gemma4", Layers: 42, Embd: 2560, FF: 10240, Heads: 8, HeadsKV: 2, HeadDim: 256, Vocab: 262144, Context: 131072, RopeBase: 1e6, Tied: true,
		block: gemma4{perLayer: 256, shared: 18, window: 512, fullKV: 2}.block, keys: gemma4{perLayer: 256, shared: 18, window: 512, fullKV: 2}.keys,
		outside: gemma4{perLayer: 256}.outside},
	{Name: "gemma-4-31b", Arch: "gemma4", Layers: 60, Embd: 5376, FF: 21504, Heads: 32, HeadsKV: 16, HeadDim: 256, Vocab: 262144, Context: 262144, RopeBase: 1e6, Tied: true,
		block: gemma4{window: 1024, fullKV: 4, keysOnly: true}.block, keys: gemma4{window: 1024, fullKV: 4}.keys, outside: gemma4{}.outside},
	{Name: "gemma-4-26b-a4b", Arch: "gemma4", Layers: 30, Embd: 2816, FF: 2112, Heads: 16, HeadsKV: 8, HeadDim: 256, Vocab: 262144, Context: 262144, RopeBase: 1e6, Tied: true,
		experts: experts{n: 128, used: 8, ff: 704},
		block:   gemma4{window: 1024, fullKV: 2, keysOnly: true}.block, keys: gemma4{window: 1024, fullKV: 2}.keys, outside: gemma4{}.outside},

	{Name: "gpt-oss-20b", Arch: "gpt-oss", Layers: 24, Embd: 2880, FF: 2880, Heads: 64, HeadsKV: 8, HeadDim: 64, Vocab: 201088, Context: 131072, RopeBase: 150000,
		experts: experts{n: 32, used: 4, ff: 2880}, block: gptOSSBlock, keys: gptOSSKeys},
	{Name: "gpt-oss-120b", Arch: "gpt-oss", Layers: 36, Embd: 2880, FF: 2880, Heads: 64, HeadsKV: 8, HeadDim: 64, Vocab: 201088, Context: 131072, RopeBase: 150000,
		experts: experts{n: 128, used: 4, ff: 2880}, block: gptOSSBlock, keys: gptOSSKeys},
	{Name: "phi-4", Arch: "phi3", Layers: 40, Embd: 5120, FF: 17920, Heads: 40, HeadsKV: 10, HeadDim: 128, Vocab: 100352, Context: 16384, RopeBase: 250000,
		block: phi3Block},
	{Name: "glm-4.5-air", Arch: "glm4moe", Layers: 46, Embd: 4096, FF: 10944, Heads: 96, HeadsKV: 8, HeadDim: 128, Vocab: 151552, Context: 131072, RopeBase: 1e6,
		experts: experts{n: 128, used: 8, ff: 1408, shared: 1408}, block: glm4moeBlock, keys: glm4moeKeys},
	{Name: "deepseek-v2-lite", Arch: "deepseek2", Layers: 27, Embd: 2048, FF: 10944, Heads: 16, HeadsKV: 1, HeadDim: 576, Vocab: 102400, Context: 163840, RopeBase: 1e4,
		experts: experts{n: 64, used: 6, ff: 1408, shared: 2816}, block: deepseekBlock, keys: deepseekKeys},
	{Name: "smollm3-3b", Arch: "smollm3", Layers: 36, Embd: 2048, FF: 11008, Heads: 16, HeadsKV: 4, HeadDim: 128, Vocab: 128256, Context: 65536, RopeBase: 5e6, Tied: true},
	{Name: "granite-3.3-8b", Arch: "granite", Layers: 40, Embd: 4096, FF: 12800, Heads: 32, HeadsKV: 8, HeadDim: 128, Vocab: 49159, Context: 131072, RopeBase: 1e7, Tied: true,
		keys: graniteKeys},
}

func llama(name string, layers, embd, ff, heads, kv, dim, vocab, ctx int, base float32, tied bool) Shape {
	return Shape{Name: name, Arch: "llama", Layers: layers, Embd: embd, FF: ff, Heads: heads, HeadsKV: kv, HeadDim: dim, Vocab: vocab, Context: ctx, RopeBase: base, Tied: tied}
}

func qwen3(name string, layers, embd, ff, heads int, tied bool) Shape {
	return Shape{Name: name, Arch: "qwen3", Layers: layers, Embd: embd, FF: ff, Heads: heads, HeadsKV: 8, HeadDim: 128, Vocab: 151936, Context: 40960, RopeBase: 1e6, Tied: tied, block: qwen3Block}
}

// expertKeys are those that every family with experts has.
func expertKeys(s *Shape) keys {
	k := keys{
		{Key: "expert_count", Value: uint32(s.experts.n)},
		{Key: "expert_used_count", Value: uint32(s.experts.used)},
		{Key: "expert_feed_forward_length", Value: uint32(s.experts.ff)},
	}
	if s.experts.shared > 0 {
		k = append(k, ggufwrite.KV{Key: "expert_shared_feed_forward_length", Value: uint32(s.experts.shared)})
	}
	return k
}

func ministralKeys(*Shape) keys {
	return keys{
		{Key: "rope.scaling.type", Value: "yarn"},
		{Key: "rope.scaling.factor", Value: float32(16)},
		{Key: "rope.scaling.original_context_length", Value: uint32(16384)},
		{Key: "rope.scaling.yarn_log_multiplier", Value: float32(1)},
		{Key: "attention.temperature_scale", Value: float32(0.1)},
	}
}

func graniteKeys(*Shape) keys {
	return keys{
		{Key: "embedding_scale", Value: float32(12)},
		{Key: "residual_scale", Value: float32(0.22)},
		{Key: "attention.scale", Value: float32(0.0078125)},
		{Key: "logit_scale", Value: float32(16)},
	}
}
