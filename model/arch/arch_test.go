package arch

import (
	"errors"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"

	"eclat/loader"
	"eclat/loader/ggufwrite"
	"eclat/loader/quant"
	"eclat/model"
)

// small describes a sound llama file: 2 layers, n_embd 64, 4 query heads and 2
// key heads of 32 (128 wide in all), n_ff 96, 10 tokens.
func small() *ggufwrite.File {
	f := &ggufwrite.File{}
	f.Set("general.architecture", "llama")
	f.Set("general.name", "small")
	f.Set("llama.block_count", uint32(2))
	f.Set("llama.context_length", uint32(128))
	f.Set("llama.embedding_length", uint32(64))
	f.Set("llama.feed_forward_length", uint32(96))
	f.Set("llama.attention.head_count", uint32(4))
	f.Set("llama.attention.head_count_kv", uint32(2))
	f.Set("llama.attention.key_length", uint32(32))
	f.Set("llama.attention.value_length", uint32(32))
	f.Set("llama.attention.layer_norm_rms_epsilon", float32(1e-5))
	f.Set("tokenizer.ggml.tokens", strings.Split("a b c d e f g h i j", " "))
	add := func(name string, dims ...int) {
		n := 1
		for _, d := range dims {
			n *= d
		}
		f.Add(name, quant.F32, dims, make([]float32, n))
	}
	add("token_embd.weight", 64, 10)
	add("output_norm.weight", 64)
	add("output.weight", 64, 10)
	for l := range 2 {
		add(blk(l, "attn_norm.weight"), 64)
		add(blk(l, "attn_q.weight"), 64, 128)
		add(blk(l, "attn_k.weight"), 64, 64)
		add(blk(l, "attn_v.weight"), 64, 64)
		add(blk(l, "attn_output.weight"), 128, 64)
		add(blk(l, "ffn_norm.weight"), 64)
		add(blk(l, "ffn_gate.weight"), 64, 96)
		add(blk(l, "ffn_up.weight"), 64, 96)
		add(blk(l, "ffn_down.weight"), 96, 64)
	}
	return f
}

func openBytes(t *testing.T, f *ggufwrite.File) (*model.Model, error) {
	t.Helper()
	file, err := loader.FromBytes("test.gguf", f.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	return Open(file)
}

func remove(f *ggufwrite.File, name string) {
	f.Meta = slices.DeleteFunc(f.Meta, func(kv ggufwrite.KV) bool { return kv.Key == name })
	f.Tensors = slices.DeleteFunc(f.Tensors, func(t ggufwrite.Tensor) bool { return t.Name == name })
}

func replace(f *ggufwrite.File, name string, ty quant.Type, dims ...int) {
	remove(f, name)
	n := 1
	for _, d := range dims {
		n *= d
	}
	f.Add(name, ty, dims, make([]float32, n))
}

func TestConfig(t *testing.T) {
	m, err := openBytes(t, small())
	if err != nil {
		t.Fatal(err)
	}
	c := m.Config
	c.Rope = model.RopeConfig{}
	want := model.Config{Architecture: "llama", Name: "small", NLayer: 2, NEmbd: 64, NVocab: 10, NCtx: 128, Block: model.Block{
		NFF: 96, NHead: 4, NHeadKV: 2, HeadDimK: 32, HeadDimV: 32, RMSEps: 1e-5, AttnScale: float32(1 / math.Sqrt(32))}}
	if !reflect.DeepEqual(c, want) {
		t.Errorf("config %+v, want %+v", c, want)
	}
	if n := m.PositionBytes(model.CacheF16, model.CacheF16); n != 2*2*(32+32)*2 {
		t.Errorf("a position takes %d bytes", n)
	}
}

// TestHeadSizeFromTensors: without key_length the head size comes from attn_q's
// rows, not from n_embd / n_head = 16.
func TestHeadSizeFromTensors(t *testing.T) {
	f := small()
	remove(f, "llama.attention.key_length")
	remove(f, "llama.attention.value_length")
	m, err := openBytes(t, f)
	if err != nil {
		t.Fatal(err)
	}
	if m.Config.HeadDimK != 32 || m.Config.HeadDimV != 32 || m.Config.Rope.Dims != 32 {
		t.Errorf("head sizes %d and %d, rope %d; want 32", m.Config.HeadDimK, m.Config.HeadDimV, m.Config.Rope.Dims)
	}
}

func TestOptionalTensors(t *testing.T) {
	f := small()
	remove(f, "output.weight") // tied to the embedding
	f.Add("blk.1.attn_q.bias", quant.F32, []int{128}, make([]float32, 128))
	m, err := openBytes(t, f)
	if err != nil {
		t.Fatal(err)
	}
	p, err := m.Plan(m.Whole(), model.Room{Pages: 1})
	if err != nil {
		t.Fatal(err)
	}
	adds, last := 0, p.Steps[len(p.Steps)-1]
	for _, s := range p.Steps {
		if s.Op == model.Add {
			adds++
		}
	}
	if adds != 2*2+1 {
		t.Errorf("%d additions, want two a layer and one bias", adds)
	}
	if w := p.Tensors[last.Src[0]].Name; last.Op != model.MatMul || w != "token_embd.weight" {
		t.Errorf("the last step is %s of %s", last.Op, w)
	}
}

// TestUnsoundModels changes one thing in a sound file; the error is one line that
// names the file, the field and, where the field is there, its offset.
func TestUnsoundModels(t *testing.T) {
	set := func(key string, v any) func(f *ggufwrite.File) {
		return func(f *ggufwrite.File) { f.Set(key, v) }
	}
	for _, c := range []struct {
		name   string
		change func(f *ggufwrite.File)
		says   []string
	}{
		{"no architecture", func(f *ggufwrite.File) { remove(f, "general.architecture") }, []string{"general.architecture", "missing"}},
		{"architecture not a string", set("general.architecture", uint32(1)), []string{"general.architecture", "not a string"}},
		{"architecture unknown", set("general.architecture", "mamba"), []string{`"mamba"`, "supported are llama"}},
		{"no layers", set("llama.block_count", uint32(0)), []string{"llama.block_count", "0"}},
		{"layers of a wrong type", set("llama.block_count", "two"), []string{"llama.block_count"}},
		{"negative layers", set("llama.block_count", int32(-1)), []string{"llama.block_count"}},
		{"too many layers", set("llama.block_count", uint32(1<<31)), []string{"llama.block_count"}},
		{"layers without tensors", set("llama.block_count", uint32(3)), []string{"blk.2.attn_norm.weight", "missing"}},
		{"zero heads", set("llama.attention.head_count", uint32(0)), []string{"llama.attention.head_count"}},
		{"heads by layer", set("llama.attention.head_count", []uint32{4, 4}), []string{"llama.attention.head_count", "each layer"}},
		{"uneven groups", set("llama.attention.head_count_kv", uint32(3)), []string{"llama.attention.head_count_kv", "evenly"}},
		{"more key heads than heads", set("llama.attention.head_count_kv", uint32(8)), []string{"llama.attention.head_count_kv"}},
		{"no width", func(f *ggufwrite.File) { remove(f, "llama.embedding_length") }, []string{"llama.embedding_length", "missing"}},
		{"wrong width", set("llama.embedding_length", uint32(65)), []string{"token_embd.weight", "64×10", "65×10"}},
		{"wrong head size", set("llama.attention.key_length", uint32(16)), []string{"blk.0.attn_q.weight", "64×128", "64×64"}},
		{"wrong value size", set("llama.attention.value_length", uint32(64)), []string{"blk.0.attn_v.weight"}},
		{"huge head size", set("llama.attention.key_length", uint32(1<<31)), []string{"llama.attention.key_length"}},
		{"wrong ff width", set("llama.feed_forward_length", uint32(95)), []string{"blk.0.ffn_gate.weight"}},
		{"no context", set("llama.context_length", uint32(0)), []string{"llama.context_length"}},
		{"epsilon NaN", set("llama.attention.layer_norm_rms_epsilon", float32(math.NaN())), []string{"layer_norm_rms_epsilon"}},
		{"epsilon negative", set("llama.attention.layer_norm_rms_epsilon", float32(-1)), []string{"layer_norm_rms_epsilon"}},
		{"vocabulary of another size", set("tokenizer.ggml.tokens", []string{"a", "b"}), []string{"tokenizer.ggml.tokens", "2 tokens", "10 rows"}},
		{"odd rotary dimensions", set("llama.rope.dimension_count", uint32(31)), []string{"llama.rope.dimension_count"}},
		{"rotary dimensions above the head", set("llama.rope.dimension_count", uint32(64)), []string{"llama.rope.dimension_count"}},
		{"base 0", set("llama.rope.freq_base", float32(0)), []string{"llama.rope.freq_base"}},
		{"base infinite", set("llama.rope.freq_base", float32(math.Inf(1))), []string{"llama.rope.freq_base"}},
		{"scaling unknown", set("llama.rope.scaling.type", "longrope"), []string{"llama.rope.scaling.type", "yarn"}},
		{"scaling factor negative", set("llama.rope.scaling.factor", float32(-2)), []string{"llama.rope.scaling.factor"}},
		{"embedding missing", func(f *ggufwrite.File) { remove(f, "token_embd.weight") }, []string{"token_embd.weight", "missing"}},
		{"norm missing", func(f *ggufwrite.File) { remove(f, "output_norm.weight") }, []string{"output_norm.weight", "missing"}},
		{"projection transposed", func(f *ggufwrite.File) { replace(f, "blk.1.ffn_up.weight", quant.F32, 96, 64) }, []string{"blk.1.ffn_up.weight", "96×64", "64×96"}},
		{"three dimensions", func(f *ggufwrite.File) { replace(f, "blk.1.attn_norm.weight", quant.F32, 64, 2, 2) }, []string{"blk.1.attn_norm.weight"}},
		{"type without a kernel", func(f *ggufwrite.File) {
			remove(f, "blk.0.attn_norm.weight")
			f.Tensors = append(f.Tensors, ggufwrite.Tensor{Name: "blk.0.attn_norm.weight", Type: quant.I32, Dims: []int{64}, Data: make([]byte, 256)})
		}, []string{"blk.0.attn_norm.weight", "I32", "Q4_K"}},
		{"rope factors of a wrong number", func(f *ggufwrite.File) { replace(f, "rope_freqs.weight", quant.F32, 15) }, []string{"rope_freqs.weight"}},
		{"rope factors of zero", func(f *ggufwrite.File) { replace(f, "rope_freqs.weight", quant.F32, 16) }, []string{"rope_freqs.weight", "factor 0"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := small()
			c.change(f)
			_, err := openBytes(t, f)
			var fe *loader.FormatError
			if !errors.As(err, &fe) {
				t.Fatalf("error %v, want a FormatError", err)
			}
			for _, says := range append(c.says, "test.gguf") {
				if !strings.Contains(err.Error(), says) {
					t.Errorf("%q lacks %q", err, says)
				}
			}
			if strings.Contains(err.Error(), "\n") || !strings.Contains(err.Error(), "missing") && fe.Offset < 0 {
				t.Errorf("%q: not one line, or no offset", err)
			}
		})
	}
}

// TestStages: a model cut anywhere has the steps of the whole, each once, and the
// stages agree on what passes between them.
func TestStages(t *testing.T) {
	m, err := openBytes(t, small())
	if err != nil {
		t.Fatal(err)
	}
	room := model.Room{Pages: 3}
	whole, err := m.Plan(m.Whole(), room)
	if err != nil {
		t.Fatal(err)
	}
	for n := range m.Config.NLayer + 1 {
		last := m.Last(n)
		stages := []model.Stage{last}
		if !last.Embed {
			stages = []model.Stage{m.Before(last), last}
		}
		var steps, weights int
		for i, st := range stages {
			p, err := m.Plan(st, room)
			if err != nil {
				t.Fatal(err)
			}
			steps += len(p.Steps)
			weights += len(p.Weights())
			if (p.Hidden == model.None) != (i == 0) {
				t.Errorf("%d layers last: stage %d takes hidden rows: %t", n, i, p.Hidden != model.None)
			}
			if p.Width() != m.Config.NEmbd {
				t.Errorf("%d layers last: stage %d takes rows of %d", n, i, p.Width())
			}
			for _, k := range p.Memory() {
				if k.Rows != 3*model.PageLen || k.Pool != 0 {
					t.Errorf("%s has %d rows of pool %d", k.Name, k.Rows, k.Pool)
				}
			}
		}
		if steps != len(whole.Steps) || weights != len(whole.Weights()) {
			t.Errorf("%d layers last: %d steps and %d weights, the whole has %d and %d", n, steps, weights, len(whole.Steps), len(whole.Weights()))
		}
	}
	st := m.Whole()
	st.Sample = true
	p, err := m.Plan(st, room)
	if err != nil {
		t.Fatal(err)
	}
	if !p.Samples() || p.Tensors[p.Answer()].Name != "logits" || p.Vocab != 10 {
		t.Errorf("a sampling stage: samples %t, from %s, vocabulary %d", p.Samples(), p.Tensors[p.Answer()].Name, p.Vocab)
	}
}
