package fragment_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"eclat/loader"
	"eclat/loader/fragment"
	"eclat/loader/manifest"
)

// store is a source that reads a folder, and may misbehave.
type store struct {
	name   string
	dir    string
	gave   atomic.Int64                        // bytes of blobs
	meddle func(blob manifest.Sum, p []byte)   // with what it gives; nil for nothing
	fault  func(blob manifest.Sum) error       // in place of an answer; nil for none
	piece  int                                 // bytes a put; 0 for 64 KiB
	other  func(id manifest.Sum) []byte        // in place of a manifest; nil for none
	each   func(blob manifest.Sum, gave int64) // told of each put; may be nil
}

func (s *store) Name() string { return s.name }

func (s *store) Manifest(ctx context.Context, id manifest.Sum) ([]byte, error) {
	if s.other != nil {
		return s.other(id), nil
	}
	all, err := filepath.Glob(filepath.Join(s.dir, "*."+id.String()+".json"))
	if err != nil || len(all) == 0 {
		return nil, fs.ErrNotExist
	}
	return os.ReadFile(all[0])
}

func (s *store) Read(ctx context.Context, blob manifest.Sum, off, n int64, put func([]byte) error) error {
	if s.fault != nil {
		if err := s.fault(blob); err != nil {
			return err
		}
	}
	data, err := os.ReadFile(filepath.Join(s.dir, filepath.FromSlash(blob.BlobName())))
	if err != nil {
		return err
	}
	if off+n > int64(len(data)) {
		return errors.New("the blob is short")
	}
	data = data[off : off+n]
	if s.meddle != nil {
		s.meddle(blob, data)
	}
	piece := s.piece
	if piece == 0 {
		piece = 64 << 10
	}
	for len(data) > 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		k := min(piece, len(data))
		if err := put(data[:k]); err != nil {
			return err
		}
		if s.each != nil {
			s.each(blob, s.gave.Load())
		}
		s.gave.Add(int64(k))
		data = data[k:]
	}
	return nil
}

func all(m *manifest.Manifest) (blobs []manifest.Sum) {
	for i := range m.Blobs {
		blobs = append(blobs, m.Blobs[i].Sum)
	}
	return blobs
}

func size(m *manifest.Manifest) (n int64) {
	for i := range m.Blobs {
		n += m.Blobs[i].Size
	}
	return n
}

// whole fetches a model from sources and shows that it is there, byte for byte.
func whole(t *testing.T, f *fragment.Fetcher, m *manifest.Manifest, from ...fragment.Source) {
	t.Helper()
	path, err := f.Manifest(background, m.ID, from)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Blobs(background, m, all(m), from, nil); err != nil {
		t.Fatal(err)
	}
	sound(t, path)
	for _, name := range files(t, f.Dir) {
		st, err := os.Stat(filepath.Join(f.Dir, name))
		if strings.HasSuffix(name, ".partial") || err != nil || st.Mode().Perm() != 0o444 {
			t.Errorf("left: %s, %v", name, st.Mode())
		}
	}
}

// TestFetch: a model comes from one source and from three, in pieces of any size; what is
// there already is not asked for.
func TestFetch(t *testing.T) {
	dir, _, m := chunky(t)
	for _, piece := range []int{1 << 10, 100000, manifest.ChunkBytes} {
		s := &store{name: "a", dir: dir, piece: piece}
		f := &fragment.Fetcher{Dir: filepath.Join(t.TempDir(), "new")}
		whole(t, f, m, s)
		if s.gave.Load() != size(m) {
			t.Errorf("%d bytes were given for %d", s.gave.Load(), size(m))
		}
		s.fault = func(manifest.Sum) error { t.Error("asked again"); return errors.New("no") }
		whole(t, f, m, s)
	}
	a, b, c := &store{name: "a", dir: dir}, &store{name: "b", dir: dir}, &store{name: "c", dir: dir}
	slow := func(manifest.Sum, int64) { time.Sleep(time.Millisecond) }
	a.each, b.each, c.each = slow, slow, slow
	whole(t, &fragment.Fetcher{Dir: t.TempDir()}, m, a, b, c)
	if a.gave.Load()+b.gave.Load()+c.gave.Load() != size(m) || max(a.gave.Load(), b.gave.Load(), c.gave.Load()) == size(m) {
		t.Errorf("three sources gave %d, %d, %d of %d bytes", a.gave.Load(), b.gave.Load(), c.gave.Load(), size(m))
	}
}

// TestFetchFaults: a source that gives wrong bytes is banned and the fetch ends well from
// another; so it does from sources that have a part each, fail, cut short or give more
// than was asked for.
func TestFetchFaults(t *testing.T) {
	dir, _, m := chunky(t)
	flip := func(_ manifest.Sum, p []byte) { p[len(p)/2] ^= 4 }
	odd := func(blob manifest.Sum) error {
		if blob[0]%2 == 1 {
			return fs.ErrNotExist
		}
		return nil
	}
	even := func(blob manifest.Sum) error {
		if blob[0]%2 == 0 {
			return fs.ErrNotExist
		}
		return nil
	}
	for name, c := range map[string]struct {
		bad  *store
		says string
	}{
		"flips": {&store{name: "bad", dir: dir, meddle: flip}, "bad gave wrong bytes"},
		"fails": {&store{name: "bad", dir: dir, fault: func(manifest.Sum) error { return errors.New("out of order") }}, ""},
		"lacks": {&store{name: "bad", dir: t.TempDir()}, ""},
		"part":  {&store{name: "bad", dir: dir, fault: even}, ""},
	} {
		var said []string
		f := &fragment.Fetcher{Dir: t.TempDir(), Notice: func(s string) { said = append(said, s) }}
		if _, err := f.Manifest(background, m.ID, []fragment.Source{&store{name: "good", dir: dir}}); err != nil {
			t.Fatal(err)
		}
		good := &store{name: "good", dir: dir}
		if name == "part" {
			good.fault = odd
		}
		whole(t, f, m, c.bad, good)
		if got := strings.Join(said, "\n"); (c.says == "") != (got == "") || !strings.Contains(got, c.says) {
			t.Errorf("%s: said %q", name, got)
		}
		if name != "flips" {
			continue
		}
		err := f.Blobs(background, m, all(m), []fragment.Source{c.bad}, nil)
		if err != nil {
			t.Errorf("all is there: %v", err)
		}
		f2 := &fragment.Fetcher{Dir: t.TempDir()}
		err = f2.Blobs(background, m, all(m), []fragment.Source{c.bad}, nil)
		var format *loader.FormatError
		if !errors.As(err, &format) || !strings.Contains(err.Error(), "bad: it gave wrong bytes") || strings.Contains(err.Error(), "\n") {
			t.Errorf("nobody else: %v", err)
		}
		for _, name := range files(t, f2.Dir) {
			if !strings.HasSuffix(name, ".partial") {
				t.Errorf("a blob of wrong bytes: %s", name)
			}
		}
	}
	// The folder may not hold it.
	little := &fragment.Fetcher{Dir: t.TempDir(), Most: size(m) - 1}
	if err := little.Blobs(background, m, all(m), []fragment.Source{&store{name: "good", dir: dir}}, nil); err == nil || !strings.Contains(err.Error(), "MiB are to be fetched") || len(files(t, little.Dir)) > 0 {
		t.Errorf("no room: %v", err)
	}
	little.Most++
	whole(t, little, m, &store{name: "good", dir: dir})
	// Nobody has it all, and nobody at all.
	f := &fragment.Fetcher{Dir: t.TempDir()}
	err := f.Blobs(background, m, all(m), []fragment.Source{&store{name: "half", dir: dir, fault: odd}}, nil)
	if err == nil || !strings.Contains(err.Error(), "half: it does not have all of them") || !strings.Contains(err.Error(), "missing: ") {
		t.Errorf("a part alone: %v", err)
	}
	if err := f.Blobs(background, m, all(m), nil, nil); err == nil || !strings.Contains(err.Error(), "nobody left to ask") {
		t.Errorf("no source: %v", err)
	}
}

// TestFetchManifest: another manifest than was asked for, and one that is none, ban their
// source; the right one comes from another.
func TestFetchManifest(t *testing.T) {
	dir, mpath, m := chunky(t)
	old := read(t, mpath)
	newer := t.TempDir()
	n := write(t, "../../testdata/sotu-8m-q4_k_m.gguf", newer)
	for name, give := range map[string][]byte{
		"another one than was asked for": old, // an older one, offered as the newer
		"manifest":                       []byte("{}"),
		"unknown":                        []byte(strings.Replace(string(read(t, n.Path)), `"schema"`, `"more":1,"schema"`, 1)),
		"is out of range":                []byte(strings.Replace(string(read(t, n.Path)), `"size":`, `"size":9223372036854775808`, 1)),
	} {
		var said []string
		f := &fragment.Fetcher{Dir: t.TempDir(), Notice: func(s string) { said = append(said, s) }}
		bad := &store{name: "bad", dir: dir, other: func(manifest.Sum) []byte { return give }}
		if _, err := f.Manifest(background, n.ID, []fragment.Source{bad}); err == nil || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", name, err)
		} else if len(files(t, f.Dir)) > 0 || len(said) != 1 {
			t.Errorf("%s: kept %v, said %q", name, files(t, f.Dir), said)
		} else if name != "manifest" && name != "unknown" && name != "is out of range" && !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
		path, err := f.Manifest(background, n.ID, []fragment.Source{bad, &store{name: "good", dir: newer}})
		if err != nil {
			t.Fatal(err)
		}
		model, err := loader.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		model.Close()
	}
	_ = m
}

// TestFetchResumes: fetches that are killed at many places cost together no more bytes
// than the model has and a chunk for each kill; wrong bytes and bits in what they left are
// found.
func TestFetchResumes(t *testing.T) {
	if os.Getenv("ECLAT_FETCH") != "" {
		fetchAndDie(t)
		return
	}
	dir, mpath, m := chunky(t)
	into := t.TempDir()
	var given int64
	kills := 0
	for at := int64(1 << 20); ; at += 3<<20 + 12345 {
		cmd := exec.Command(os.Args[0], "-test.run=^TestFetchResumes$")
		cmd.Env = append(os.Environ(), "ECLAT_FETCH="+strings.Join([]string{dir, mpath, into, fmt.Sprint(at - given)}, "\n"))
		out, err := cmd.CombinedOutput()
		var n int64
		if i := strings.LastIndex(string(out), "given "); i >= 0 {
			fmt.Sscanf(string(out)[i:], "given %d", &n)
		}
		given += n
		if err == nil {
			break
		}
		if kills++; kills > 20 || n == 0 {
			t.Fatalf("%v after %d kills: %s", err, kills, out)
		}
	}
	if lost := given - size(m); kills < 3 || lost > int64(kills)*manifest.ChunkBytes {
		t.Errorf("%d kills lost %d bytes", kills, lost)
	}
	whole(t, &fragment.Fetcher{Dir: into}, m, &store{name: "a", dir: dir})
}

// fetchAndDie fetches and kills its own process after so many bytes.
func fetchAndDie(t *testing.T) {
	arg := strings.Split(os.Getenv("ECLAT_FETCH"), "\n")
	m, err := manifest.Read(arg[1])
	if err != nil {
		t.Fatal(err)
	}
	var left int64
	fmt.Sscan(arg[3], &left)
	s := &store{name: "a", dir: arg[0]}
	s.each = func(_ manifest.Sum, gave int64) {
		if gave >= left {
			fmt.Printf("given %d\n", gave)
			p, _ := os.FindProcess(os.Getpid())
			p.Kill()
			select {}
		}
	}
	if err := (&fragment.Fetcher{Dir: arg[2]}).Blobs(background, m, all(m), []fragment.Source{s}, nil); err != nil {
		t.Fatal(err)
	}
	fmt.Printf("given %d\n", s.gave.Load())
}

// TestFetchLeftovers: whatever lies in the place of a blob on its way is no blob.
func TestFetchLeftovers(t *testing.T) {
	dir, _, m := chunky(t)
	for name, leave := range map[string]func(path string, b *manifest.Blob) error{
		"rubbish": func(path string, b *manifest.Blob) error {
			return errors.Join(os.WriteFile(path+".partial", make([]byte, b.Size+99), 0o644), os.WriteFile(path+".bits.partial", []byte(strings.Repeat("\xff", 99)), 0o644))
		},
		"bits alone": func(path string, b *manifest.Blob) error {
			return os.WriteFile(path+".bits.partial", []byte(strings.Repeat("\xff", 2*len(b.Chunks))), 0o644)
		},
		"a link": func(path string, b *manifest.Blob) error {
			if runtime.GOOS == "windows" {
				return nil // links need a right there
			}
			return os.Symlink("/etc/passwd", path+".partial")
		},
		"a folder": func(path string, b *manifest.Blob) error { return os.Mkdir(path+".partial", 0o755) },
		"a short blob": func(path string, b *manifest.Blob) error {
			return os.WriteFile(path, make([]byte, b.Size-1), 0o444)
		},
	} {
		f := &fragment.Fetcher{Dir: t.TempDir()}
		for i := range m.Blobs {
			path := filepath.Join(f.Dir, filepath.FromSlash(m.Blobs[i].Sum.BlobName()))
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := leave(path, &m.Blobs[i]); err != nil {
				t.Fatal(err)
			}
		}
		t.Run(name, func(t *testing.T) { whole(t, f, m, &store{name: "a", dir: dir}) })
	}
}

// TestFetchLies: a manifest whose chunks' sums are not the blob's makes no blob.
func TestFetchLies(t *testing.T) {
	dir, mpath, m := chunky(t)
	var b *manifest.Blob
	for i := range m.Blobs {
		if len(m.Blobs[i].Chunks) > 1 {
			b = &m.Blobs[i]
		}
	}
	lie := strings.Repeat("0", 64)
	text := strings.ReplaceAll(string(read(t, mpath)), b.Sum.String(), lie) // first in order
	text = strings.Replace(text, `{"sha256":"`+lie, `{"SHA256":"`+lie, 1)
	i := strings.Index(text, `{"SHA256"`)
	end := strings.Index(text[i:], "}") + i + 1
	entry := strings.Replace(text[i:end], "SHA256", "sha256", 1)
	rest := strings.Replace(text[:i]+text[end:], ",,", ",", 1)
	rest = strings.Replace(strings.Replace(rest, `"blobs":[,`, `"blobs":[`, 1), ",]}", "]}", 1)
	text = strings.Replace(rest, `"blobs":[`, `"blobs":[`+entry+",", 1)
	lying, err := manifest.Parse("lying", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	sum, _ := manifest.ParseSum(lie)
	s := &store{name: "a", dir: t.TempDir()}
	to := filepath.Join(s.dir, filepath.FromSlash(sum.BlobName()))
	os.MkdirAll(filepath.Dir(to), 0o755)
	if err := os.WriteFile(to, read(t, filepath.Join(dir, filepath.FromSlash(b.Sum.BlobName()))), 0o444); err != nil {
		t.Fatal(err)
	}
	f := &fragment.Fetcher{Dir: t.TempDir()}
	err = f.Blobs(background, lying, []manifest.Sum{sum}, []fragment.Source{s}, nil)
	if err == nil || !strings.Contains(err.Error(), "the chunks of blob 0000") || len(files(t, f.Dir)) > 0 {
		t.Errorf("%v; left %v", err, files(t, f.Dir))
	}
}

// TestFetchTogether: two that fetch into one folder, and one that cuts a model up there.
func TestFetchTogether(t *testing.T) {
	dir, _, m := chunky(t)
	into := t.TempDir()
	errs := make(chan error, 2)
	var total atomic.Int64
	for range 2 {
		go func() {
			s := &store{name: "a", dir: dir}
			errs <- (&fragment.Fetcher{Dir: into}).Blobs(background, m, all(m), []fragment.Source{s}, nil)
			total.Add(s.gave.Load())
		}()
	}
	for range 2 {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	if runtime.GOOS != "windows" && total.Load() != size(m) {
		t.Errorf("%d bytes were given for %d", total.Load(), size(m))
	}
	ctx, cancel := context.WithCancel(background)
	s := &store{name: "a", dir: dir, each: func(manifest.Sum, int64) { cancel() }}
	if err := (&fragment.Fetcher{Dir: t.TempDir()}).Blobs(ctx, m, all(m), []fragment.Source{s}, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}
