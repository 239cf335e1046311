package imatrix

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"eclat/engine"
	"eclat/engine/compare"
	"eclat/engine/perplexity"
	"eclat/loader"
	"eclat/loader/quant"
	"eclat/loader/quantize"
	"eclat/model"
)

const (
	builtIn = "../../testdata/sotu-8m-q4_k_m.gguf"
	experts = "../../testdata/experts-small.gguf"
)

func open(t *testing.T, path string, o engine.Options) *engine.Engine {
	t.Helper()
	f, err := loader.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	e, err := engine.Open(context.Background(), f, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	return e
}

// text is n tokens that any model here knows.
func text(n int) (ids []int32) {
	for i := range n {
		ids = append(ids, int32(3+(i*i*7+i*13)%250))
	}
	return ids
}

// TestOnEveryDevice: the file is the same byte by byte on ref, cpu and GPU, with the
// layers on one device or on two, and however many tokens are computed at once.
func TestOnEveryDevice(t *testing.T) {
	gpu := ""
	list, missing := engine.Devices(0)
	for _, d := range list {
		if info := d.Info(); info.GPU() && gpu == "" {
			gpu = info.ID
		}
	}
	for _, path := range []string{builtIn, experts} {
		var want []byte
		for _, o := range []engine.Options{
			{Device: "cpu"}, {Device: "ref"}, {Device: gpu}, {Device: gpu, GPULayers: "1"},
		} {
			if o.Device == "" {
				t.Logf("no GPU: %v", missing)
				continue
			}
			o.Context = 64
			e := open(t, path, o)
			m, err := Collect(t.Context(), e, text(50), Options{Window: 23, Output: true})
			if err != nil {
				t.Fatal(err)
			}
			got := m.file("text").Bytes()
			if want == nil {
				want = got
			}
			if m.Windows != 2 || !bytes.Equal(got, want) {
				t.Errorf("%s on %s %s: %d windows, or another file", filepath.Base(path), o.Device, o.GPULayers, m.Windows)
			}
		}
	}
}

// inputs names what the matrices of a llama block are multiplied by.
var inputs = map[string]string{
	"attn_q": "attn_norm", "attn_k": "attn_norm", "attn_v": "attn_norm", "attn_output": "attention",
	"ffn_gate": "ffn_norm", "ffn_up": "ffn_norm", "ffn_down": "swiglu",
	"ffn_gate_inp": "ffn_norm", "ffn_gate_exps": "ffn_norm", "ffn_up_exps": "ffn_norm", "ffn_down_exps": "swiglu_exps",
	"ffn_gate_shexp": "ffn_norm", "ffn_up_shexp": "ffn_norm", "ffn_down_shexp": "swiglu_shexp",
}

// chosen are the experts of a row of router logits as GLM-4.5 chooses them: by the
// sigmoid plus a bias, within the groups whose two best add up to most.
func chosen(k model.Experts, logits, bias []float32) []int {
	v := make([]float64, k.N)
	for i, l := range logits {
		v[i] = 1/(1+math.Exp(-float64(l))) + float64(bias[i])
	}
	best := func(n int, value func(int) float64) []int {
		order := make([]int, n)
		for i := range order {
			order[i] = i
		}
		slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(value(b), value(a)) })
		return order
	}
	size := k.N / k.Groups
	groups := best(k.Groups, func(g int) float64 {
		two := slices.Sorted(slices.Values(v[g*size:][:size]))
		return two[size-1] + two[size-2]
	})[:k.GroupsUsed]
	return best(k.N, func(i int) float64 {
		if k.Groups > 1 && !slices.Contains(groups, i/size) {
			return math.Inf(-1)
		}
		return v[i]
	})[:k.Used]
}

// TestAgainstTrace: the sums are those of traced activations, one token at a time; a
// row's experts are those with the greatest of the router's logits.
func TestAgainstTrace(t *testing.T) {
	for _, path := range []string{builtIn, experts} {
		e := open(t, path, engine.Options{Device: "cpu", Context: 64})
		const window = 20
		m, err := Collect(t.Context(), e, text(2*window), Options{Window: window})
		if err != nil {
			t.Fatal(err)
		}
		want := map[string][]float64{} // by tensor and expert
		counts := map[string]int64{}
		add := func(key string, row []float32) {
			if want[key] == nil {
				want[key] = make([]float64, len(row))
			}
			for i, x := range row {
				want[key][i] += float64(x) * float64(x)
			}
			counts[key]++
		}
		for _, w := range perplexity.Cut(e, text(2*window), window, 0) {
			live, err := compare.NewLive(t.Context(), e, w, 1)
			if err != nil {
				t.Fatal(err)
			}
			for pos := range w {
				rows, err := live.Row(t.Context(), pos)
				if err != nil {
					t.Fatal(err)
				}
				at := map[string][]float32{}
				for i, x := range live.Header().Tensors {
					at[x.Name] = rows[i]
				}
				for l := range e.Model.Config.NLayer {
					k := e.Model.Config.At(l).Experts
					for part, from := range inputs {
						name := fmt.Sprintf("blk.%d.%s", l, part)
						row := at[fmt.Sprintf("blk.%d.%s", l, from)]
						if row == nil { // as GLM calls it
							row = at[fmt.Sprintf("blk.%d.post_attention_norm", l)]
						}
						if e.Model.File.Tensor(name+".weight") == nil {
							continue
						}
						if !strings.HasSuffix(part, "_exps") {
							add(name+".weight 0", row)
							continue
						}
						logits := at[fmt.Sprintf("blk.%d.ffn_gate_inp", l)]
						bias := make([]float32, k.N)
						quant.Decode(quant.F32, bias, e.Model.File.Tensor(fmt.Sprintf("blk.%d.exp_probs_b.bias", l)).Data)
						for j, x := range chosen(k, logits, bias) {
							mine := row
							if part == "ffn_down_exps" {
								mine = row[j*k.NFF:][:k.NFF]
							}
							add(fmt.Sprintf("%s.weight %d", name, x), mine)
						}
					}
				}
			}
			live.Close()
		}
		n := 0
		for _, s := range m.Sums {
			for i, count := range s.Counts {
				key := fmt.Sprintf("%s %d", s.Name, i)
				if count != counts[key] || count > 0 && !slices.Equal(s.Squares[i*s.Cols:][:s.Cols], want[key]) {
					t.Errorf("%s: %d rows, want %d, or other sums", key, count, counts[key])
				}
				if count > 0 {
					n++
				}
			}
		}
		if n != len(want) {
			t.Errorf("%s: %d matrices with sums, want %d", path, n, len(want))
		}
	}
}

// TestRead: quantise reads what is written; the file has llama.cpp's keys.
func TestRead(t *testing.T) {
	e := open(t, experts, engine.Options{Device: "cpu", Context: 64})
	m, err := Collect(t.Context(), e, text(64), Options{Window: 32, Limit: 1, Output: true})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "imatrix.gguf")
	if err := m.WriteFile(path, "a text"); err != nil {
		t.Fatal(err)
	}
	read, err := quantize.ReadImportance(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range m.Sums {
		w := read[s.Name]
		if len(w) != len(s.Squares) {
			t.Fatalf("%s: %d values of %d", s.Name, len(w), len(s.Squares))
		}
		for i, x := range w {
			want := 1.0
			if n := s.Counts[i/s.Cols]; n > 0 {
				want = s.Squares[i] / float64(n)
			}
			if math.Abs(float64(x)-want) > 1e-6*want {
				t.Fatalf("%s: element %d is %g, want %g", s.Name, i, x, want)
			}
		}
	}
	f, err := loader.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	chunks, _ := f.Get("imatrix.chunk_count")
	size, _ := f.Get("imatrix.chunk_size")
	kind, _ := f.Get("general.type")
	if n, _ := chunks.Uint(); n != 1 {
		t.Errorf("%d chunks", n)
	}
	if n, _ := size.Uint(); n != 32 {
		t.Errorf("chunks of %d", n)
	}
	if s, _ := kind.Str(); s != "imatrix" {
		t.Errorf("type %q", s)
	}
	p, err := quantize.New(e.Model.File, "Q4_0", nil, read)
	if err != nil || p == nil {
		t.Fatal(err)
	}
}

// TestRefused: a text of less than a window, and a full disk, leave nothing.
func TestRefused(t *testing.T) {
	e := open(t, builtIn, engine.Options{Device: "cpu", Context: 64})
	var short *perplexity.TooShortError
	if _, err := Collect(t.Context(), e, text(31), Options{Window: 32}); !errors.As(err, &short) {
		t.Error(err)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Collect(gone, e, text(64), Options{Window: 32}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	path := filepath.Join(t.TempDir(), "none", "imatrix.gguf")
	if err := (&Matrix{}).WriteFile(path, ""); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}
