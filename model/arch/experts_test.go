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
	case "qwen3moe", "qwen3vlmoe", "qwen2moe", "glm4moe", "ernie4_5-moe", "gpt-oss":
		ff = 24
		set("expert_feed_forward_length", uint32(ff))
	}
	switch family {
	case "qwen2moe", "ernie4_5-moe", "hunyuan-moe", "granitemoe":
		shared = 40
		set("expert_shared_feed_forward_length", uint32(shared))
	case "glm4moe":
		shared = 2 * ff
		set("expert_shared_count", uint32(2))
		set("expert_weights_norm", true)
	}
	switch family {
	case "granitemoe":
		set("logit_scale", float32(4))
	case "qwen3vlmoe":
		set("rope.dimension_sections", []int32{6, 5, 5})
	case "gpt-oss":
		set("attention.sliding_window", uint32(16))
	}
	if family == "glm4moe" || family == "ernie4_5-moe" {
		first = 1
		set("leading_dense_block_count", uint32(1))
	}
	add := func(l int, name string, dims ...int) { replace(f, blk(l, name), quant.F32, dims...) }
	for l := range 2 {
		switch family {
		case "qwen3moe", "qwen3vlmoe", "hunyuan-moe":
			add(l, "attn_q_norm.weight", 32)
			add(l, "attn_k_norm.weight", 32)
		case "minimax-m2":
			add(l, "attn_q_norm.weight", 128)
			add(l, "attn_k_norm.weight", 64)
		case "glm4moe", "gpt-oss":
			remove(f, blk(l, "ffn_norm.weight"))
			add(l, "post_attention_norm.weight", 64)
		}
		if family == "gpt-oss" {
			add(l, "attn_sinks.weight", 4)
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

var families = []string{"llama", "qwen3moe", "qwen2moe", "glm4moe", "ernie4_5-moe", "hunyuan-moe", "minimax-m2", "gpt-oss", "granitemoe", "qwen3vlmoe"}

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
		"gpt-oss":      {NFF: 24, Routing: model.Routing{Gating: model.SoftmaxChosen}},
		"granitemoe":   {NFF: 96, NFFShared: 40, Routing: model.Routing{Norm: true}},
		"qwen3vlmoe":   {NFF: 24, Routing: model.Routing{Norm: true}},
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

// gemma4Mixed describes a sound file of Gemma 4 with experts.
func gemma4Mixed() *ggufwrite.File {
	f := dense("gemma4")
	f.Set("gemma4.expert_count", uint32(4))
	f.Set("gemma4.expert_used_count", uint32(2))
	f.Set("gemma4.expert_feed_forward_length", uint32(24))
	for l := range 2 {
		add := func(name string, dims ...int) { replace(f, blk(l, name), quant.F32, dims...) }
		for _, name := range []string{"pre_ffw_norm_2", "post_ffw_norm_1", "post_ffw_norm_2"} {
			add(name+".weight", 64)
		}
		add("ffn_gate_inp.weight", 64, 4)
		add("ffn_gate_inp.scale", 64)
		add("ffn_gate_up_exps.weight", 64, 48, 4)
		add("ffn_down_exps.weight", 24, 64, 4)
		add("ffn_down_exps.scale", 4)
	}
	return f
}

// TestGemma4Experts: they lie beside the dense layer; each of their tensors counts but the
// factors of their answers.
func TestGemma4Experts(t *testing.T) {
	m, err := openBytes(t, gemma4Mixed())
	if err != nil {
		t.Fatal(err)
	}
	p, err := m.Describe(m.Whole(), model.Room{Pages: 1})
	if err != nil {
		t.Fatal(err)
	}
	dense, sums := 0, 0
	for _, s := range p.Steps {
		switch name := p.Tensors[s.Dst].Name; {
		case strings.HasSuffix(name, ".ffn_down"):
			dense++
		case s.Op == model.Combine && len(s.Src) == 3:
			sums++
		}
	}
	if dense != 2 || sums != 2 {
		t.Errorf("%d dense layers and %d of experts with factors, of two layers", dense, sums)
	}
	for _, x := range gemma4Mixed().Tensors {
		if !strings.Contains(x.Name, "exps") && !strings.Contains(x.Name, "ffw_norm") && !strings.Contains(x.Name, "ffn_gate_inp") {
			continue
		}
		f := gemma4Mixed()
		remove(f, x.Name)
		if _, err := openBytes(t, f); (err == nil) != strings.HasSuffix(x.Name, "exps.scale") {
			t.Errorf("without %s: %v", x.Name, err)
		}
		f = gemma4Mixed()
		replace(f, x.Name, quant.F32, append([]int{x.Dims[0] + 1}, x.Dims[1:]...)...)
		if _, err := openBytes(t, f); err == nil || !strings.Contains(err.Error(), x.Name) {
			t.Errorf("with another shape of %s: %v", x.Name, err)
		}
	}
}

// TestFactorsOfExperts: each product of an expert may have a factor, one for each expert; a
// bias beside it is not known.
func TestFactorsOfExperts(t *testing.T) {
	for name, op := range map[string]model.Op{"ffn_down_exps": model.Combine, "ffn_gate_exps": model.Mul, "ffn_up_exps": model.Mul} {
		scale := blk(1, name+".scale")
		f := mixed("qwen3moe")
		replace(f, scale, quant.F32, 4)
		m, err := openBytes(t, f)
		if err != nil {
			t.Errorf("%s: %v", scale, err)
			continue
		}
		p, err := m.Describe(m.Whole(), model.Room{Pages: 1})
		if err != nil {
			t.Fatal(err)
		}
		if !slices.ContainsFunc(p.Steps, func(s model.Step) bool {
			return s.Op == op && slices.ContainsFunc(s.Src, func(id model.ID) bool { return p.Tensors[id].Name == scale })
		}) {
			t.Errorf("no %s reads %s", op, scale)
		}
		replace(f, scale, quant.F32, 3)
		if _, err := openBytes(t, f); err == nil || !strings.Contains(err.Error(), scale) {
			t.Errorf("three factors of four experts in %s: %v", scale, err)
		}
		f = mixed("qwen3moe")
		replace(f, scale, quant.F32, 4)
		replace(f, blk(1, name+".bias"), quant.F32, map[bool]int{false: 24, true: 64}[name == "ffn_down_exps"], 4)
		if _, err := openBytes(t, f); !errors.As(err, new(model.UnsupportedError)) || !strings.Contains(err.Error(), scale) {
			t.Errorf("factors and biases in %s: %v", name, err)
		}
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
		{"gpt-oss", "attention.sliding_window", uint32(0), []string{"attention.sliding_window", "from 1"}},
		{"gpt-oss", "attention.sliding_window_pattern", []bool{true}, []string{"attention.sliding_window_pattern", "2 layers"}},
		{"gpt-oss", "expert_feed_forward_length", uint32(0), []string{"expert_feed_forward_length"}},
		{"gpt-oss", "rope.scaling.type", "ntk", []string{"rope.scaling.type", "ntk"}},
		{"granitemoe", "expert_used_count", uint32(5), []string{"expert_used_count", "from 1 to 4"}},
		{"granitemoe", "residual_scale", float32(1e30), []string{"residual_scale"}},
		{"qwen3vlmoe", "rope.dimension_sections", []int32{16, 0, 0, 0}, []string{"rope.dimension_sections", "no text turns"}},
		{"minimax-m2", "nextn_predict_layers", uint32(2), []string{"nextn_predict_layers"}},
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
