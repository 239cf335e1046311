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

// latentFile describes a sound file with latent attention: small with 4 heads of 16 and 8
// rotary elements and values of 24, a latent of 32, one dense layer and one of 4 experts.
func latentFile(family string, absorbed, ranked bool) *ggufwrite.File {
	f := small()
	for i, kv := range f.Meta {
		f.Meta[i].Key = strings.Replace(kv.Key, "llama.", family+".", 1)
	}
	set := func(key string, v any) { f.Set(family+"."+key, v) }
	f.Set("general.architecture", family)
	for key, n := range map[string]int{"attention.kv_lora_rank": 32, "rope.dimension_count": 8, "attention.key_length": 24, "attention.value_length": 24,
		"attention.head_count_kv": 4, "expert_count": 4, "expert_used_count": 2, "expert_feed_forward_length": 24, "expert_shared_count": 2,
		"leading_dense_block_count": 1} {
		set(key, uint32(n))
	}
	if absorbed {
		for key, n := range map[string]int{"attention.key_length": 40, "attention.value_length": 32, "attention.head_count_kv": 1,
			"attention.key_length_mla": 24, "attention.value_length_mla": 24} {
			set(key, uint32(n))
		}
	}
	if ranked {
		set("attention.q_lora_rank", uint32(48))
	}
	for l := range 2 {
		add := func(name string, dims ...int) { replace(f, blk(l, name), quant.F32, dims...) }
		drop := func(names ...string) {
			for _, name := range names {
				remove(f, blk(l, name))
			}
		}
		drop("attn_q.weight", "attn_k.weight", "attn_v.weight")
		if ranked {
			add("attn_q_a.weight", 64, 48)
			add("attn_q_a_norm.weight", 48)
			add("attn_q_b.weight", 48, 4*24)
		} else {
			add("attn_q.weight", 64, 4*24)
		}
		add("attn_kv_a_mqa.weight", 64, 40)
		add("attn_kv_a_norm.weight", 32)
		if absorbed {
			add("attn_k_b.weight", 16, 32, 4)
			add("attn_v_b.weight", 32, 24, 4)
		} else {
			add("attn_kv_b.weight", 32, 4*(16+24))
		}
		add("attn_output.weight", 4*24, 64)
		if l == 0 {
			continue
		}
		drop("ffn_gate.weight", "ffn_up.weight", "ffn_down.weight")
		add("ffn_gate_inp.weight", 64, 4)
		add("exp_probs_b.bias", 4)
		add("ffn_gate_exps.weight", 64, 24, 4)
		add("ffn_up_exps.weight", 64, 24, 4)
		add("ffn_down_exps.weight", 24, 64, 4)
		add("ffn_gate_shexp.weight", 64, 48)
		add("ffn_up_shexp.weight", 64, 48)
		add("ffn_down_shexp.weight", 48, 64)
	}
	return f
}

// TestLatentFamilies: what each form makes of a sound file, and that no tensor of it may be
// missing or of another shape.
func TestLatentFamilies(t *testing.T) {
	for _, family := range []string{"deepseek2", "mistral4"} {
		for _, form := range []struct{ absorbed, ranked bool }{{true, true}, {false, true}, {false, false}, {true, false}} {
			m, err := openBytes(t, latentFile(family, form.absorbed, form.ranked))
			if err != nil {
				t.Errorf("%s %v: %v", family, form, err)
				continue
			}
			want := model.Latent{Dim: 32, DimK: 24, DimV: 24, Absorbed: form.absorbed}
			kept := 2 * 2 * 4 * (24 + 24)
			if form.absorbed {
				kept = 2 * 2 * (32 + 8)
			}
			if form.ranked {
				want.DimQ = 48
			}
			k := m.Config.At(1)
			if *k.Latent != want || k.AttnScale != float32(1/math.Sqrt(24)) || m.PositionBytes(model.CacheF16, model.CacheF16) != int64(kept) {
				t.Errorf("%s %v: %+v, scale %g, %d bytes a position, want %d", family, form, *k.Latent, k.AttnScale, m.PositionBytes(model.CacheF16, model.CacheF16), kept)
			}
			if e := k.Experts; e.NFF != 24 || e.NFFShared != 48 || e.Gating != model.SoftmaxAll || e.Norm || m.Config.At(0).Experts.N != 0 {
				t.Errorf("%s: experts %+v", family, e)
			}
			for _, x := range latentFile(family, form.absorbed, form.ranked).Tensors {
				if x.Name == "output.weight" || x.Name == "blk.1.exp_probs_b.bias" { // may be left out
					continue
				}
				for _, change := range []func(f *ggufwrite.File){
					func(f *ggufwrite.File) { remove(f, x.Name) },
					func(f *ggufwrite.File) { replace(f, x.Name, quant.F32, append([]int{x.Dims[0] + 1}, x.Dims[1:]...)...) },
				} {
					f := latentFile(family, form.absorbed, form.ranked)
					change(f)
					var fe *loader.FormatError
					if _, err := openBytes(t, f); !errors.As(err, &fe) {
						t.Errorf("%s without a sound %s: %v", family, x.Name, err)
					}
				}
			}
		}
	}
}

// TestYarnOfLatentFamilies: the factor of the rope and of scores, with files' tenth of the
// multiplier, and warmth.
func TestYarnOfLatentFamilies(t *testing.T) {
	ln := math.Log(40)
	for _, c := range []struct {
		family      string
		stored      float32
		rope, score float64 // factors
	}{
		{"deepseek2", 0, 1 + 0.1*ln, (1 + 0.1*ln) * (1 + 0.1*ln)},
		{"deepseek2", 0.1, 1, (1 + 0.1*ln) * (1 + 0.1*ln)},
		{"deepseek2", 0.0707, 1, (1 + 0.0707*ln) * (1 + 0.0707*ln)},
		{"mistral4", 0.1, 1, (1 + 0.1*ln) * (1 + 0.1*ln)},
		{"mistral4", 0.05, (1 + 0.1*ln) / (1 + 0.05*ln), (1 + 0.1*ln) * (1 + 0.1*ln)},
	} {
		f := latentFile(c.family, true, true)
		for key, v := range map[string]any{"rope.scaling.type": "yarn", "rope.scaling.factor": float32(40), "rope.scaling.original_context_length": uint32(16),
			"rope.scaling.yarn_log_multiplier": c.stored, "attention.temperature_scale": float32(0.25), "attention.temperature_length": uint32(16)} {
			f.Set(c.family+"."+key, v)
		}
		m, err := openBytes(t, f)
		if err != nil {
			t.Fatal(err)
		}
		if r := m.Config.Rope; math.Abs(r.AttnScale-c.rope) > 1e-6 || math.Abs(float64(m.Config.AttnScale)*math.Sqrt(24)-c.score) > 1e-5 || r.Warm != 0.25 || r.Every != 16 {
			t.Errorf("%s with %g: rope × %g, scores × %g, want %g and %g; warmth %g in %d", c.family, c.stored, r.AttnScale, float64(m.Config.AttnScale)*math.Sqrt(24), c.rope, c.score, r.Warm, r.Every)
		}
		p, err := m.Describe(m.Whole(), model.Room{Pages: 1})
		if err != nil {
			t.Fatal(err)
		}
		if len(p.Ropes) != 3 || !slices.ContainsFunc(p.Ropes, func(r model.Rope) bool { return len(r.Freq) == 8 && r.Freq[7] == 0 && r.Warm == 0.25 && r.Scale == 1 }) {
			t.Errorf("%s: ropes %v", c.family, p.Ropes)
		}
	}
}

// TestUnsoundLatent changes one thing in a sound file; the error names the field.
func TestUnsoundLatent(t *testing.T) {
	for _, c := range []struct {
		absorbed bool
		key      string
		v        any
		says     string
	}{
		{true, "attention.kv_lora_rank", uint32(0), "kv_lora_rank"},
		{true, "attention.kv_lora_rank", uint32(31), "keys of 40"},
		{true, "attention.key_length", uint32(41), "keys of 41"},
		{true, "attention.value_length", uint32(24), "values of 24"},
		{true, "attention.head_count_kv", uint32(4), "4, but the tensors are of 1"},
		{false, "attention.head_count_kv", uint32(1), "1, but the tensors are of 4"},
		{true, "attention.key_length_mla", uint32(8), "8 rotary dimensions leave"},
		{false, "rope.dimension_count", uint32(24), "24 rotary dimensions leave"},
		{true, "attention.key_length_mla", uint32(1 << 30), "attention.key_length_mla"},
		{true, "attention.value_length_mla", uint32(25), "blk.0.attn_v_b.weight"},
		{true, "attention.head_count", uint32(5), "blk.0."},
		{false, "attention.value_length", uint32(25), "blk.0.attn_kv_b.weight"},
		{true, "attention.q_lora_rank", uint32(49), "blk.0.attn_q_a.weight"},
		{true, "attention.temperature_scale", float32(-1), "attention.temperature_scale"},
		{true, "attention.temperature_scale", float32(1), "attention.temperature_length"},
		{true, "expert_gating_func", uint32(3), "expert_gating_func"},
		{true, "leading_dense_block_count", uint32(2), "blk.1.ffn_gate.weight"},
		{true, "nextn_predict_layers", uint32(2), "nextn_predict_layers"},
		{true, "attention.head_count", uint32(2000), "2000 heads"},
	} {
		f := latentFile("deepseek2", c.absorbed, true)
		f.Set("deepseek2."+c.key, c.v)
		_, err := openBytes(t, f)
		var fe *loader.FormatError
		if !errors.As(err, &fe) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s = %v: %v, want %q", c.key, c.v, err, c.says)
		}
	}
	f := latentFile("deepseek2", true, true)
	for _, name := range []string{"attention.key_length_mla", "attention.value_length_mla", "attention.kv_lora_rank", "attention.key_length"} {
		g := *f
		g.Meta = slices.Clone(f.Meta)
		remove(&g, "deepseek2."+name)
		if _, err := openBytes(t, &g); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("without %s: %v", name, err)
		}
	}
	// An odd number of elements that are not turned: not where they would have to grow warmer.
	f = latentFile("deepseek2", false, true)
	f.Set("deepseek2.attention.key_length", uint32(23))
	for l := range 2 {
		replace(f, blk(l, "attn_q_b.weight"), quant.F32, 48, 4*23)
		replace(f, blk(l, "attn_kv_b.weight"), quant.F32, 32, 4*(15+24))
	}
	if _, err := openBytes(t, f); err != nil {
		t.Error(err)
	}
	f.Set("deepseek2.attention.temperature_scale", float32(1))
	f.Set("deepseek2.attention.temperature_length", uint32(16))
	var lacks model.UnsupportedError
	if _, err := openBytes(t, f); !errors.As(err, &lacks) {
		t.Errorf("15 elements that are not turned: %v", err)
	}
}
