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

// fourLlama describes a sound file of Llama 4: four layers, the second and the fourth with
// experts of 24, n of them.
func fourLlama(n int) *ggufwrite.File {
	f := small()
	for i, kv := range f.Meta {
		f.Meta[i].Key = strings.Replace(kv.Key, "llama.", "llama4.", 1)
	}
	f.Set("general.architecture", "llama4")
	for key, v := range map[string]uint32{
		"block_count": 4, "expert_count": uint32(n), "expert_used_count": 1, "expert_feed_forward_length": 24, "interleave_moe_layer_step": 2,
	} {
		f.Set("llama4."+key, v)
	}
	for _, x := range f.Tensors {
		for _, to := range []string{"2", "3"} {
			if rest, ok := strings.CutPrefix(x.Name, "blk.1."); ok {
				replace(f, "blk."+to+"."+rest, quant.F32, x.Dims...)
			}
		}
	}
	for _, l := range []int{1, 3} {
		for _, part := range []string{"gate", "up", "down"} {
			from, to := 64, 24
			if part == "down" {
				from, to = 24, 64
			}
			remove(f, blk(l, "ffn_"+part+".weight"))
			replace(f, blk(l, "ffn_"+part+"_exps.weight"), quant.F32, from, to, n)
			replace(f, blk(l, "ffn_"+part+"_shexp.weight"), quant.F32, from, to)
		}
		replace(f, blk(l, "ffn_gate_inp.weight"), quant.F32, 64, n)
	}
	return f
}

// TestLlama4: which layers have chunks, rope, warm queries and experts, and that every
// tensor counts.
func TestLlama4(t *testing.T) {
	for _, n := range []int{4, 128} {
		m, err := openBytes(t, fourLlama(n))
		if err != nil {
			t.Fatal(err)
		}
		p, err := m.Describe(m.Whole(), model.Room{Pages: 1})
		if err != nil {
			t.Fatal(err)
		}
		found := map[string]string{}
		for _, s := range p.Steps {
			name := p.Tensors[s.Dst].Name
			if s.Op == model.RoPE {
				r := p.Ropes[s.Arg[1]]
				if warm := r.ScaleAt(8191) > 1 && r.ScaleAt(8190) == 1; warm != strings.HasPrefix(name, "blk.3.q") || warm != (r.Freq[0] == 0) {
					t.Errorf("%s: warm %t, turns by %g", name, warm, r.Freq[0])
				}
			}
			if strings.HasPrefix(name, "blk.") {
				found[name] = s.Args()
			}
		}
		for name, want := range map[string]string{
			"blk.0.attention": "window=8192 cap=0 chunk=8192", "blk.2.attention": "window=8192 cap=0 chunk=8192", "blk.3.attention": "window=0 cap=0 chunk=0",
			"blk.1.routes": "used=1 gating=2", "blk.1.weight": "used=1 gating=1",
		} {
			if !strings.Contains(found[name], want) {
				t.Errorf("%s: %q, want %q", name, found[name], want)
			}
		}
		for name, want := range map[string]bool{
			"blk.0.q_normed": n != 128, "blk.2.k_normed": n != 128, "blk.3.q_normed": false,
			"blk.2.k_rope": true, "blk.3.k_rope": false, "blk.3.q_warm": true, "blk.2.routes": false, "blk.3.routes": true,
		} {
			if _, ok := found[name]; ok != want {
				t.Errorf("of %d experts: a step makes %s: %t, want %t", n, name, ok, want)
			}
		}
	}
	for _, x := range fourLlama(4).Tensors {
		f := fourLlama(4)
		remove(f, x.Name)
		if _, err := openBytes(t, f); (err == nil) != (x.Name == "output.weight") { // may be tied
			t.Errorf("without %s: %v", x.Name, err)
		}
		f = fourLlama(4)
		replace(f, x.Name, quant.F32, append([]int{x.Dims[0] + 1}, x.Dims[1:]...)...)
		if _, err := openBytes(t, f); err == nil {
			t.Errorf("with another shape of %s it is sound", x.Name)
		}
	}
}

// TestUnsoundLlama4: what the family cannot have is refused by the name of its field.
func TestUnsoundLlama4(t *testing.T) {
	for _, c := range []struct {
		key  string
		v    any
		says string
	}{
		{"expert_used_count", uint32(2), "2 experts a row"},
		{"expert_used_count", uint32(0), "from 1 to 4"},
		{"expert_count", uint32(0), "from 1"},
		{"expert_feed_forward_length", uint32(0), "from 1"},
		{"interleave_moe_layer_step", uint32(0), "from 1"},
		{"rope.dimension_count", uint32(16), "heads of 32 of which rope turns 16"},
		{"rope.freq_base_swa", float32(0), "0 is not above 1"},
		{"attention.sliding_window", uint32(0), "without chunks"},
		{"attention.sliding_window_pattern", []bool{true}, "each of 4 layers"},
	} {
		f := fourLlama(4)
		f.Set("llama4."+c.key, c.v)
		_, err := openBytes(t, f)
		var fe *loader.FormatError
		if !errors.As(err, &fe) || !strings.Contains(err.Error(), "llama4."+c.key) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s %v: %v, want %q", c.key, c.v, err, c.says)
		}
	}
}
