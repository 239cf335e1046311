package arch

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"eclat/loader"
	"eclat/loader/ggufwrite"
	"eclat/loader/quant"
	"eclat/model"
	"eclat/model/arch/archtest"
)

// TestHybrids: layers are of the kind that the file says, and every stage has the slots of
// the whole.
func TestHybrids(t *testing.T) {
	for family, kinds := range map[string]string{"qwen35": "ssa", "lfm2": "cgcg", "nemotron_h": "sfasf", "granitehybrid": "sgs"} {
		m, err := openBytes(t, archtest.Hybrid(family, 1))
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		for l := range m.Config.NLayer {
			k := m.Config.At(l)
			switch {
			case k.State != nil && k.Taps > 1 && k.NHeadKV == 0:
				got += "s"
			case k.Taps > 1 && k.NHeadKV == 0:
				got += "c"
			case k.NHeadKV > 0 && k.NFF > 0 && family != "qwen35":
				got += "g"
			case k.NHeadKV > 0:
				got += "a"
			default:
				got += "f"
			}
		}
		if got != kinds {
			t.Errorf("%s: layers %s, want %s", family, got, kinds)
		}
		slots := 0
		for n := range m.Config.NLayer + 1 {
			p, err := m.Plan(m.Last(n), model.Room{Pages: 1, Seqs: 3})
			if err != nil {
				t.Fatal(err)
			}
			at := slices.IndexFunc(p.Pools, func(k model.Pool) bool { return k.Per == model.Sequence })
			if at < 0 || p.Pools[at].Units != 5 || len(p.Pools) != 2 {
				t.Errorf("%s, the last %d layers: pools %v", family, n, p.Pools)
			}
			slots = 0
			for _, k := range p.Memory() {
				if k.Pool == at {
					slots++
				}
			}
		}
		if want := strings.Count(kinds, "c") + 2*strings.Count(kinds, "s"); slots != want {
			t.Errorf("%s: %d memories with a slot a sequence, want %d", family, slots, want)
		}
	}
}

// TestUnsoundHybrids changes one thing in a sound file; the error names it.
func TestUnsoundHybrids(t *testing.T) {
	set := func(key string, v any) func(f *ggufwrite.File) {
		return func(f *ggufwrite.File) { f.Set(key, v) }
	}
	without := func(name string) func(f *ggufwrite.File) {
		return func(f *ggufwrite.File) { remove(f, name) }
	}
	with := func(name string, dims ...int) func(f *ggufwrite.File) {
		return func(f *ggufwrite.File) { replace(f, name, quant.F32, dims...) }
	}
	for _, c := range []struct {
		family string
		change func(f *ggufwrite.File)
		says   []string // the first names the field
	}{
		{"qwen35", set("qwen35.ssm.group_count", uint32(4)), []string{"qwen35.ssm.group_count", "4 groups", "6 heads"}},
		{"qwen35", set("qwen35.ssm.group_count", uint32(0)), []string{"qwen35.ssm.group_count"}},
		{"qwen35", set("qwen35.ssm.inner_size", uint32(77)), []string{"qwen35.ssm.inner_size", "77"}},
		{"qwen35", set("qwen35.ssm.state_size", uint32(1<<22)), []string{"qwen35.ssm.state_size", "limit"}},
		{"qwen35", set("qwen35.ssm.state_size", uint32(12)), []string{"attn_qkv.weight"}},
		{"qwen35", without("qwen35.ssm.state_size"), []string{"qwen35.ssm.state_size", "missing"}},
		{"qwen35", set("qwen35.ssm.conv_kernel", uint32(1)), []string{"qwen35.ssm.conv_kernel", "convolution"}},
		{"qwen35", set("qwen35.ssm.conv_kernel", uint32(3)), []string{"ssm_conv1d.weight", "4×", "3×"}},
		{"qwen35", set("qwen35.ssm.conv_kernel", uint32(1000)), []string{"qwen35.ssm.conv_kernel"}},
		{"qwen35", set("qwen35.nextn_predict_layers", uint32(4)), []string{"qwen35.nextn_predict_layers", "4"}},
		{"qwen35", set("qwen35.full_attention_interval", uint32(0)), []string{"qwen35.full_attention_interval"}},
		{"qwen35", set("qwen35.full_attention_interval", uint32(2)), []string{"blk.1.attn_q.weight"}},
		{"qwen35", set("qwen35.attention.recurrent_layers", []bool{true, true}), []string{"qwen35.attention.recurrent_layers"}},
		{"qwen35", set("qwen35.attention.recurrent_layers", []bool{true, false, true}), []string{"blk.1.attn_q.weight"}},
		{"qwen35", set("qwen35.rope.dimension_sections", []int32{3, 3, 0, 2}), []string{"qwen35.rope.dimension_sections"}},
		{"qwen35", set("qwen35.rope.dimension_sections", []int32{0, 0, 0, 0}), []string{"qwen35.rope.dimension_sections"}},
		{"qwen35", set("qwen35.rope.dimension_sections", []int32{-1, 3, 2, 0}), []string{"qwen35.rope.dimension_sections"}},
		{"qwen35", set("qwen35.attention.head_count_kv", []int32{0, 0, 2}), []string{"qwen35.attention.head_count_kv", "each layer"}},
		{"qwen35", without("blk.0.ssm_a"), []string{"blk.0.ssm_a", "missing"}},
		{"qwen35", with("blk.0.ssm_a", 7), []string{"blk.0.ssm_a"}},
		{"qwen35", without("blk.1.ssm_dt.bias"), []string{"blk.1.ssm_dt.bias", "missing"}},
		{"qwen35", with("blk.2.attn_q.weight", 96, 128), []string{"blk.2.attn_q.weight", "96×128", "96×256"}}, // without gates

		{"lfm2", set("lfm2.shortconv.l_cache", uint32(1)), []string{"lfm2.shortconv.l_cache", "convolution"}},
		{"lfm2", without("lfm2.shortconv.l_cache"), []string{"lfm2.shortconv.l_cache", "missing"}},
		{"lfm2", set("lfm2.attention.head_count_kv", []int32{0, 2, 0}), []string{"lfm2.attention.head_count_kv", "3 values", "4 layers"}},
		{"lfm2", set("lfm2.attention.head_count_kv", []int32{0, 2, 0, 4}), []string{"lfm2.attention.head_count_kv"}},
		{"lfm2", set("lfm2.attention.head_count_kv", []int32{0, -2, 0, 2}), []string{"lfm2.attention.head_count_kv"}},
		{"lfm2", set("lfm2.attention.head_count_kv", []int32{0, 0, 0, 0}), []string{"lfm2.attention.head_count_kv"}},
		{"lfm2", without("token_embd_norm.weight"), []string{"token_embd_norm.weight", "missing"}},
		{"lfm2", with("blk.0.shortconv.conv.weight", 3, 95), []string{"blk.0.shortconv.conv.weight"}},

		{"nemotron_h", set("nemotron_h.attention.head_count_kv", []int32{0, 2, 2, 0, 0}), []string{"nemotron_h.attention.head_count_kv", "layer 1"}},
		{"nemotron_h", set("nemotron_h.feed_forward_length", []int32{0, 96, 0, 0}), []string{"nemotron_h.feed_forward_length", "4 values", "5 layers"}},
		{"nemotron_h", set("nemotron_h.feed_forward_length", []int32{0, 96, 0, 0, 1 << 30}), []string{"nemotron_h.feed_forward_length"}},
		{"nemotron_h", set("nemotron_h.ssm.group_count", uint32(3)), []string{"nemotron_h.ssm.group_count", "3 groups"}},
		{"nemotron_h", with("blk.0.ssm_norm.weight", 64, 3), []string{"blk.0.ssm_norm.weight"}},
		{"nemotron_h", without("blk.0.ssm_d"), []string{"blk.0.ssm_d", "missing"}},
		{"nemotron_h", with("blk.0.ssm_conv1d.bias", 3), []string{"blk.0.ssm_conv1d.bias"}},

		{"nemotron_h_moe", set("nemotron_h_moe.moe_latent_size", uint32(31)), []string{"blk.1.ffn_latent_down.weight", "×32", "×31"}},
		{"nemotron_h_moe", set("nemotron_h_moe.moe_latent_size", uint32(1<<30)), []string{"nemotron_h_moe.moe_latent_size"}},
		{"nemotron_h_moe", set("nemotron_h_moe.expert_gating_func", uint32(3)), []string{"nemotron_h_moe.expert_gating_func", "3"}},
		{"nemotron_h_moe", set("nemotron_h_moe.nextn_predict_layers", uint32(5)), []string{"nemotron_h_moe.nextn_predict_layers", "5 of 5"}},
		{"nemotron_h_moe", without("blk.1.ffn_latent_up.weight"), []string{"blk.1.ffn_latent_up.weight", "missing"}},
		{"nemotron_h_moe", without("blk.1.ffn_down_shexp.weight"), []string{"blk.1.ffn_down_shexp.weight", "missing"}},
		{"nemotron_h_moe", with("blk.4.ffn_up_exps.weight", 32, 41, 6), []string{"blk.4.ffn_up_exps.weight", "32×41×6", "32×40×6"}},
		{"nemotron_h_moe", with("blk.4.ffn_gate_inp.weight", 96, 5), []string{"blk.4.ffn_gate_inp.weight", "×5", "×6"}},

		{"falcon-h1", without("blk.1.ffn_norm"), []string{"blk.1.ffn_norm.weight", "missing"}},
		{"falcon-h1", without("blk.0.ssm_out.weight"), []string{"blk.0.ssm_out.weight", "missing"}},
		{"falcon-h1", without("falcon-h1.ssm.state_size"), []string{"falcon-h1.ssm.state_size", "missing"}},
		{"falcon-h1", with("blk.0.ssm_norm.weight", 48, 3), []string{"blk.0.ssm_norm.weight"}},

		{"granitehybrid", set("granitehybrid.expert_count", uint32(8)), []string{"granitehybrid.expert_used_count", "missing"}},
		{"granitehybrid", set("granitehybrid.embedding_scale", float32(1e30)), []string{"granitehybrid.embedding_scale"}},
		{"granitehybrid", set("granitehybrid.logit_scale", float32(1e-30)), []string{"granitehybrid.logit_scale"}},
		{"granitehybrid", set("granitehybrid.rope.scaling.finetuned", uint32(1)), []string{"granitehybrid.rope.scaling.finetuned", "truth"}},
		{"granitehybrid", set("granitehybrid.ssm.time_step_rank", uint32(5)), []string{"granitehybrid.ssm.group_count"}},
	} {
		f := archtest.Hybrid(c.family, 1)
		c.change(f)
		_, err := openBytes(t, f)
		var fe *loader.FormatError
		if !errors.As(err, &fe) {
			t.Errorf("%s %s: error %v, want a FormatError", c.family, c.says[0], err)
			continue
		}
		for _, says := range append(c.says, "test.gguf") {
			if !strings.Contains(err.Error(), says) {
				t.Errorf("%q lacks %q", err, says)
			}
		}
		if strings.Contains(err.Error(), "\n") {
			t.Errorf("%q is not one line", err)
		}
	}
}

// TestHybridOptions: what may be left out, and what an array may say instead.
func TestHybridOptions(t *testing.T) {
	for _, c := range []struct {
		family string
		change func(f *ggufwrite.File)
		is     func(c *model.Config) bool
	}{
		{"qwen35", func(f *ggufwrite.File) { f.Set("qwen35.attention.recurrent_layers", []bool{true, true, false, false}) },
			func(c *model.Config) bool {
				return c.NLayer == 3 && c.NDraft == 1 && c.At(1).State != nil && c.At(2).State == nil
			}},
		{"qwen35", func(f *ggufwrite.File) { remove(f, "qwen35.rope.dimension_sections") },
			func(c *model.Config) bool { return c.Rope.Halves && c.Rope.Dims == 16 }},
		{"lfm2", func(f *ggufwrite.File) { // the head size from the first layer that has heads
			remove(f, "lfm2.attention.key_length")
			remove(f, "lfm2.attention.value_length")
			remove(f, "lfm2.rope.dimension_count")
		}, func(c *model.Config) bool { return c.At(1).HeadDimK == 16 && c.At(3).HeadDimV == 16 }},
		{"nemotron_h", func(f *ggufwrite.File) { remove(f, "blk.0.ssm_conv1d.bias") },
			func(c *model.Config) bool {
				return c.At(0).State.DimV == 32 && c.At(0).State.DimK == 16 && c.At(0).Taps == 4
			}},
		{"granitehybrid", func(f *ggufwrite.File) {
			for _, name := range []string{"embedding_scale", "residual_scale", "attention.scale", "rope.scaling.finetuned"} {
				remove(f, "granitehybrid."+name)
			}
		}, func(c *model.Config) bool {
			return c.EmbdScale == 0 && c.ResidualScale == 0 && c.LogitScale == 0.8 && !c.NoRope && c.At(1).AttnScale < 0.3
		}},
	} {
		f := archtest.Hybrid(c.family, 1)
		c.change(f)
		m, err := openBytes(t, f)
		if err != nil {
			t.Errorf("%s: %v", c.family, err)
		} else if !c.is(&m.Config) {
			t.Errorf("%s: %+v", c.family, m.Config)
		}
	}
}
