package fragment_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"eclat/loader"
	"eclat/loader/fragment"
	"eclat/loader/ggufwrite"
	"eclat/loader/manifest"
	"eclat/loader/quant"
	"eclat/testdata"
)

var background = context.Background()

// write cuts the model at path into dir.
func write(t testing.TB, path, dir string) *fragment.Result {
	t.Helper()
	f, err := loader.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	res, err := fragment.Write(background, f, dir, fragment.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return res
}

// sound verifies a folder that must be whole.
func sound(t testing.TB, path string) *fragment.Report {
	t.Helper()
	r, err := fragment.Verify(background, path, nil, fragment.Options{})
	if err == nil {
		err = r.Err()
	}
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func read(t testing.TB, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// files lists the files below dir, with slashes.
func files(t testing.TB, dir string) (out []string) {
	t.Helper()
	err := fs.WalkDir(os.DirFS(dir), ".", func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			out = append(out, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// roundTrip cuts a model up, looks at every blob, and puts it together again.
func roundTrip(t *testing.T, path string) {
	t.Helper()
	dir := t.TempDir()
	res := write(t, path, dir)
	for _, name := range files(t, dir) {
		base := filepath.Base(name)
		if filepath.Ext(base) == ".json" {
			base = strings.Split(base, ".")[strings.Count(base, ".")-1]
		}
		if sum := sha256.Sum256(read(t, filepath.Join(dir, name))); fmt.Sprintf("%x", sum) != base {
			t.Errorf("%s is not named by its sum", name)
		}
		if st, err := os.Stat(filepath.Join(dir, name)); err != nil || st.Mode().Perm() != 0o444 {
			t.Errorf("%s has mode %v", name, st.Mode())
		}
	}
	if r := sound(t, dir); r.Blobs != res.Blobs || r.ID != res.ID || res.New != res.Blobs {
		t.Errorf("written %+v, verified %+v", res, r)
	}
	src, err := loader.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	out := filepath.Join(t.TempDir(), "again")
	if n := len(src.Parts); n > 1 {
		out = ggufwrite.PartName(out, 0, n)
	}
	a, err := fragment.Assemble(background, dir, out, fragment.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if len(a.Paths) != len(src.Parts) || a.Size != src.Size {
		t.Fatalf("assembled %+v", a)
	}
	for i, p := range src.Parts {
		if !bytes.Equal(read(t, p.Path), read(t, a.Paths[i])) {
			t.Errorf("part %d differs from the source", i)
		}
	}
	if got := files(t, filepath.Dir(out)); len(got) != len(src.Parts) {
		t.Errorf("beside the file there are %v", got)
	}
}

// TestRoundTripShared takes the models that lie beside the repository.
func TestRoundTripShared(t *testing.T) {
	paths, err := filepath.Glob(filepath.Join("..", "..", "..", "shared", "models", "*.gguf"))
	if err != nil {
		t.Fatal(err)
	}
	if len(paths) == 0 {
		t.Skip("no models in ../../../shared/models; this test needs real files")
	}
	for _, path := range paths {
		t.Run(filepath.Base(path), func(t *testing.T) { roundTrip(t, path) })
	}
}

func TestRoundTripBuiltIn(t *testing.T) {
	path := filepath.Join(t.TempDir(), "model.gguf")
	if err := os.WriteFile(path, testdata.Model, 0o600); err != nil {
		t.Fatal(err)
	}
	roundTrip(t, path)

	// From memory the pieces are the same.
	f, err := loader.FromBytes("model.gguf", testdata.Model)
	if err != nil {
		t.Fatal(err)
	}
	res, err := fragment.Write(background, f, t.TempDir(), fragment.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if want := write(t, path, t.TempDir()); res.ID != want.ID {
		t.Errorf("from memory %s, from the file %s", res.ID, want.ID)
	}
}

// oddFile is a sound GGUF file as no usual tool writes one: tensors in another
// order than their descriptions, with gaps before, between and behind them, and
// nothing but noise in the padding.
func oddFile(seed uint64, alignment, tensors, largest int) []byte {
	rng := rand.New(rand.NewPCG(seed, 1))
	noise := func(n int) []byte {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(rng.Uint32())
		}
		return b
	}
	sizes, offsets := make([]int, tensors), make([]int, tensors)
	end := 0
	for _, i := range rng.Perm(tensors) {
		sizes[i] = 1 + rng.IntN(largest)
		offsets[i] = (end + rng.IntN(3*alignment) + alignment - 1) / alignment * alignment
		end = offsets[i] + sizes[i]
	}
	var r ggufwrite.Raw
	r.Header(3, uint64(tensors), 2)
	r.KV("general.alignment", uint32(alignment))
	r.KV("general.architecture", "odd\n")
	for i, n := range sizes {
		r.TensorInfo(fmt.Sprintf("blk.%d.\"t\\\"", i), []uint64{uint64(n)}, quant.I8, uint64(offsets[i]))
	}
	pad := (r.Len()+alignment-1)/alignment*alignment - r.Len()
	r.Append(noise(pad + end + rng.IntN(100))...)
	return r.Bytes()
}

func TestRoundTripOdd(t *testing.T) {
	type odd struct {
		name string
		data []byte
	}
	cases := []odd{
		{"no tensors", (&ggufwrite.File{}).Bytes()},
		{"no tensors, much else", append((&ggufwrite.File{}).Bytes(), bytes.Repeat([]byte("eclat "), 1<<20)...)},
		{"chunks and slabs", oddFile(1, 32, 9, 3*manifest.ChunkBytes)},
		{"wide gaps", oddFile(2, 1<<20, 5, 100)},
	}
	seeds := uint64(20)
	if testing.Short() {
		seeds = 5
	}
	for seed := range seeds {
		alignment := 1 << (seed % 8)
		cases = append(cases, odd{fmt.Sprintf("seed %d", seed), oddFile(100+seed, alignment, 1+int(seed), 1000)})
	}
	// Sizes around whole chunks.
	for _, n := range []int{manifest.ChunkBytes - 1, manifest.ChunkBytes, manifest.ChunkBytes + 1, 2 * manifest.ChunkBytes, 8 * manifest.ChunkBytes} {
		f := &ggufwrite.File{}
		f.Tensors = []ggufwrite.Tensor{
			{Name: "a", Type: quant.I8, Dims: []int{n}, Data: bytes.Repeat([]byte{7}, n)},
			{Name: "b", Type: quant.I8, Dims: []int{n}, Data: bytes.Repeat([]byte{7}, n)}, // the same blob
			{Name: "c", Type: quant.I8, Dims: []int{1}, Data: []byte{1}},
		}
		b := f.Bytes()
		cases = append(cases, odd{fmt.Sprintf("%d bytes", n), b[:len(b)-31]}) // the last tensor ends the file
	}
	// Chunks that do not fill what is read at once, with little left over.
	f := &ggufwrite.File{}
	for i := range 11 {
		n := 3 << 20
		f.Tensors = append(f.Tensors, ggufwrite.Tensor{Name: fmt.Sprint(i), Type: quant.I8, Dims: []int{n}, Data: bytes.Repeat([]byte{byte(i)}, n)})
	}
	cases = append(cases, odd{"33 MiB", f.Bytes()})
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "odd.gguf")
			if err := os.WriteFile(path, c.data, 0o600); err != nil {
				t.Fatal(err)
			}
			roundTrip(t, path)
		})
	}
}

func TestRoundTripSplit(t *testing.T) {
	for _, parts := range []int{2, 3, 5} {
		f := &ggufwrite.File{}
		f.Set("general.architecture", "llama")
		for i := range 4 {
			f.Add(fmt.Sprintf("blk.%d.x", i), quant.F32, []int{100}, make([]float32, 100))
		}
		paths, err := f.WriteSplit(filepath.Join(t.TempDir(), "split"), parts)
		if err != nil {
			t.Fatal(err)
		}
		roundTrip(t, paths[0])
		dir := t.TempDir()
		write(t, paths[0], dir)
		if _, err := fragment.Assemble(background, dir, filepath.Join(dir, "one.gguf"), fragment.Options{}); err == nil || !strings.Contains(err.Error(), "-00001-of-0000") {
			t.Errorf("several files under one name: %v", err)
		}
	}
}

// TestShared: two quantisations have the tensors that are not quantised in common,
// and these are stored once.
func TestShared(t *testing.T) {
	variant := func(name string, ty quant.Type) string {
		f := &ggufwrite.File{}
		f.Set("general.architecture", "llama")
		rng := rand.New(rand.NewPCG(1, 2))
		for l := range 4 {
			x := make([]float32, 256*4)
			for i := range x {
				x[i] = float32(rng.NormFloat64())
			}
			f.Add(fmt.Sprintf("blk.%d.attn_norm.weight", l), quant.F32, []int{256}, x[:256])
			f.Add(fmt.Sprintf("blk.%d.attn_q.weight", l), ty, []int{256, 4}, x)
		}
		path := filepath.Join(t.TempDir(), name)
		if err := f.WriteFile(path); err != nil {
			t.Fatal(err)
		}
		return path
	}
	dir := t.TempDir()
	a := write(t, variant("m-Q4_K.gguf", quant.Q4_K), dir)
	before := map[string]fs.FileInfo{}
	for _, name := range files(t, dir) {
		before[name], _ = os.Stat(filepath.Join(dir, name))
	}
	b := write(t, variant("m-Q6_K.gguf", quant.Q6_K), dir)
	if a.Blobs != 9 || a.New != 9 || b.Blobs != 9 || b.New != 5 { // 4 norms are shared
		t.Errorf("first %+v, second %+v", a, b)
	}
	for name, old := range before {
		if now, err := os.Stat(filepath.Join(dir, name)); err != nil || !os.SameFile(old, now) || now.ModTime() != old.ModTime() {
			t.Errorf("%s was written again", name)
		}
	}
	sound(t, a.Path)
	sound(t, b.Path)
	if n := len(files(t, dir)); n != 9+5+2 {
		t.Errorf("%d files", n)
	}
	// A third time there is nothing to do.
	if again := write(t, variant("m-Q6_K.gguf", quant.Q6_K), dir); again.New != 0 || again.ID != b.ID || len(files(t, dir)) != 9+5+2 {
		t.Errorf("again %+v", again)
	}
}
