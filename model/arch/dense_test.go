package arch

import (
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"eclat/loader"
	"eclat/loader/ggufwrite"
	"eclat/loader/quant"
	"eclat/model"
)

// dense describes a sound file of a dense family: small, with what the family adds and
// without what it leaves out.
func dense(family string) *ggufwrite.File {
	f := small()
	for i, kv := range f.Meta {
		f.Meta[i].Key = strings.Replace(kv.Key, "llama.", family+".", 1)
	}
	set := func(key string, v any) { f.Set(family+"."+key, v) }
	f.Set("general.architecture", family)
	for l := range 2 {
		add := func(name string, dims ...int) { replace(f, blk(l, name), quant.F32, dims...) }
		drop := func(names ...string) {
			for _, name := range names {
				remove(f, blk(l, name))
			}
		}
		heads := func(q, k int) {
			add("attn_q_norm.weight", q)
			add("attn_k_norm.weight", k)
		}
		switch family {
		case "gemma2", "gemma3", "glm4", "olmo2", "exaone4", "gemma4":
			add("post_attention_norm.weight", 64)
			add("post_ffw_norm.weight", 64)
		case "seed_oss":
			drop("ffn_norm.weight")
			add("post_attention_norm.weight", 64)
		case "cohere2":
			drop("ffn_norm.weight")
		case "starcoder2", "nemotron":
			drop("ffn_gate.weight")
		case "bitnet":
			add("attn_sub_norm.weight", 128)
			add("ffn_sub_norm.weight", 96)
		}
		switch family {
		case "olmo2":
			heads(128, 64)
			drop("attn_norm.weight", "ffn_norm.weight")
		case "exaone4":
			heads(32, 32)
			drop("attn_norm.weight", "ffn_norm.weight")
		case "qwen3", "gemma3", "hunyuan-dense", "gemma4", "qwen3vl":
			heads(32, 32)
		case "phi3":
			drop("attn_q.weight", "attn_k.weight", "attn_v.weight", "ffn_gate.weight")
			add("attn_qkv.weight", 64, 128+64+64)
			add("ffn_up.weight", 64, 2*96)
		case "glm4":
			drop("ffn_gate.weight")
			add("ffn_up.weight", 64, 2*96)
		}
	}
	switch family {
	case "gemma4":
		set("attention.sliding_window", uint32(16))
		set("attention.sliding_window_pattern", []bool{true, false})
		set("attention.key_length_swa", uint32(32))
		set("embedding_length_per_layer_input", uint32(8))
		add := func(name string, dims ...int) { replace(f, name, quant.F32, dims...) }
		add("per_layer_token_embd.weight", 16, 10)
		add("per_layer_model_proj.weight", 64, 16)
		add("per_layer_proj_norm.weight", 8)
		for l := range 2 {
			add(blk(l, "inp_gate.weight"), 64, 8)
			add(blk(l, "proj.weight"), 8, 64)
			add(blk(l, "post_norm.weight"), 64)
		}
	case "cohere2", "gemma2", "gemma3":
		set("attention.sliding_window", uint32(16))
	case "granite":
		set("logit_scale", float32(8))
	case "qwen2vl":
		set("rope.dimension_sections", []int32{4, 6, 6, 0})
	case "qwen3vl":
		set("rope.dimension_sections", []int32{6, 5, 5, 0})
	}
	return f
}

// denseFamilies are those of whose files dense knows.
var denseFamilies = []string{"llama", "qwen2", "qwen3", "mistral3", "gemma", "gemma2", "gemma3", "phi3", "granite", "smollm3", "glm4",
	"olmo2", "exaone4", "seed_oss", "ernie4_5", "hunyuan-dense", "cohere2", "gemma4",
	"starcoder2", "nemotron", "stablelm", "bitnet", "qwen2vl", "qwen3vl"}

func TestDenseFamilies(t *testing.T) {
	for _, family := range denseFamilies {
		m, err := openBytes(t, dense(family))
		if err != nil {
			t.Errorf("%s: %v", family, err)
			continue
		}
		if _, err := m.Plan(m.Whole(), model.Room{Pages: 1}); err != nil {
			t.Errorf("%s: %v", family, err)
		}
		// Every tensor counts: without it there is no model. The output matrix may be tied.
		for _, x := range dense(family).Tensors {
			f := dense(family)
			remove(f, x.Name)
			_, err := openBytes(t, f)
			optional := x.Name == "output.weight" || family == "stablelm" && strings.HasSuffix(x.Name, "ffn_norm.weight") || // branches side by side
				family == "gemma4" && strings.HasSuffix(x.Name, "attn_v.weight") // what attn_k gives
			if (err == nil) != optional {
				t.Errorf("%s without %s: %v", family, x.Name, err)
			}
			f = dense(family)
			replace(f, x.Name, quant.F32, x.Dims[0]+1, 3)
			if _, err := openBytes(t, f); err == nil {
				t.Errorf("%s with a misshapen %s is sound", family, x.Name)
			}
		}
	}
}

// TestDenseConfig: what a family makes of its keys, and their defaults.
func TestDenseConfig(t *testing.T) {
	layer := func(l int, what func(k *model.Block) any, want any) func(c *model.Config) (any, any) {
		return func(c *model.Config) (any, any) { return what(c.At(l)), want }
	}
	window := func(k *model.Block) any { return k.Window }
	base := func(k *model.Block) any { return k.Rope.FreqBase }
	factor := func(k *model.Block) any { return k.Rope.Factor }
	for _, c := range []struct {
		family, key string
		v           any
		look        func(c *model.Config) (got, want any)
	}{
		{"gemma", "", nil, func(c *model.Config) (any, any) { return c.EmbdScale, float32(8) }},
		{"gemma2", "", nil, func(c *model.Config) (any, any) { return [2]float32{c.AttnCap, c.LogitCap}, [2]float32{50, 30} }},
		{"gemma2", "attn_logit_softcapping", float32(3), func(c *model.Config) (any, any) { return c.AttnCap, float32(3) }},
		{"gemma2", "", nil, layer(0, window, 16)},
		{"gemma2", "", nil, layer(1, window, 0)},
		{"gemma3", "", nil, layer(1, window, 16)},
		{"gemma3", "attention.sliding_window_pattern", uint32(1), layer(0, window, 0)},
		{"gemma3", "attention.sliding_window_pattern", []bool{false, true}, layer(1, window, 16)},
		{"gemma3", "attention.sliding_window_pattern", []uint32{1, 0}, layer(1, window, 0)},
		{"gemma3", "attention.sliding_window", uint32(0), layer(0, window, 0)},
		{"gemma3", "rope.freq_base", float32(1e6), layer(0, base, 1e4)},
		{"gemma3", "rope.freq_base_swa", float32(300), layer(0, base, 300.0)},
		{"gemma3", "rope.scaling.factor", float32(8), layer(0, factor, 1.0)},
		{"olmo2", "", nil, layer(0, window, 0)},
		{"olmo2", "attention.sliding_window", uint32(9), layer(1, window, 9)},
		{"smollm3", "", nil, layer(0, func(k *model.Block) any { return k.NoRope }, false)},
		{"phi3", "attention.sliding_window", uint32(7), layer(0, window, 0)},
		{"granite", "", nil, func(c *model.Config) (any, any) { return c.LogitScale, float32(0.125) }},
		{"granite", "residual_scale", float32(0.5), func(c *model.Config) (any, any) { return c.ResidualScale, float32(0.5) }},
		{"granite", "attention.scale", float32(0.31), func(c *model.Config) (any, any) { return c.AttnScale, float32(0.31) }},
		{"cohere2", "logit_scale", float32(0.25), func(c *model.Config) (any, any) { return c.LogitScale, float32(0.25) }},
		{"cohere2", "attention.sliding_window_pattern", uint32(2), layer(1, func(k *model.Block) any { return k.NoRope }, true)},
		{"starcoder2", "", nil, func(c *model.Config) (any, any) { return [2]any{c.Act, c.Ungated}, [2]any{model.GELU, true} }},
		{"nemotron", "attention.layer_norm_epsilon", float32(0.5), func(c *model.Config) (any, any) {
			return [4]any{c.Act, c.Ungated, c.LayerNorm, c.RMSEps}, [4]any{model.ReLU2, true, true, float32(0.5)}
		}},
		{"mistral3", "attention.temperature_scale", float32(0.5), func(c *model.Config) (any, any) {
			return [2]float64{c.Rope.Warm, float64(c.Rope.Every)}, [2]float64{0.5, 128}
		}},
		{"hunyuan-dense", "rope.scaling.alpha", float32(1), func(c *model.Config) (any, any) { return math.Round(c.Rope.FreqBase), 1e4 }},
	} {
		f := dense(c.family)
		if c.key != "" {
			f.Set(c.family+"."+c.key, c.v)
		}
		m, err := openBytes(t, f)
		if err != nil {
			t.Errorf("%s with %s %v: %v", c.family, c.key, c.v, err)
			continue
		}
		if got, want := c.look(&m.Config); got != want {
			t.Errorf("%s with %s %v: %v, want %v", c.family, c.key, c.v, got, want)
		}
	}
}

// TestGemma4Stages: layers that are given something of the tokens stay with the embedding,
// and a batch has no rows in the place of tokens.
func TestGemma4Stages(t *testing.T) {
	m, err := openBytes(t, dense("gemma4"))
	if err != nil {
		t.Fatal(err)
	}
	var un model.UnsupportedError
	if _, err := m.Describe(m.Last(1), model.Room{Pages: 1}); !errors.As(err, &un) || !strings.Contains(err.Error(), "embedding_length_per_layer_input") {
		t.Errorf("the last layer without the embedding: %v", err)
	}
	p, err := m.Describe(m.Whole(), model.Room{Pages: 1})
	if err != nil {
		t.Fatal(err)
	}
	b := model.Batch{Tokens: []int32{-1}, Rows: make([]float32, 64), Pos: []int32{0}, Seqs: []model.SeqRun{{N: 1}}}
	if err := b.Check(p, model.Size{Tokens: 1}); err == nil || !strings.Contains(err.Error(), "2 tables") {
		t.Errorf("a row in the place of a token: %v", err)
	}
}

// TestLongRope: the divisors are chosen by the file alone.
func TestLongRope(t *testing.T) {
	for _, orig := range []uint32{16, 128} {
		f := dense("phi3")
		f.Set("phi3.rope.scaling.original_context_length", orig)
		f.Add("rope_factors_long.weight", quant.F32, []int{16}, slices.Repeat([]float32{4}, 16))
		f.Add("rope_factors_short.weight", quant.F32, []int{16}, slices.Repeat([]float32{2}, 16))
		m, err := openBytes(t, f)
		if err != nil {
			t.Fatal(err)
		}
		want := map[uint32]float64{16: 0.25, 128: 0.5}[orig]
		if got := m.Config.Rope.Table().Freq[0]; got != want {
			t.Errorf("for 128 positions, %d of them before scaling, the first pair turns by %g, want %g", orig, got, want)
		}
	}
}

// TestUnsoundFamilies: what a family cannot have is refused by the name of its field.
func TestUnsoundFamilies(t *testing.T) {
	nan := float32(math.NaN())
	for _, c := range []struct {
		family, key string
		v           any
		says        string
	}{
		{"gemma2", "attention.sliding_window", uint32(0), "0 is not a number from 1"},
		{"cohere2", "attention.sliding_window", uint32(0), "0 is not a number from 1"},
		{"olmo2", "attention.sliding_window", uint32(0), "0 is not a number from 1"},
		{"olmo2", "attention.sliding_window", "wide", "is not a number"},
		{"gemma2", "attn_logit_softcapping", float32(0), "a cap of 0"},
		{"gemma2", "attn_logit_softcapping", nan, "not a finite number"},
		{"gemma2", "final_logit_softcapping", float32(-30), "a cap of -30"},
		{"gemma3", "final_logit_softcapping", float32(0), "a cap of 0"},
		{"gemma3", "attention.sliding_window_pattern", []bool{true}, "each of 2 layers"},
		{"gemma3", "attention.sliding_window_pattern", []string{"a", "b"}, "each of 2 layers"},
		{"gemma3", "attention.sliding_window_pattern", uint32(0), "0 is not a number from 1"},
		{"gemma3", "rope.freq_base_swa", float32(1), "1 is not above 1"},
		{"granite", "embedding_scale", float32(1e30), "a factor of 1e+30"},
		{"granite", "residual_scale", nan, "not a finite number"},
		{"mistral3", "attention.temperature_scale", float32(-1), "-1 is not from 0"},
		{"mistral3", "attention.temperature_scale", nan, "not a finite number"},
		{"hunyuan-dense", "rope.scaling.alpha", float32(-2), "-2 is not from 0"},
		{"cohere2", "attention.layer_norm_epsilon", float32(2), "2 is not from 0 to 1"},
		{"phi3", "attention.head_count_kv", uint32(3), "evenly"},
		{"gemma4", "attention.sliding_window_pattern", uint32(2), "each of 2 layers"},
		{"gemma4", "attention.sliding_window_pattern", []bool{true}, "each of 2 layers"},
		{"gemma4", "attention.sliding_window", uint32(0), "0 is not a number from 1"},
		{"gemma4", "attention.head_count_kv", []uint32{2, 3}, "cannot share"},
		{"gemma4", "attention.head_count_kv", []uint32{2, 0}, "cannot share"},
		{"gemma4", "feed_forward_length", []uint32{96, 0}, "0 in layer 1"},
		{"gemma4", "feed_forward_length", []uint32{96}, "1 values"},
		{"gemma4", "attention.shared_kv_layers", uint32(1), "1 of 2 layers"},
		{"gemma4", "attention.shared_kv_layers", uint32(1 << 31), "of 2 layers"},
		{"gemma4", "rope.dimension_count_swa", uint32(33), "33 rotary dimensions"},
		{"starcoder2", "attention.layer_norm_epsilon", float32(-1), "-1 is not from 0 to 1"},
		{"nemotron", "rope.dimension_count", uint32(34), "34 rotary dimensions"},
		{"qwen2vl", "rope.dimension_sections", []int32{4, 6, 5, 1}, "no text turns"},
		{"qwen2vl", "rope.dimension_sections", []int32{4, 6}, "not three or four numbers"},
		{"qwen2vl", "rope.dimension_sections", []int32{0, 0, 0, 0}, "no text turns"},
		{"qwen3vl", "rope.dimension_sections", []int32{4, 6, 6, 0}, "no text turns"},
	} {
		f := dense(c.family)
		f.Set(c.family+"."+c.key, c.v)
		_, err := openBytes(t, f)
		var fe *loader.FormatError
		if !errors.As(err, &fe) || !strings.Contains(err.Error(), c.family+"."+c.key) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s with %s %v: %v, want %q", c.family, c.key, c.v, err, c.says)
		}
	}
	f := dense("phi3")
	f.Add("rope_factors_short.weight", quant.F32, []int{15}, make([]float32, 15))
	if _, err := openBytes(t, f); err == nil || !strings.Contains(err.Error(), "rope_factors_short.weight") || !strings.Contains(err.Error(), "16 factors") {
		t.Errorf("15 factors for 16 pairs: %v", err)
	}
	f = dense("phi3")
	f.Set("phi3.rope.scaling.type", "longrope")
	if _, err := openBytes(t, f); !errors.As(err, new(model.UnsupportedError)) || !strings.Contains(err.Error(), "rope_factors_short.weight") {
		t.Errorf("a long rope without factors: %v", err)
	}
	f.Add("rope_factors_short.weight", quant.F32, []int{16}, slices.Repeat([]float32{2}, 16))
	if _, err := openBytes(t, f); err != nil {
		t.Errorf("a long rope: %v", err)
	}
	f = dense("mistral3")
	f.Set("mistral3.attention.temperature_scale", float32(1))
	f.Set("mistral3.rope.dimension_count", uint32(16))
	if _, err := openBytes(t, f); !errors.As(err, new(model.UnsupportedError)) {
		t.Errorf("warm heads that are turned in part: %v", err)
	}
	f = dense("llama")
	f.Add("blk.0.attn_sinks.weight", quant.F32, []int{3}, make([]float32, 3))
	if _, err := openBytes(t, f); err == nil || !strings.Contains(err.Error(), "attn_sinks") {
		t.Errorf("three sinks for four heads: %v", err)
	}
}

// TestFactorsOfWeights: a weight may have a factor of its own, of one element.
func TestFactorsOfWeights(t *testing.T) {
	for _, name := range []string{"blk.0.attn_q", "blk.1.ffn_down", "output"} {
		f := dense("llama")
		f.Add(name+".scale", quant.F32, []int{1}, []float32{1.5})
		m, err := openBytes(t, f)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		p, err := m.Describe(m.Whole(), model.Room{Pages: 1})
		if err != nil {
			t.Fatal(err)
		}
		if !slices.ContainsFunc(p.Steps, func(s model.Step) bool { return s.Op == model.Mul && p.Tensors[s.Src[1]].Name == name+".scale" }) {
			t.Errorf("nothing is multiplied by %s.scale", name)
		}
		f = dense("llama")
		f.Add(name+".scale", quant.F32, []int{2}, []float32{1, 2})
		if _, err := openBytes(t, f); err == nil || !strings.Contains(err.Error(), name+".scale") {
			t.Errorf("two factors of %s: %v", name, err)
		}
	}
}

// TestNearest: an architecture that is not known is named with the nearest that is.
func TestNearest(t *testing.T) {
	for name, want := range map[string]string{"qwen": "qwen2", "Llama": "llama", "gemma33": "gemma3", "olmo": "olmo2", "glm": "glm4", "xyz": ""} {
		f := small()
		f.Set("general.architecture", name)
		_, err := openBytes(t, f)
		if err == nil || strings.Contains(err.Error(), "the nearest is") != (want != "") || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "supported are llama") {
			t.Errorf("%s: %v, want %q", name, err, want)
		}
		if want != "" && err != nil && !strings.Contains(err.Error(), "the nearest is "+want) {
			t.Errorf("%s: %v, want %q", name, err, want)
		}
	}
	f := small()
	f.Set("general.architecture", strings.Repeat("q", 1<<16))
	if _, err := openBytes(t, f); err == nil || len(err.Error()) > 1000 {
		t.Errorf("a long name: %.200v", err)
	}
}
