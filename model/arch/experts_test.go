package arch

import (
	"errors"
	"strings"
	"testing"

	"eclat/loader"
	"eclat/loader/ggufwrite"
	"eclat/loader/quant"
	"eclat/model"
)

// mixed describes a sound file of a family with experts: small with 4 experts of 24, of
// which 2 are used.
func mixed(family string) *ggufwrite.File {
	f := small()
	for i, kv := range f.Meta {
		f.Meta[i].Key = strings.Replace(kv.Key, "llama.", family+".", 1)
	}
	set := func(key string, v any) { f.Set(family+"."+key, v) }
	f.Set("general.architecture", family)
	set("expert_count", uint32(4))
	set("expert_used_count", uint32(2))
	ff, shared, first := 96, 0, 0
	switch family {
	case "qwen3moe", "qwen2moe", "glm4moe", "ernie4_5-moe":
		ff = 24
		set("expert_feed_forward_length", uint32(ff))
	}
	switch family {
	case "qwen2moe", "ernie4_5-moe", "hunyuan-moe":
		shared = 40
		set("expert_shared_feed_forward_length", uint32(shared))
	case "glm4moe":
		shared = 2 * ff
		set("expert_shared_count", uint32(2))
		set("expert_weights_norm", true)
	}
	if family == "glm4moe" || family == "ernie4_5-moe" {
		first = 1
		set("leading_dense_block_count", uint32(1))
	}
	add := func(l int, name string, dims ...int) { replace(f, blk(l, name), quant.F32, dims...) }
	for l := range 2 {
		switch family {
		case "qwen3moe", "hunyuan-moe":
			add(l, "attn_q_norm.weight", 32)
			add(l, "attn_k_norm.weight", 32)
		case "minimax-m2":
			add(l, "attn_q_norm.weight", 128)
			add(l, "attn_k_norm.weight", 64)
		case "glm4moe":
			remove(f, blk(l, "ffn_norm.weight"))
			add(l, "post_attention_norm.weight", 64)
		}
		if l < first {
			continue
		}
		for _, n := range []string{"ffn_gate.weight", "ffn_up.weight", "ffn_down.weight"} {
			remove(f, blk(l, n))
		}
		add(l, "ffn_gate_inp.weight", 64, 4)
		add(l, "ffn_gate_exps.weight", 64, ff, 4)
		add(l, "ffn_up_exps.weight", 64, ff, 4)
		add(l, "ffn_down_exps.weight", ff, 64, 4)
		if shared > 0 {
			add(l, "ffn_gate_shexp.weight", 64, shared)
			add(l, "ffn_up_shexp.weight", 64, shared)
			add(l, "ffn_down_shexp.weight", shared, 64)
		}
		if family == "qwen2moe" {
			add(l, "ffn_gate_inp_shexp.weight", 64)
		}
	}
	return f
}

var families = []string{"llama", "qwen3moe", "qwen2moe", "glm4moe", "ernie4_5-moe", "hunyuan-moe", "minimax-m2"}

// TestExpertFamilies: what each family makes of a sound file, and that no tensor of it
// may be missing or of another shape.
func TestExpertFamilies(t *testing.T) {
	want := map[string]model.Experts{
		"llama":        {NFF: 96, Routing: model.Routing{Norm: true}},
		"qwen3moe":     {NFF: 24, Routing: model.Routing{Norm: true}},
		"qwen2moe":     {NFF: 24, NFFShared: 40, Gated: true},
		"glm4moe":      {NFF: 24, NFFShared: 48, Routing: model.Routing{Norm: true, Gating: model.SigmoidEach}},
		"ernie4_5-moe": {NFF: 24, NFFShared: 40, Routing: model.Routing{Norm: true}},
		"hunyuan-moe":  {NFF: 96, NFFShared: 40, Routing: model.Routing{Norm: true}},
		"minimax-m2":   {NFF: 96, Routing: model.Routing{Norm: true}},
	}
	for _, family := range families {
		m, err := openBytes(t, mixed(family))
		if err != nil {
			t.Errorf("%s: %v", family, err)
			continue
		}
		e := want[family]
		e.N, e.Used, e.Scale, e.Groups, e.GroupsUsed = 4, 2, 1, 1, 1
		if got := m.Config.At(1).Experts; got != e {
			t.Errorf("%s: %+v, want %+v", family, got, e)
		}
		if dense := m.Config.At(0).Experts.N == 0; dense != (family == "glm4moe" || family == "ernie4_5-moe") {
			t.Errorf("%s: the first layer is dense: %t", family, dense)
		}
		for _, x := range mixed(family).Tensors {
			if x.Name == "output.weight" { // tied
				continue
			}
			for _, change := range []func(f *ggufwrite.File){
				func(f *ggufwrite.File) { remove(f, x.Name) },
				func(f *ggufwrite.File) { replace(f, x.Name, quant.F32, append([]int{x.Dims[0] + 1}, x.Dims[1:]...)...) },
			} {
				f := mixed(family)
				change(f)
				var fe *loader.FormatError
				if _, err := openBytes(t, f); !errors.As(err, &fe) || !strings.Contains(err.Error(), x.Name) && x.Name != "token_embd.weight" {
					t.Errorf("%s without a sound %s: %v", family, x.Name, err)
				}
			}
		}
	}
}

// TestFusedExperts: gate and up may lie in one tensor, gate's rows first.
func TestFusedExperts(t *testing.T) {
	f := mixed("qwen3moe")
	for l := range 2 {
		remove(f, blk(l, "ffn_gate_exps.weight"))
		remove(f, blk(l, "ffn_up_exps.weight"))
		replace(f, blk(l, "ffn_gate_up_exps.weight"), quant.F32, 64, 48, 4)
	}
	m, err := openBytes(t, f)
	if err != nil {
		t.Fatal(err)
	}
	p, err := m.Describe(m.Whole(), model.Room{Pages: 1})
	if err != nil {
		t.Fatal(err)
	}
	first := map[string]uint32{"blk.1.ffn_gate_exps": 0, "blk.1.ffn_up_exps": 24}
	for _, s := range p.Steps {
		if at, ok := first[p.Tensors[s.Dst].Name]; ok {
			if s.Arg[1] != at || p.Tensors[s.Dst].Cols != 2*24 {
				t.Errorf("%s: %s, %d columns", p.Tensors[s.Dst].Name, s.Args(), p.Tensors[s.Dst].Cols)
			}
			delete(first, p.Tensors[s.Dst].Name)
		}
	}
	if len(first) > 0 {
		t.Errorf("no step makes %v", first)
	}
}

// TestUnsoundExperts changes one thing in a sound file; the error names the field.
func TestUnsoundExperts(t *testing.T) {
	for _, c := range []struct {
		family, key string
		v           any
		says        []string
	}{
		{"llama", "expert_count", uint32(1 << 30), []string{"expert_count", "1024"}},
		{"qwen3moe", "expert_count", uint32(0), []string{"expert_count"}},
		{"llama", "expert_count", uint32(5), []string{"blk.0.ffn_gate_inp.weight", "64×4", "64×5"}},
		{"llama", "expert_used_count", uint32(5), []string{"expert_used_count", "5", "from 1 to 4"}},
		{"llama", "expert_used_count", uint32(0), []string{"expert_used_count"}},
		{"llama", "expert_used_count", []uint32{2, 2}, []string{"expert_used_count", "each layer"}},
		{"llama", "expert_weights_scale", float32(1e30), []string{"expert_weights_scale"}},
		{"llama", "expert_weights_scale", float32(-1), []string{"expert_weights_scale"}},
		{"glm4moe", "expert_weights_norm", uint32(1), []string{"expert_weights_norm"}},
		{"glm4moe", "expert_gating_func", uint32(3), []string{"expert_gating_func", "3"}},
		{"glm4moe", "expert_shared_count", uint32(1000000), []string{"blk.1.ffn_gate_shexp.weight"}},
		{"glm4moe", "expert_feed_forward_length", uint32(25), []string{"blk.1.ffn_gate_exps.weight", "64×24×4", "64×25×4"}},
		{"glm4moe", "nextn_predict_layers", uint32(2), []string{"nextn_predict_layers"}},
		{"qwen3moe", "expert_feed_forward_length", uint32(1 << 22), []string{"expert_used_count"}},
		{"qwen3moe", "expert_group_count", uint32(3), []string{"expert_group_count", "3 groups of 4"}},
		{"qwen3moe", "expert_group_count", uint32(4), []string{"expert_group_count"}},
		{"qwen3moe", "expert_group_count", uint32(2), []string{"expert_group_used_count", "missing"}},
		{"qwen2moe", "expert_shared_feed_forward_length", uint32(41), []string{"blk.0.ffn_gate_shexp.weight"}},
		{"hunyuan-moe", "expert_shared_feed_forward_length", uint32(0), []string{"expert_shared_feed_forward_length"}},
		{"ernie4_5-moe", "interleave_moe_layer_step", uint32(0), []string{"interleave_moe_layer_step"}},
		{"ernie4_5-moe", "leading_dense_block_count", uint32(2), []string{"blk.1.ffn_gate.weight", "missing"}},
	} {
		f := mixed(c.family)
		f.Set(c.family+"."+c.key, c.v)
		_, err := openBytes(t, f)
		var fe *loader.FormatError
		if !errors.As(err, &fe) {
			t.Errorf("%s %s = %v: error %v, want a FormatError", c.family, c.key, c.v, err)
			continue
		}
		for _, says := range append(c.says, "test.gguf") {
			if !strings.Contains(err.Error(), says) {
				t.Errorf("%q lacks %q", err, says)
			}
		}
	}
	f := mixed("llama")
	f.Set("llama.expert_group_count", uint32(2))
	f.Set("llama.expert_group_used_count", uint32(1))
	if _, err := openBytes(t, f); err != nil {
		t.Error(err)
	}
	f.Set("llama.expert_used_count", uint32(3))
	if _, err := openBytes(t, f); err == nil || !strings.Contains(err.Error(), "expert_group_used_count") {
		t.Errorf("three experts of a group of two: %v", err)
	}
}
