package quantize

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"eclat/loader"
	"eclat/loader/ggufwrite"
	"eclat/loader/quant"
)

// elements are n random weights.
func elements(n int) []float32 {
	random, x := rand.New(rand.NewPCG(1, 2)), make([]float32, n)
	for i := range x {
		x[i] = float32(random.NormFloat64()) / 32
	}
	return x
}

// like returns a file with the tensors of a model of so many layers, in small.
func like(t *testing.T, layers int, tied bool) *loader.File {
	t.Helper()
	f := ggufwrite.File{}
	f.Set("general.architecture", "llama")
	f.Set("llama.block_count", uint32(layers))
	f.Set("llama.attention.head_count", uint32(32))
	f.Set("llama.attention.head_count_kv", uint32(8))
	f.Set("general.file_type", uint32(1))
	f.Set("tokenizer.ggml.tokens", []string{"a", "b\x00"})
	one, row := elements(256*3), elements(256)
	add := func(name string) { f.Add(name, quant.F16, []int{256, 3}, one) }
	add("token_embd.weight")
	for i := range layers {
		for _, name := range []string{"attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down"} {
			add(fmt.Sprintf("blk.%d.%s.weight", i, name))
		}
		for _, name := range []string{"attn_norm", "ffn_norm"} {
			f.Add(fmt.Sprintf("blk.%d.%s.weight", i, name), quant.F32, []int{256}, row)
		}
	}
	f.Add("output_norm.weight", quant.F32, []int{256}, row)
	if !tied {
		add("output.weight")
	}
	return opened(t, &f)
}

func opened(t *testing.T, f *ggufwrite.File) *loader.File {
	t.Helper()
	g, err := loader.FromBytes("model.gguf", f.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// TestMix: a model with the tensors of Magistral Small gets the types that its
// Q4_K_M file has, and other mixes theirs.
func TestMix(t *testing.T) {
	f := like(t, 40, false)
	for _, c := range []struct {
		mix  string
		want map[quant.Type]int
	}{
		{"Q4_K_M", map[quant.Type]int{quant.F32: 81, quant.Q6_K: 41, quant.Q4_K: 241}},
		{"Q4_K_S", map[quant.Type]int{quant.F32: 81, quant.Q6_K: 1, quant.Q5_K: 9, quant.Q4_K: 272}},
		{"Q5_K_M", map[quant.Type]int{quant.F32: 81, quant.Q6_K: 41, quant.Q5_K: 241}},
		{"q6_k", map[quant.Type]int{quant.F32: 81, quant.Q6_K: 282}},
		{"Q8_0", map[quant.Type]int{quant.F32: 81, quant.Q8_0: 282}},
		{"Q4_0", map[quant.Type]int{quant.F32: 81, quant.Q4_0: 281, quant.Q6_K: 1}},
		{"IQ4_NL", map[quant.Type]int{quant.F32: 81, quant.IQ4_NL: 236, quant.Q5_K: 45, quant.Q6_K: 1}},
		{"Q2_K", map[quant.Type]int{quant.F32: 81, quant.Q2_K: 161, quant.Q3_K: 80, quant.Q4_K: 40, quant.Q6_K: 1}},
		{"Q3_K_S", map[quant.Type]int{quant.F32: 81, quant.Q3_K: 281, quant.Q6_K: 1}},
		{"Q3_K_M", map[quant.Type]int{quant.F32: 81, quant.Q3_K: 161, quant.Q4_K: 116, quant.Q5_K: 4, quant.Q6_K: 1}},
		{"Q3_K_L", map[quant.Type]int{quant.F32: 81, quant.Q3_K: 161, quant.Q5_K: 120, quant.Q6_K: 1}},
		{"IQ4_XS", map[quant.Type]int{quant.F32: 81, quant.IQ4_XS: 236, quant.Q5_K: 45, quant.Q6_K: 1}},
		{"MXFP4_MOE", map[quant.Type]int{quant.F32: 81, quant.Q8_0: 282}},
		{"BF16", map[quant.Type]int{quant.F32: 81, quant.BF16: 282}},
	} {
		if !slices.Contains(Names(), strings.ToUpper(c.mix)) {
			t.Logf("%s: its type cannot be read yet", c.mix)
			continue
		}
		p, err := New(f, c.mix, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		got := map[quant.Type]int{}
		for _, it := range p.Items {
			got[it.Type]++
			var i int
			if fmt.Sscanf(it.Tensor.Name, "blk.%d.attn_v", &i); c.mix == "Q4_K_M" && isValue(it.Tensor.Name) {
				if more := i < 5 || i >= 35 || (i-5)%3 == 2; more != (it.Type == quant.Q6_K) {
					t.Errorf("%s is %s", it.Tensor.Name, it.Type)
				}
			}
		}
		if fmt.Sprint(got) != fmt.Sprint(c.want) {
			t.Errorf("%s: %v, want %v", c.mix, got, c.want)
		}
	}
	p, err := New(like(t, 2, true), "q4_k", nil, nil)
	if err != nil || p.Items[0].Type != quant.Q6_K {
		t.Errorf("an embedding that is the output too is %s, %v", p.Items[0].Type, err)
	}
	for name, near := range map[string]string{"Q4K_M": "Q4_K_M", "iq4nl": "IQ4_NL", "xyz": "", strings.Repeat("Q", 1<<16): ""} {
		_, err := New(f, name, nil, nil)
		if !errors.Is(err, ErrType) || !strings.Contains(err.Error(), "IQ4_NL") || strings.Contains(err.Error(), "nearest") != (near != "") || !strings.HasSuffix(err.Error(), near) || len(err.Error()) > 400 {
			t.Errorf("%.40s: %.400v", name, err)
		}
	}
}

// TestOverride: the first pattern that matches counts, not for norms.
func TestOverride(t *testing.T) {
	var overrides []Override
	for _, s := range []string{`ffn_down=q8_0`, `blk\.1\.=F16`} {
		o, err := ParseOverride(s)
		if err != nil {
			t.Fatal(err)
		}
		overrides = append(overrides, o)
	}
	p, err := New(like(t, 2, false), "Q4_K_M", overrides, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]quant.Type{"blk.0.ffn_down.weight": quant.Q8_0, "blk.1.ffn_down.weight": quant.Q8_0,
		"blk.1.attn_q.weight": quant.F16, "blk.0.attn_q.weight": quant.Q4_K, "blk.1.attn_norm.weight": quant.F32}
	for _, it := range p.Items {
		if ty, ok := want[it.Tensor.Name]; ok && it.Type != ty {
			t.Errorf("%s is %s, want %s", it.Tensor.Name, it.Type, ty)
		}
	}
	for _, bad := range []string{"", "a", "(=Q8_0", "a=Q7", "a=I32"} {
		if _, err := ParseOverride(bad); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}

// TestFallback: where blocks do not divide a row, a smaller type stands in.
func TestFallback(t *testing.T) {
	f := ggufwrite.File{}
	f.Set("general.architecture", "llama")
	f.Add("blk.0.attn_q.weight", quant.F32, []int{160, 2}, elements(320))
	f.Add("blk.0.attn_k.weight", quant.F32, []int{33, 2}, elements(66))
	p, err := New(opened(t, &f), "Q6_K", nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []quant.Type{quant.Q8_0, quant.F16} {
		if it := p.Items[i]; it.Type != want || it.Wanted != quant.Q6_K {
			t.Errorf("%s: %s for %s, want %s", it.Tensor.Name, it.Type, it.Wanted, want)
		}
	}
}

// TestWrite: what is written has the metadata, the tensors that stay byte by byte and
// the others as Encode gives them, in one file or three.
func TestWrite(t *testing.T) {
	f := like(t, 3, false)
	for _, name := range []string{"out.gguf", "out-00001-of-00003.gguf"} {
		path := filepath.Join(t.TempDir(), name)
		p, err := New(f, "Q4_K_M", nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		var last, total int64
		if err := p.Write(t.Context(), path, func(d, n int64) { last, total = d, n }); err != nil {
			t.Fatal(err)
		}
		if last != total || total == 0 {
			t.Errorf("progress ends at %d of %d", last, total)
		}
		g, err := loader.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer g.Close()
		for _, key := range f.Keys {
			a, _ := f.Get(key)
			b, ok := g.Get(key)
			if want := fmt.Sprint(a.Any(9)); !ok || key != "general.file_type" && fmt.Sprint(b.Any(9)) != want {
				t.Errorf("%s is %v, want %s", key, b.Any(9), want)
			}
		}
		if v, _ := g.Get("general.file_type"); fmt.Sprint(v.Any(1)) != "15" {
			t.Errorf("file type %v", v.Any(1))
		}
		for _, it := range p.Items {
			got, want := g.Tensor(it.Tensor.Name), it.Tensor.Data
			if it.Changes() {
				x := make([]float32, it.Tensor.Elems())
				quant.Decode(it.Tensor.Type, x, it.Tensor.Data)
				want = make([]byte, it.Size)
				quant.Encode(it.Type, want, x, nil)
				if !(it.Loss > 0 && it.Loss < 0.1) {
					t.Errorf("%s loses %g", it.Tensor.Name, it.Loss)
				}
			}
			if got == nil || got.Type != it.Type || !slices.Equal(got.Data, want) {
				t.Errorf("%s %s: other bytes", name, it.Tensor.Name)
			}
		}
		if err := p.Write(t.Context(), path, func(int64, int64) {}); !errors.Is(err, fs.ErrExist) {
			t.Errorf("over a file that exists: %v", err)
		}
	}
}

// TestLarge: a tensor of several chunks and an odd last piece.
func TestLarge(t *testing.T) {
	f := ggufwrite.File{Alignment: 64}
	f.Set("general.architecture", "llama")
	x := elements(96 * 23000)
	f.Add("blk.0.attn_q.weight", quant.F32, []int{96, 23000}, x)
	p, err := New(opened(t, &f), "Q8_0", nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "out.gguf")
	if err := p.Write(t.Context(), path, func(int64, int64) {}); err != nil {
		t.Fatal(err)
	}
	g, err := loader.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	want := make([]byte, len(x)/32*34)
	quant.Encode(quant.Q8_0, want, x, nil)
	if !slices.Equal(g.Tensors[0].Data, want) {
		t.Error("other bytes")
	}
}

// TestBroken: whatever breaks the work off, no file is there afterwards.
func TestBroken(t *testing.T) {
	bad := func(v float32, ty quant.Type) *loader.File {
		f := ggufwrite.File{}
		f.Set("general.architecture", "llama")
		f.Add("blk.0.attn_q.weight", quant.F32, []int{256, 2}, elements(512))
		x := elements(512)
		x[300] = v
		f.Add("blk.0.attn_k.weight", ty, []int{256, 2}, x)
		return opened(t, &f)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for name, c := range map[string]struct {
		f    *loader.File
		ctx  context.Context
		want error
	}{
		"not a number": {bad(float32(math.NaN()), quant.F32), t.Context(), ErrValues},
		"infinite":     {bad(float32(math.Inf(1)), quant.F32), t.Context(), ErrValues},
		"too large":    {bad(1e30, quant.F32), t.Context(), ErrValues},
		"interrupted":  {like(t, 1, false), ended, context.Canceled},
	} {
		dir := t.TempDir()
		p, err := New(c.f, "Q4_K_M", nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := p.Write(c.ctx, filepath.Join(dir, "out.gguf"), func(int64, int64) {}); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
		if left, _ := os.ReadDir(dir); len(left) > 0 {
			t.Errorf("%s: %s is left", name, left[0].Name())
		}
	}
	p, err := New(like(t, 1, false), "Q8_0", nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Write(t.Context(), filepath.Join(t.TempDir(), "out-00001-of-00099.gguf"), func(int64, int64) {}); err == nil {
		t.Error("more files than tensors")
	}
}
