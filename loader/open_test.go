package loader_test

import (
	"bytes"
	"cmp"
	"errors"
	"io/fs"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"eclat/loader"
	"eclat/loader/ggufwrite"
	"eclat/loader/quant"
)

// smallModel has one tensor of every decodable type, of 1 to 4 dimensions.
func smallModel() *ggufwrite.File {
	rng := rand.New(rand.NewPCG(1, 2))
	f := &ggufwrite.File{}
	f.Set("general.architecture", "llama")
	f.Set("general.name", "small")
	for i, ty := range quant.Decodable() {
		dims := [][]int{{256}, {256, 3}, {256, 2, 2}, {256, 1, 2, 1}}[i%4]
		n := 1
		for _, d := range dims {
			n *= d
		}
		if !ggufwrite.CanEncode(ty) {
			size, _ := ty.RowBytes(uint64(n))
			data := make([]byte, size)
			for j := range data {
				data[j] = byte(rng.Uint32()) & 0x3f // finite, whichever of them are a half
			}
			f.Tensors = append(f.Tensors, ggufwrite.Tensor{Name: "blk." + ty.String(), Type: ty, Dims: dims, Data: data})
			continue
		}
		x := make([]float32, n)
		for j := range x {
			x[j] = float32(rng.NormFloat64())
		}
		f.Add("blk."+ty.String(), ty, dims, x)
	}
	return f
}

// checkTensors compares the tensors of f with those written.
func checkTensors(t *testing.T, f *loader.File, want []ggufwrite.Tensor) {
	t.Helper()
	if len(f.Tensors) != len(want) {
		t.Fatalf("%d tensors, want %d", len(f.Tensors), len(want))
	}
	for i, g := range f.Tensors {
		w := &want[i]
		if g.Name != w.Name || g.Type != w.Type || len(g.Dims) != len(w.Dims) {
			t.Errorf("tensor %d is %s %s %v, want %s %s %v", i, g.Name, g.Type, g.Dims, w.Name, w.Type, w.Dims)
			continue
		}
		rows := 1
		for j, d := range w.Dims {
			if g.Dims[j] != d {
				t.Errorf("%s: dimensions %v, want %v", g.Name, g.Dims, w.Dims)
			}
			if j > 0 {
				rows *= d
			}
		}
		if g.Rows() != rows || g.Elems() != rows*w.Dims[0] || g.RowBytes*rows != w.Size() || g.Size != int64(w.Size()) {
			t.Errorf("%s: %d rows of %d bytes, %d elements, %d bytes", g.Name, g.Rows(), g.RowBytes, g.Elems(), g.Size)
		}
		if !bytes.Equal(g.Data, w.Data) {
			t.Errorf("%s: the data differs from what was written", g.Name)
		}
		if f.Tensor(w.Name) != g {
			t.Errorf("Tensor(%q) does not find it", w.Name)
		}
	}
	if f.Tensor("absent") != nil {
		t.Error("a tensor that is not in the file was found")
	}
}

func TestOpen(t *testing.T) {
	small := smallModel()
	for _, c := range []struct {
		name string
		file ggufwrite.File
	}{
		{"version 3", ggufwrite.File{Meta: small.Meta, Tensors: small.Tensors}},
		{"version 2", ggufwrite.File{Version: 2, Meta: small.Meta, Tensors: small.Tensors}},
		{"alignment 64", ggufwrite.File{Alignment: 64, Meta: small.Meta, Tensors: small.Tensors}},
		{"alignment 1", ggufwrite.File{Alignment: 1, Meta: small.Meta, Tensors: small.Tensors}},
		{"alignment 1048576", ggufwrite.File{Alignment: 1 << 20, Meta: small.Meta, Tensors: small.Tensors[:1]}},
		{"no tensors", ggufwrite.File{Meta: small.Meta}},
		{"nothing at all", ggufwrite.File{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "model.gguf")
			if err := c.file.WriteFile(path); err != nil {
				t.Fatal(err)
			}
			f, err := loader.Open(path)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			if want := cmp.Or(c.file.Version, 3); f.Version != want {
				t.Errorf("version %d, want %d", f.Version, want)
			}
			if st, err := os.Stat(path); err != nil || f.Size != st.Size() || f.Path != path {
				t.Errorf("size %d, path %s; stat says %v, %v", f.Size, f.Path, st, err)
			}
			checkTensors(t, f, c.file.Tensors)
			for _, x := range f.Tensors {
				if x.Offset%int64(cmp.Or(c.file.Alignment, 32)) != 0 || x.Shard != 0 {
					t.Errorf("%s: offset %d, shard %d", x.Name, x.Offset, x.Shard)
				}
			}
		})
	}
}

// TestOpenUnpadded: the last tensor may end the file; not all writers pad it.
func TestOpenUnpadded(t *testing.T) {
	f := ggufwrite.File{Tensors: []ggufwrite.Tensor{{Name: "a", Type: quant.Q8_0, Dims: []int{32}, Data: make([]byte, 34)}}}
	b := f.Bytes()
	b = b[:len(b)-30] // 34 bytes are padded to 64
	if _, err := loader.FromBytes("unpadded", b); err != nil {
		t.Error(err)
	}
	if _, err := loader.FromBytes("unpadded", b[:len(b)-1]); err == nil || !strings.Contains(err.Error(), "1 bytes are missing") {
		t.Errorf("one byte less: %v", err)
	}
}

func TestFromBytes(t *testing.T) {
	small := smallModel()
	f, err := loader.FromBytes("embedded", small.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	checkTensors(t, f, small.Tensors)
	if f.Path != "embedded" {
		t.Errorf("path %q", f.Path)
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
}

// TestOpenSplit opens a model of three parts through each of them. With 2 tensors
// the first part has none, as some tools write it.
func TestOpenSplit(t *testing.T) {
	for _, tensors := range []int{2, 3, 8} {
		small := smallModel()
		small.Tensors = small.Tensors[:tensors]
		paths, err := small.WriteSplit(filepath.Join(t.TempDir(), "model"), 3)
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range paths {
			f, err := loader.Open(path)
			if err != nil {
				t.Errorf("%d tensors: %v", tensors, err)
				continue
			}
			checkTensors(t, f, small.Tensors)
			if f.Path != paths[0] {
				t.Errorf("opened as %s, path %s", path, f.Path)
			}
			if v, _ := f.Get("general.name"); v.Type != loader.String {
				t.Error("the metadata of the first part is not there")
			}
			for shard, part := range small.Split(3) {
				for _, w := range part.Tensors {
					if got := f.Tensor(w.Name).Shard; got != shard {
						t.Errorf("%d tensors: %s is in shard %d, want %d", tensors, w.Name, got, shard)
					}
				}
			}
			f.Close()
		}
	}
}

// TestOpenSplitName: a file named like the only part of a model needs no split keys.
func TestOpenSplitName(t *testing.T) {
	path := filepath.Join(t.TempDir(), "model-00001-of-00001.gguf")
	small := smallModel()
	if err := small.WriteFile(path); err != nil {
		t.Fatal(err)
	}
	f, err := loader.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	checkTensors(t, f, small.Tensors)
}

func TestOpenMissing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "absent.gguf")
	_, err := loader.Open(path)
	if !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), path) {
		t.Errorf("%v", err)
	}
}

func TestClose(t *testing.T) {
	path := filepath.Join(t.TempDir(), "model.gguf")
	if err := smallModel().WriteFile(path); err != nil {
		t.Fatal(err)
	}
	f, err := loader.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 2 {
		if err := f.Close(); err != nil {
			t.Errorf("Close number %d: %v", i+1, err)
		}
	}
}

// TestErrorf: other packages report what is wrong in a file through File.Errorf,
// which finds the place: of a key, the offset of its value; of a tensor, that of
// the last field of its description.
func TestErrorf(t *testing.T) {
	var r ggufwrite.Raw
	r.Header(3, 1, 1)
	r.KV("key", uint32(7))
	key := r.Len() - 4
	r.TensorInfo("tensor", []uint64{1}, quant.F32, 0)
	tensor := r.Len() - 8
	r.Pad(32)
	r.U32(math.Float32bits(1))
	f, err := loader.FromBytes("file", r.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		field string
		off   int
	}{{"key", key}, {"tensor", tensor}, {"absent", -1}} {
		var fe *loader.FormatError
		if err := f.Errorf(c.field, "is %d", 3); !errors.As(err, &fe) {
			t.Errorf("%s: %T", c.field, err)
		} else if want := (loader.FormatError{Path: "file", Field: c.field, Offset: int64(c.off), Reason: "is 3"}); *fe != want {
			t.Errorf("%+v, want %+v", *fe, want)
		}
	}
}
