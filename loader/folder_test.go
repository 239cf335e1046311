package loader_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"eclat/loader"
	"eclat/loader/fragment"
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
	src := layered()
	src.Set("tokens", []string{"a", "", "ccc"})
	dir, manifest := folderOf(t, src)
	for _, path := range []string{dir, manifest} {
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
	dir, _ := folderOf(t, layered())
	mapped := func() (n int) {
		for _, line := range strings.Split(string(readAll(t, "/proc/self/maps")), "\n") {
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
	src := layered()
	dir, _ := folderOf(t, src)
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
func blobPath(t *testing.T, manifest, tensor string) string {
	t.Helper()
	m, err := loader.ReadManifest(manifest)
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range m.Tensors {
		if x.Name == tensor {
			return filepath.Join(filepath.Dir(manifest), x.Blob.BlobName())
		}
	}
	t.Fatalf("no tensor %s", tensor)
	return ""
}

// TestPartialFolder: what is there can be used; asking for more names the fragments.
func TestPartialFolder(t *testing.T) {
	dir, manifest := folderOf(t, layered())
	for _, tensor := range []string{"blk.0.attn_q.weight", "blk.2.attn_q.weight", "output.weight"} {
		if err := os.Remove(blobPath(t, manifest, tensor)); err != nil {
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
	dir, one := folderOf(t, layered())
	other := layered()
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
	checkRefusal(t, dir, dir, "manifest", -1, "holds 2; name one of them: "+one+", "+res.Path)
	for _, path := range []string{one, res.Path} {
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
	header := func(t *testing.T, manifest string) string {
		m, err := loader.ReadManifest(manifest)
		if err != nil {
			t.Fatal(err)
		}
		return filepath.Join(filepath.Dir(manifest), m.Source.Parts[0].Header.BlobName())
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
		spoil  func(t *testing.T, manifest, blob string) (named string)
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
			data := readAll(t, blob)
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
		{"damaged manifest", func(t *testing.T, manifest, _ string) string {
			data := bytes.Replace(readAll(t, manifest), []byte(`"model.gguf"`), []byte(`"model.gguF"`), 1)
			replace(t, manifest, data)
			return manifest
		}, "manifest", "it is damaged"},
		{"renamed manifest", func(t *testing.T, manifest, _ string) string {
			to := filepath.Join(filepath.Dir(manifest), "model.json")
			if err := os.Rename(manifest, to); err != nil {
				t.Fatal(err)
			}
			return to
		}, "file name", "NAME.ID.json"},
		{"folder for a manifest", func(t *testing.T, manifest, _ string) string {
			os.Remove(manifest)
			if err := os.Mkdir(manifest, 0o700); err != nil {
				t.Fatal(err)
			}
			return manifest
		}, "file", "not a regular file"},
		{"no header", func(t *testing.T, manifest, _ string) string {
			os.Remove(header(t, manifest))
			return manifest
		}, "fragments", "missing: header"},
		{"header of other tensors", func(t *testing.T, manifest, _ string) string {
			data := readAll(t, header(t, manifest))
			replace(t, header(t, manifest), bytes.Replace(data, []byte("blk.2.attn_q"), []byte("blk.2.attn_z"), 1))
			return manifest
		}, "tensor_specifics.blk.2.attn_q.weight", "otherwise"},
		{"header of another architecture", func(t *testing.T, manifest, _ string) string {
			data := readAll(t, header(t, manifest))
			replace(t, header(t, manifest), bytes.Replace(data, []byte("llama"), []byte("mamba"), 1))
			return manifest
		}, "architecture", "mamba"},
		{"header that is none", func(t *testing.T, manifest, _ string) string {
			replace(t, header(t, manifest), make([]byte, len(readAll(t, header(t, manifest)))))
			return manifest
		}, "magic", "GGUF"},
		{"no global tensor", func(t *testing.T, manifest, _ string) string {
			os.Remove(blobPath(t, manifest, "rope_freqs.weight"))
			return manifest
		}, "fragments", "missing: header (1 tensor)"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, manifest := folderOf(t, layered())
			named := c.spoil(t, manifest, blobPath(t, manifest, tensor))
			path := manifest
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
			checkMessage(t, err.Error(), named, c.field)
		})
	}
}

// TestFolderLinkedAway: no folder within may lead out of the one that was opened.
func TestFolderLinkedAway(t *testing.T) {
	dir, manifest := folderOf(t, layered())
	away := filepath.Join(t.TempDir(), "blobs")
	if err := os.Rename(filepath.Join(dir, "blobs"), away); err != nil {
		t.Skip("cannot move the blobs:", err)
	}
	if err := os.Symlink(away, filepath.Join(dir, "blobs")); err != nil {
		t.Fatal(err)
	}
	if f, err := loader.Open(manifest); err == nil || !strings.Contains(err.Error(), "blobs") {
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

// TestFragmentsOf: which fragment a tensor belongs to.
func TestFragmentsOf(t *testing.T) {
	var tensors []loader.NamedSpecifics
	for _, name := range []string{
		"blk.10.a", "token_embd.weight", "blk.2.a", "output_norm.weight", "blk.2.b", "rope_freqs.weight",
		"blk.02.a", "blk.-1.a", "blk.99999999999999999999.a", "blk", "token_embd_norm.weight", "outputs",
	} {
		tensors = append(tensors, loader.NamedSpecifics{Name: name})
	}
	var got []string
	for _, f := range loader.FragmentsOf(tensors) {
		got = append(got, f.Name+": "+strings.Join(f.Tensors, " "))
	}
	want := []string{
		"header: rope_freqs.weight blk.02.a blk.-1.a blk.99999999999999999999.a blk outputs",
		"embed: token_embd.weight token_embd_norm.weight",
		"layer-2: blk.2.a blk.2.b", "layer-10: blk.10.a",
		"head: token_embd.weight output_norm.weight", // tied
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
