package loader_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"eclat/loader"
	"eclat/loader/fragment"
	"eclat/loader/loadertest"
	"eclat/loader/manifest"
)

// names lists all tensors of a model.
func names(f *loader.File) (out []string) {
	for _, t := range f.Tensors {
		out = append(out, t.Name)
	}
	return out
}

// TestOpenFolder: a model opened from its folder, or its manifest, is the one that
// was cut up.
func TestOpenFolder(t *testing.T) {
	src := loadertest.Layered()
	src.Set("tokens", []string{"a", "", "ccc"})
	dir, mpath := loadertest.Folder(t, src)
	for _, path := range []string{dir, mpath} {
		f, err := loader.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		if f.Path != path || f.Version != 3 || f.Size != int64(len(src.Bytes())) || f.Manifest() == nil || f.Missing() != nil {
			t.Errorf("path %s, version %d, size %d, missing %v", f.Path, f.Version, f.Size, f.Missing())
		}
		if v, _ := f.Get("tokens"); v.Len != 3 {
			t.Error("the metadata is not there")
		}
		for _, x := range f.Tensors { // all but the header's are mapped on demand
			if mapped := x.Data != nil; mapped != (x.Name == "rope_freqs.weight") {
				t.Errorf("%s: mapped %v before Map", x.Name, mapped)
			}
		}
		if err := f.Map(append(names(f), "absent")...); err != nil {
			t.Fatal(err)
		}
		checkTensors(t, f, src.Tensors)
		var fe *loader.FormatError
		if err := f.Errorf("tokens", "odd"); !errors.As(err, &fe) || fe.Offset <= 0 || fe.Path != path {
			t.Errorf("%v", err)
		}
		for i := range 2 {
			if err := f.Close(); err != nil {
				t.Errorf("Close number %d: %v", i+1, err)
			}
		}
	}
	// To a GGUF file Map is nothing.
	f, err := loader.FromBytes("model", src.Bytes())
	if err != nil || f.Map(names(f)...) != nil || f.Missing() != nil || f.Manifest() != nil {
		t.Errorf("%v", err)
	}
}

// TestMapOnlyNeeded asks the system which files are mapped.
func TestMapOnlyNeeded(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("reads /proc/self/maps, which only Linux has")
	}
	dir, _ := loadertest.Folder(t, loadertest.Layered())
	mapped := func() (n int) {
		for _, line := range strings.Split(string(loadertest.ReadFile(t, "/proc/self/maps")), "\n") {
			if strings.Contains(line, filepath.Join(dir, "blobs")) {
				n++
			}
		}
		return n
	}
	f, err := loader.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if n := mapped(); n != 2 { // the header's bytes and rope_freqs
		t.Errorf("%d blobs are mapped after Open", n)
	}
	for range 2 {
		if err := f.Map("blk.1.attn_norm.weight", "blk.1.attn_q.weight"); err != nil {
			t.Fatal(err)
		}
		if n := mapped(); n != 4 {
			t.Errorf("%d blobs are mapped with one layer of two tensors", n)
		}
	}
	f.Close()
	if n := mapped(); n != 0 {
		t.Errorf("%d blobs are mapped after Close", n)
	}
}

// TestMapConcurrently: several stages may ask for their weights at once.
func TestMapConcurrently(t *testing.T) {
	src := loadertest.Layered()
	dir, _ := loadertest.Folder(t, src)
	f, err := loader.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for i, name := range names(f) {
				if err := f.Map(name); err != nil || !bytes.Equal(f.Tensor(name).Data, src.Tensors[i].Data) {
					t.Errorf("%s: %v", name, err)
				}
			}
		})
	}
	wg.Wait()
}

// blobPath returns where the blob of a tensor lies.
func blobPath(t *testing.T, mpath, tensor string) string {
	t.Helper()
	m, err := manifest.Read(mpath)
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range m.Tensors {
		if x.Name == tensor {
			return filepath.Join(filepath.Dir(mpath), x.Blob.BlobName())
		}
	}
	t.Fatalf("no tensor %s", tensor)
	return ""
}

// TestPartialFolder: what is there can be used; asking for more names the fragments.
func TestPartialFolder(t *testing.T) {
	dir, mpath := loadertest.Folder(t, loadertest.Layered())
	for _, tensor := range []string{"blk.0.attn_q.weight", "blk.2.attn_q.weight", "output.weight"} {
		if err := os.Remove(blobPath(t, mpath, tensor)); err != nil {
			t.Fatal(err)
		}
	}
	f, err := loader.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if got := f.Missing(); !slices.Equal(got, []string{"layer-0", "layer-2", "head"}) {
		t.Errorf("missing %v", got)
	}
	if err := f.Map("blk.1.attn_norm.weight", "blk.1.attn_q.weight"); err != nil {
		t.Errorf("a layer that is there: %v", err)
	}
	var fe *loader.FormatError
	if err := f.Map(names(f)...); !errors.As(err, &fe) || fe.Field != "fragments" || fe.Reason != "missing: layer-0, layer-2, head (3 tensors)" {
		t.Errorf("%v", err)
	}
	if x := f.Tensor("output.weight"); x == nil || x.Data != nil || x.Size != 320 {
		t.Error("a missing tensor is not described")
	}
}

// TestFolderOfTwo: a folder with several manifests does not choose.
func TestFolderOfTwo(t *testing.T) {
	dir, one := loadertest.Folder(t, loadertest.Layered())
	other := loadertest.Layered()
	other.Set("general.name", "other")
	src, err := loader.FromBytes("other.gguf", other.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	res, err := fragment.Write(context.Background(), src, dir, fragment.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if res.New != 1 { // all but the header is shared
		t.Errorf("%d new blobs", res.New)
	}
	short := func(path string) string { // all but eight digits of the id
		return regexp.MustCompile(`(\.[0-9a-f]{8})[0-9a-f]{56}\.json$`).ReplaceAllString(filepath.Base(path), "$1*.json")
	}
	loadertest.Refusal(t, dir, dir, "manifest", -1, "holds 2; name one of them: "+short(one)+", "+short(res.Path))
	for _, path := range []string{one, res.Path} {
		if found, err := filepath.Glob(filepath.Join(dir, short(path))); err != nil || !slices.Equal(found, []string{path}) { // as a shell does
			t.Errorf("%s finds %q, %v", short(path), found, err)
		}
		f, err := loader.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		f.Close()
	}
}

// TestHostileFolders: what lies in a folder is not what the manifest says.
func TestHostileFolders(t *testing.T) {
	const tensor = "blk.1.attn_q.weight"
	header := func(t *testing.T, mpath string) string {
		m, err := manifest.Read(mpath)
		if err != nil {
			t.Fatal(err)
		}
		return filepath.Join(filepath.Dir(mpath), m.Source.Parts[0].Header.BlobName())
	}
	replace := func(t *testing.T, path string, data []byte) {
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		name   string
		spoil  func(t *testing.T, mpath, blob string) (named string)
		field  string
		reason string
	}{
		{"short blob", func(t *testing.T, _, blob string) string {
			replace(t, blob, make([]byte, 319))
			return blob
		}, "blob", "319 bytes, the manifest says 320"},
		{"long blob", func(t *testing.T, _, blob string) string {
			replace(t, blob, make([]byte, 321))
			return blob
		}, "blob", "321 bytes"},
		{"link to an equal file", func(t *testing.T, _, blob string) string {
			data := loadertest.ReadFile(t, blob)
			replace(t, blob, data)
			if err := os.Rename(blob, blob+"x"); err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink(blob+"x", blob); err != nil {
				t.Fatal(err)
			}
			return blob
		}, "blob", "not a regular file"},
		{"link out of the folder", func(t *testing.T, _, blob string) string {
			os.Remove(blob)
			if err := os.Symlink("/etc/passwd", blob); err != nil {
				t.Fatal(err)
			}
			return blob
		}, "blob", "not a regular file"},
		{"folder for a blob", func(t *testing.T, _, blob string) string {
			os.Remove(blob)
			if err := os.Mkdir(blob, 0o700); err != nil {
				t.Fatal(err)
			}
			return blob
		}, "blob", "not a regular file"},
		{"pipe for a blob", func(t *testing.T, _, blob string) string {
			os.Remove(blob)
			if err := mkfifo(blob); err != nil {
				t.Skip("no named pipes here:", err)
			}
			return blob
		}, "blob", "not a regular file"},
		{"damaged manifest", func(t *testing.T, mpath, _ string) string {
			data := bytes.Replace(loadertest.ReadFile(t, mpath), []byte(`"model.gguf"`), []byte(`"model.gguF"`), 1)
			replace(t, mpath, data)
			return mpath
		}, "manifest", "it is damaged"},
		{"renamed manifest", func(t *testing.T, mpath, _ string) string {
			to := filepath.Join(filepath.Dir(mpath), "model.json")
			if err := os.Rename(mpath, to); err != nil {
				t.Fatal(err)
			}
			return to
		}, "file name", "NAME.ID.json"},
		{"folder for a manifest", func(t *testing.T, mpath, _ string) string {
			os.Remove(mpath)
			if err := os.Mkdir(mpath, 0o700); err != nil {
				t.Fatal(err)
			}
			return mpath
		}, "file", "not a regular file"},
		{"no header", func(t *testing.T, mpath, _ string) string {
			os.Remove(header(t, mpath))
			return mpath
		}, "fragments", "missing: header"},
		{"header of other tensors", func(t *testing.T, mpath, _ string) string {
			data := loadertest.ReadFile(t, header(t, mpath))
			replace(t, header(t, mpath), bytes.Replace(data, []byte("blk.2.attn_q"), []byte("blk.2.attn_z"), 1))
			return mpath
		}, "tensor_specifics.blk.2.attn_q.weight", "otherwise"},
		{"header of another architecture", func(t *testing.T, mpath, _ string) string {
			data := loadertest.ReadFile(t, header(t, mpath))
			replace(t, header(t, mpath), bytes.Replace(data, []byte("llama"), []byte("mamba"), 1))
			return mpath
		}, "architecture", "mamba"},
		{"header that is none", func(t *testing.T, mpath, _ string) string {
			replace(t, header(t, mpath), make([]byte, len(loadertest.ReadFile(t, header(t, mpath)))))
			return mpath
		}, "magic", "GGUF"},
		{"no global tensor", func(t *testing.T, mpath, _ string) string {
			os.Remove(blobPath(t, mpath, "rope_freqs.weight"))
			return mpath
		}, "fragments", "missing: header (1 tensor)"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, mpath := loadertest.Folder(t, loadertest.Layered())
			named := c.spoil(t, mpath, blobPath(t, mpath, tensor))
			path := mpath
			if strings.HasSuffix(named, ".json") {
				path = named
			}
			f, err := loader.Open(path)
			if err == nil {
				defer f.Close()
				err = f.Map(tensor)
			}
			var fe *loader.FormatError
			if !errors.As(err, &fe) || fe.Path != named || fe.Field != c.field || !strings.Contains(fe.Reason, c.reason) {
				t.Fatalf("%v; want %s, field %q, reason %q", err, named, c.field, c.reason)
			}
			loadertest.Message(t, err.Error(), named, c.field)
		})
	}
}

// TestFolderLinkedAway: no folder within may lead out of the one that was opened.
func TestFolderLinkedAway(t *testing.T) {
	dir, mpath := loadertest.Folder(t, loadertest.Layered())
	away := filepath.Join(t.TempDir(), "blobs")
	if err := os.Rename(filepath.Join(dir, "blobs"), away); err != nil {
		t.Skip("cannot move the blobs:", err)
	}
	if err := os.Symlink(away, filepath.Join(dir, "blobs")); err != nil {
		t.Fatal(err)
	}
	if f, err := loader.Open(mpath); err == nil || !strings.Contains(err.Error(), "blobs") {
		t.Errorf("opened: %v, %v", f, err)
	}
}

// TestOpenSplitFolder: the folder of a model of three files is the same model.
func TestOpenSplitFolder(t *testing.T) {
	small := smallModel()
	paths, err := small.WriteSplit(filepath.Join(t.TempDir(), "model"), 3)
	if err != nil {
		t.Fatal(err)
	}
	src, err := loader.Open(paths[0])
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	dir := t.TempDir()
	if _, err := fragment.Write(context.Background(), src, dir, fragment.Options{}); err != nil {
		t.Fatal(err)
	}
	f, err := loader.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Map(names(f)...); err != nil {
		t.Fatal(err)
	}
	checkTensors(t, f, small.Tensors)
	for i, x := range f.Tensors {
		if s := src.Tensors[i]; x.Shard != s.Shard || x.Offset != s.Offset {
			t.Errorf("%s: part %d, offset %d; in the files %d, %d", x.Name, x.Shard, x.Offset, s.Shard, s.Offset)
		}
	}
}
