package quantize

import (
	"encoding/binary"
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"eclat/loader"
	"eclat/loader/ggufwrite"
	"eclat/loader/quant"
)

// TestImportance: the matrix is read, each expert has its own weights, and what was
// written is what Encode makes with them.
func TestImportance(t *testing.T) {
	const columns, rows, experts = 96, 200, 3
	sums := make([]float32, columns*experts)
	for i := range sums {
		sums[i] = float32(1+i%7*i%5) * float32(2+i/columns)
	}
	matrix := ggufwrite.File{}
	matrix.Add("blk.0.ffn_up_exps.weight.in_sum2", quant.F32, []int{columns, experts}, sums)
	matrix.Add("blk.0.ffn_up_exps.weight.counts", quant.F32, []int{1, experts}, []float32{2, 0, 4})
	path := filepath.Join(t.TempDir(), "imatrix.gguf")
	if err := matrix.WriteFile(path); err != nil {
		t.Fatal(err)
	}
	m, err := ReadImportance(path)
	if err != nil {
		t.Fatal(err)
	}
	want := slices.Clone(sums)
	for i := range want {
		want[i] = []float32{sums[i] / 2, 1, sums[i] / 4}[i/columns]
	}
	if !slices.Equal(m["blk.0.ffn_up_exps.weight"], want) {
		t.Error("other means")
	}

	f := ggufwrite.File{}
	f.Set("general.architecture", "llama")
	x := elements(columns * rows * experts)
	f.Add("blk.0.ffn_up_exps.weight", quant.F32, []int{columns, rows, experts}, x)
	p, err := New(opened(t, &f), "Q4_0", nil, m)
	if err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(t.TempDir(), "out.gguf")
	if err := p.Write(t.Context(), out, func(int64, int64) {}); err != nil {
		t.Fatal(err)
	}
	g, err := loader.Open(out)
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	w := make([]float32, len(x))
	for i := range w {
		w[i] = want[i/(columns*rows)*columns+i%columns]
	}
	bytes := make([]byte, len(x)/32*18)
	quant.Encode(quant.Q4_0, bytes, x, w)
	if !slices.Equal(g.Tensors[0].Data, bytes) {
		t.Error("other bytes")
	}
	m["blk.0.ffn_up_exps.weight"] = want[1:]
	if _, err := New(opened(t, &f), "Q4_0", nil, m); !errors.Is(err, ErrImportance) {
		t.Errorf("a value too few: %v", err)
	}
}

// TestImportanceRefused: what is no importance matrix is refused by the file's fault.
func TestImportanceRefused(t *testing.T) {
	sums := []float32{1, 2}
	for says, fill := range map[string]func(f *ggufwrite.File){
		"no importance matrix": func(f *ggufwrite.File) { f.Add("a.weight", quant.F32, []int{2}, sums) },
		"no 1 counts":          func(f *ggufwrite.File) { f.Add("a.in_sum2", quant.F32, []int{2}, sums) },
		"no sum of squares": func(f *ggufwrite.File) {
			f.Add("a.in_sum2", quant.F32, []int{2}, []float32{1, float32(math.NaN())})
			f.Add("a.counts", quant.F32, []int{1}, []float32{1})
		},
	} {
		var f ggufwrite.File
		fill(&f)
		path := filepath.Join(t.TempDir(), "imatrix.gguf")
		if err := f.WriteFile(path); err != nil {
			t.Fatal(err)
		}
		_, err := ReadImportance(path)
		var bad *loader.FormatError
		if !errors.As(err, &bad) || !strings.Contains(err.Error(), says) {
			t.Errorf("%v, want %q", err, says)
		}
	}
}

// dat writes an importance matrix in the older format.
func dat(t *testing.T, entries int, names []string, calls int32, values ...float32) string {
	t.Helper()
	b := binary.LittleEndian.AppendUint32(nil, uint32(entries))
	for _, name := range names {
		b = binary.LittleEndian.AppendUint32(b, uint32(len(name)))
		b = append(b, name...)
		b = binary.LittleEndian.AppendUint32(b, uint32(calls))
		b = binary.LittleEndian.AppendUint32(b, uint32(len(values)))
		for _, x := range values {
			b = binary.LittleEndian.AppendUint32(b, math.Float32bits(x))
		}
	}
	path := filepath.Join(t.TempDir(), "imatrix.dat")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestImportanceDat: the older format is read, and what is none of it refused.
func TestImportanceDat(t *testing.T) {
	m, err := ReadImportance(dat(t, 2, []string{"a.weight", "b.weight"}, 4, 2, 6))
	if err != nil || len(m) != 2 || !slices.Equal(m["b.weight"], []float32{0.5, 1.5}) {
		t.Errorf("%v, %v", m, err)
	}
	for says, path := range map[string]string{
		"cut short":        dat(t, 3, []string{"a", "b"}, 4, 2, 6),
		"twice":            dat(t, 2, []string{"a", "a"}, 4, 2, 6),
		"calls":            dat(t, 1, []string{"a"}, 0, 2, 6),
		"values":           dat(t, 1, []string{"a"}, 1),
		"no sum of square": dat(t, 1, []string{"a"}, 1, -1),
		"length of a name": dat(t, 1, []string{strings.Repeat("a", 2000)}, 1, 1),
		"entries":          dat(t, 0, nil, 1),
	} {
		if _, err := ReadImportance(path); !errors.Is(err, ErrImportance) || !strings.Contains(err.Error(), says) {
			t.Errorf("%v, want %q", err, says)
		}
	}
}
