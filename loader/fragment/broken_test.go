package fragment_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"eclat/loader"
	"eclat/loader/fragment"
	"eclat/loader/ggufwrite"
	"eclat/loader/manifest"
	"eclat/loader/quant"
)

// chunky is a folder with blobs of one to three chunks.
func chunky(t testing.TB) (dir, mpath string, m *manifest.Manifest) {
	t.Helper()
	rng := rand.New(rand.NewPCG(5, 6))
	f := &ggufwrite.File{}
	f.Set("general.architecture", "llama")
	for i, n := range []int{1000, 2*manifest.ChunkBytes + 5000, 40, manifest.ChunkBytes + 1, 300000} {
		data := make([]byte, n)
		for j := range data {
			data[j] = byte(rng.Uint32())
		}
		f.Tensors = append(f.Tensors, ggufwrite.Tensor{Name: fmt.Sprintf("blk.%d.x", i), Type: quant.I8, Dims: []int{n}, Data: data})
	}
	path := filepath.Join(t.TempDir(), "model.gguf")
	if err := f.WriteFile(path); err != nil {
		t.Fatal(err)
	}
	dir = t.TempDir()
	mpath = write(t, path, dir).Path
	m, err := manifest.Read(mpath)
	if err != nil {
		t.Fatal(err)
	}
	return dir, mpath, m
}

// TestBitFlips turns single bits round in random places of a folder. Verify names
// the blob and the chunk each time, and Assemble does not write the file.
func TestBitFlips(t *testing.T) {
	dir, mpath, m := chunky(t)
	type place struct {
		path string
		blob *manifest.Blob // nil for the manifest
	}
	places := []place{{mpath, nil}}
	for i := range m.Blobs {
		places = append(places, place{filepath.Join(dir, m.Blobs[i].Sum.BlobName()), &m.Blobs[i]})
	}
	rng := rand.New(rand.NewPCG(7, 8))
	flips := 200
	if testing.Short() {
		flips = 40
	}
	chunks := map[string]bool{}
	for n := range flips {
		p := places[n%len(places)] // each file often, also the small ones
		data := read(t, p.path)
		at := rng.IntN(len(data))
		bit := byte(1) << rng.IntN(8)
		flip := func() {
			if err := os.Chmod(p.path, 0o600); err != nil {
				t.Fatal(err)
			}
			f, err := os.OpenFile(p.path, os.O_RDWR, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			var b [1]byte
			if _, err := f.ReadAt(b[:], int64(at)); err != nil {
				t.Fatal(err)
			}
			b[0] ^= bit
			if _, err := f.WriteAt(b[:], int64(at)); err != nil {
				t.Fatal(err)
			}
		}
		flip()
		r, err := fragment.Verify(background, dir, nil, fragment.Options{})
		var fe *loader.FormatError
		if p.blob == nil {
			if !errors.As(err, &fe) || fe.Path != mpath {
				t.Fatalf("byte %d of the manifest: %v", at, err)
			}
			flip()
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		chunk := at / manifest.ChunkBytes
		if len(r.Problems) != 1 || r.Problems[0].Blob != p.blob.Sum || r.Problems[0].Chunk != chunk || r.Problems[0].What != "damaged" {
			t.Fatalf("byte %d of blob %s, chunk %d: found %v", at, p.blob.Sum, chunk, r.Problems)
		}
		if line := r.Problems[0].String(); !strings.Contains(line, p.blob.Sum.String()) || !strings.Contains(line, fmt.Sprintf("chunk %d ", chunk)) {
			t.Fatalf("the line %q does not name blob and chunk", line)
		}
		if !errors.As(r.Err(), &fe) {
			t.Fatalf("%v", r.Err())
		}
		chunks[fmt.Sprint(p.path, chunk)] = true
		if n%8 == 0 { // Assemble looks at the same sums
			out := filepath.Join(t.TempDir(), "out.gguf")
			if _, err := fragment.Assemble(background, dir, out, fragment.Options{}); !errors.As(err, &fe) || !strings.Contains(err.Error(), p.blob.Sum.String()) {
				t.Fatalf("assembled a damaged folder: %v", err)
			}
			if left := files(t, filepath.Dir(out)); left != nil {
				t.Fatalf("left behind: %v", left)
			}
		}
		flip()
	}
	sound(t, dir) // all turned back
	t.Logf("%d single bits in %d files, %d chunks", flips, len(places), len(chunks))
}

// TestVerifyMissing: what is gone or of another length is listed, and layers that
// were not asked for do not matter.
func TestVerifyMissing(t *testing.T) {
	dir, mpath, m := chunky(t)
	blob := func(i int) string { return filepath.Join(dir, m.Tensors[i].Blob.BlobName()) }
	if err := os.Remove(blob(1)); err != nil {
		t.Fatal(err)
	}
	os.Chmod(blob(3), 0o600)
	if err := os.Truncate(blob(3), 77); err != nil {
		t.Fatal(err)
	}
	r, err := fragment.Verify(background, dir, nil, fragment.Options{})
	if err != nil || len(r.Problems) != 2 {
		t.Fatalf("%v, %v", r, err)
	}
	for _, p := range r.Problems {
		want, what := m.Tensors[1], "missing"
		if p.Blob == m.Tensors[3].Blob {
			want, what = m.Tensors[3], "damaged: the file has 77 bytes"
		}
		if p.Blob != want.Blob || p.Chunk != -1 || !strings.HasPrefix(p.What, what) || p.Tensors[0] != want.Name || p.Fragments[0] != "layer-"+want.Name[4:5] {
			t.Errorf("%+v", p)
		}
	}
	for _, err := range []error{r.Err(), func() error {
		_, err := fragment.Assemble(background, dir, filepath.Join(t.TempDir(), "x"), fragment.Options{})
		return err
	}()} {
		var fe *loader.FormatError
		if !errors.As(err, &fe) || fe.Path != mpath || !strings.Contains(fe.Reason, "layer-1, layer-3 (2 of 6 blobs)") {
			t.Errorf("%v", err)
		}
	}
	for _, c := range []struct {
		first, last, problems int
	}{{0, 0, 0}, {0, 1, 1}, {2, 2, 0}, {0, 4, 2}, {3, 4, 1}} {
		r, err := fragment.Verify(background, dir, &fragment.Layers{First: c.first, Last: c.last}, fragment.Options{})
		if err != nil || len(r.Problems) != c.problems || r.Blobs != c.last-c.first+2 {
			t.Errorf("layers %d–%d: %+v, %v", c.first, c.last, r, err)
		}
	}
	var none *fragment.LayersError
	if _, err := fragment.Verify(background, dir, &fragment.Layers{First: 3, Last: 5}, fragment.Options{}); !errors.As(err, &none) {
		t.Errorf("layers 3–5 of 5: %v", err)
	}
}

// TestVerifyLies: manifests that are sound in themselves and untrue of the source.
func TestVerifyLies(t *testing.T) {
	dir, mpath, m := chunky(t)
	lie := func(change func(m *manifest.Manifest)) string {
		t.Helper()
		copied, err := manifest.Read(mpath)
		if err != nil {
			t.Fatal(err)
		}
		change(copied)
		data, err := copied.Encode()
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, copied.FileName())
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	source := lie(func(m *manifest.Manifest) { m.Source.Sum[3] ^= 1 })
	var fe *loader.FormatError
	if _, err := fragment.Verify(background, source, nil, fragment.Options{}); !errors.As(err, &fe) || fe.Field != "source.sha256" {
		t.Errorf("sum of the source: %v", err)
	}
	out := filepath.Join(t.TempDir(), "out")
	if _, err := fragment.Assemble(background, source, out, fragment.Options{}); !errors.As(err, &fe) || fe.Field != "source.sha256" {
		t.Errorf("sum of the source: assembled, %v", err)
	}
	if left := files(t, filepath.Dir(out)); left != nil {
		t.Errorf("left behind: %v", left)
	}
	big := m.Tensors[1].Blob
	chunk := lie(func(m *manifest.Manifest) { m.Blob(big).Chunks[2][0] ^= 1 })
	if r, err := fragment.Verify(background, chunk, nil, fragment.Options{}); err != nil || len(r.Problems) != 1 || r.Problems[0].Blob != big || r.Problems[0].Chunk != 2 {
		t.Errorf("sum of a chunk: %+v, %v", r, err)
	}
}

// TestWriteMends: a blob of another length, or a link in its place, is replaced.
func TestWriteMends(t *testing.T) {
	f := &ggufwrite.File{}
	f.Add("blk.0.x", quant.F32, []int{100}, make([]float32, 100))
	path := filepath.Join(t.TempDir(), "model.gguf")
	if err := f.WriteFile(path); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	m, err := manifest.Read(write(t, path, dir).Path)
	if err != nil {
		t.Fatal(err)
	}
	blob := filepath.Join(dir, m.Tensors[0].Blob.BlobName())
	victim := filepath.Join(t.TempDir(), "victim")
	if err := os.WriteFile(victim, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func() error{
		"cut short": func() error { os.Chmod(blob, 0o600); return os.Truncate(blob, 3) },
		"gone":      func() error { return os.Remove(blob) },
		"a link":    func() error { os.Remove(blob); return os.Symlink(victim, blob) },
		"partial": func() error { // what a killed run left, here as a trap
			os.Remove(blob)
			return os.Symlink(victim, blob+".partial")
		},
	} {
		if err := spoil(); err != nil {
			t.Fatal(err)
		}
		if res := write(t, path, dir); res.New != 1 {
			t.Errorf("%s: %d new blobs", name, res.New)
		}
		sound(t, dir)
	}
	if string(read(t, victim)) != "precious" {
		t.Error("a link was written through")
	}
}

// TestWriteCancelled: after Ctrl-C there is no manifest and no partial file, and
// the next run keeps what is there.
func TestWriteCancelled(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	f := &ggufwrite.File{}
	for i := range 40 {
		data := make([]byte, 1<<20)
		for j := range data {
			data[j] = byte(rng.Uint32())
		}
		f.Tensors = append(f.Tensors, ggufwrite.Tensor{Name: fmt.Sprintf("blk.%d.x", i), Type: quant.I8, Dims: []int{1 << 20}, Data: data})
	}
	src, err := loader.FromBytes("model.gguf", f.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(background)
	_, err = fragment.Write(ctx, src, dir, fragment.Options{Progress: func(done, total int64) {
		if done > total/2 {
			cancel()
		}
	}})
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("%v", err)
	}
	there := files(t, dir)
	for _, name := range there {
		if !strings.HasPrefix(name, "blobs/") || strings.HasSuffix(name, ".partial") {
			t.Errorf("left behind: %s", name)
		}
	}
	res, err := fragment.Write(background, src, dir, fragment.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if len(there) == 0 || res.New != 41-len(there) {
		t.Errorf("%d blobs after half of the work, %d written afterwards", len(there), res.New)
	}
	sound(t, dir)

	ctx, cancel = context.WithCancel(background)
	out := filepath.Join(t.TempDir(), "out")
	_, err = fragment.Assemble(ctx, dir, out, fragment.Options{Progress: func(int64, int64) { cancel() }})
	if left := files(t, filepath.Dir(out)); !errors.Is(err, context.Canceled) || left != nil {
		t.Errorf("assemble: %v; left behind: %v", err, left)
	}
}

// TestAssembleLeftovers: a partial file of a killed run is replaced, one that is
// being written is not, and a link is not written through.
func TestAssembleLeftovers(t *testing.T) {
	dir, _, m := chunky(t)
	tmp := t.TempDir()
	victim := filepath.Join(tmp, "victim")
	if err := os.WriteFile(victim, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	for i, leave := range []func(name string) error{
		func(name string) error { return os.WriteFile(name, []byte("half"), 0o600) },
		func(name string) error { return os.Symlink(victim, name) },
	} {
		out := filepath.Join(tmp, fmt.Sprintf("out%d", i))
		if err := leave(out + ".eclat.partial"); err != nil {
			t.Fatal(err)
		}
		if _, err := fragment.Assemble(background, dir, out, fragment.Options{}); err != nil {
			t.Fatal(err)
		}
		if int64(len(read(t, out))) != m.Source.Size {
			t.Errorf("%s has %d bytes", out, len(read(t, out)))
		}
	}
	out := filepath.Join(tmp, "both")
	_, err := fragment.Assemble(background, dir, out, fragment.Options{Progress: func(int64, int64) {
		if _, err := fragment.Assemble(background, dir, out, fragment.Options{}); err == nil || !strings.Contains(err.Error(), "another program is writing there") {
			t.Errorf("a second writer: %v", err)
		}
	}})
	if err != nil {
		t.Error(err)
	}
	if string(read(t, victim)) != "precious" {
		t.Error("a link was written through")
	}
	if left := files(t, tmp); len(left) != 4 {
		t.Errorf("there are %v", left)
	}
}

// TestRefusals: what cannot be done leaves everything as it was.
func TestRefusals(t *testing.T) {
	dir, _, _ := chunky(t)
	existing := filepath.Join(t.TempDir(), "existing")
	if err := os.WriteFile(existing, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := fragment.Assemble(background, dir, existing, fragment.Options{}); err == nil || !strings.Contains(err.Error(), "exists already") {
		t.Errorf("%v", err)
	}
	if string(read(t, existing)) != "precious" {
		t.Error("an existing file was overwritten")
	}
	f, err := loader.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := fragment.Write(background, f, t.TempDir(), fragment.Options{}); err == nil || !strings.Contains(err.Error(), "already") {
		t.Errorf("a folder cut up again: %v", err)
	}
	src, err := loader.FromBytes("m", (&ggufwrite.File{}).Bytes())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fragment.Write(background, src, existing, fragment.Options{}); err == nil || !strings.Contains(err.Error(), existing) {
		t.Errorf("a file as the target: %v", err)
	}
}

// TestWriteChecksSource: a source that changes meanwhile, and a second writer, are
// noticed.
func TestWriteChecksSource(t *testing.T) {
	path := filepath.Join(t.TempDir(), "model.gguf")
	f := &ggufwrite.File{}
	f.Add("blk.0.x", quant.F32, []int{100}, make([]float32, 100))
	if err := f.WriteFile(path); err != nil {
		t.Fatal(err)
	}
	src, err := loader.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	dir := t.TempDir()
	_, err = fragment.Write(background, src, dir, fragment.Options{Progress: func(int64, int64) {
		other, err := loader.FromBytes("m", f.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := fragment.Write(background, other, dir, fragment.Options{}); err == nil || !strings.Contains(err.Error(), "another program is writing there") {
			t.Errorf("a second writer: %v", err)
		}
		if err := os.Chtimes(path, time.Unix(1, 0), time.Unix(1, 0)); err != nil {
			t.Fatal(err)
		}
	}})
	if err == nil || !strings.Contains(err.Error(), "the file changed while it was read") {
		t.Errorf("a changed source: %v", err)
	}
	for _, name := range files(t, dir) {
		if strings.HasSuffix(name, ".json") {
			t.Errorf("there is a manifest, %s", name)
		}
	}
}
