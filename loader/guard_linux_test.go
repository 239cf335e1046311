package loader_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"eclat/loader"
	"eclat/loader/ggufwrite"
	"eclat/loader/loadertest"
	"eclat/loader/quant"
)

// cut opens a model of two tensors of 64 KiB in the file at path and then cuts the
// file to its first page: the header stays.
func cut(t *testing.T, path string) *loader.File {
	t.Helper()
	f := &ggufwrite.File{}
	for _, name := range []string{"a", "b"} {
		f.Tensors = append(f.Tensors, ggufwrite.Tensor{Name: name, Type: quant.I8, Dims: []int{64 << 10}, Data: make([]byte, 64<<10)})
	}
	if err := f.WriteFile(path); err != nil {
		t.Fatal(err)
	}
	m, err := loader.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	if err := os.Truncate(path, 4096); err != nil {
		t.Fatal(err)
	}
	return m
}

var total int // keeps reads from being left out

func read(data []byte) {
	for _, b := range data {
		total += int(b)
	}
}

// TestGuard: reading past the new end of a file that was cut short is an error,
// on any goroutine, through Go code and through the copying of memory.
func TestGuard(t *testing.T) {
	path := filepath.Join(t.TempDir(), "model.gguf")
	m := cut(t, path)
	data := m.Tensor("b").Data
	for name, touch := range map[string]func(){
		"loop": func() { read(data) },
		"copy": func() { copy(make([]byte, len(data)), data) },
		"last": func() { total += int(data[len(data)-1]) },
	} {
		got := make(chan error)
		go func() { got <- loader.Guard(func() error { touch(); return nil }) }()
		err := <-got
		if !errors.Is(err, loader.ErrFault) || !strings.HasPrefix(err.Error(), path+": ") || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", name, err)
		}
		var fe *loader.FormatError
		if errors.As(err, &fe) {
			t.Errorf("%s: a FormatError: the file's contents are not at fault", name)
		}
	}
	if err := loader.Guard(func() error { read(m.Tensor("a").Data[:1024]); return nil }); err != nil {
		t.Errorf("the page that is left: %v", err)
	}
}

// TestGuardFolder: a blob that is cut short is named by its own path.
func TestGuardFolder(t *testing.T) {
	dir, _ := loadertest.Folder(t, loadertest.Layered())
	f, err := loader.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Map("token_embd.weight"); err != nil {
		t.Fatal(err)
	}
	x := f.Tensor("token_embd.weight")
	blob := filepath.Join(dir, filepath.FromSlash(x.Blob.BlobName()))
	if err := os.Chmod(blob, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(blob, 4096); err != nil {
		t.Fatal(err)
	}
	err = loader.Guard(func() error { read(x.Data); return nil })
	if !errors.Is(err, loader.ErrFault) || !strings.Contains(err.Error(), filepath.Base(blob)) {
		t.Error(err)
	}
}

// TestGuardOthers: what is no fault in a mapping goes on as it was.
func TestGuardOthers(t *testing.T) {
	if err := loader.Guard(func() error { return os.ErrClosed }); err != os.ErrClosed {
		t.Errorf("an error of read: %v", err)
	}
	for name, fail := range map[string]func(){
		"panic":       func() { panic("mistake") },
		"nil pointer": func() { var p *int; *p = 1 },
		"index":       func() { read(make([]byte, 1)[:2+min(total, 0)]) },
	} {
		var passed any
		func() {
			defer func() { passed = recover() }()
			loader.Guard(func() error { fail(); return nil })
		}()
		if passed == nil {
			t.Errorf("%s: the panic was swallowed", name)
		}
	}
}

// TestGuardCosts: nothing is allocated.
func TestGuardCosts(t *testing.T) {
	n := 0
	if got := testing.AllocsPerRun(100, func() {
		loader.Guard(func() error { n++; return nil })
	}); got != 0 {
		t.Errorf("%v allocations a call", got)
	}
}

func BenchmarkGuard(b *testing.B) {
	n := 0
	for b.Loop() {
		loader.Guard(func() error { n++; return nil })
	}
}
