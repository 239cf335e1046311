package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"eclat/shaders"
)

// TestPinned: the committed binaries are the pinned compiler's. It needs no compiler.
func TestPinned(t *testing.T) {
	m, err := shaders.ReadManifest()
	if err != nil {
		t.Fatal(err)
	}
	if m.Compiler != compiler {
		t.Errorf("the binaries are from %q, the compiler is %q: run make drivers, go generate ./shaders", m.Compiler, compiler)
	}
}

// TestRegenerate compiles everything again into a folder of its own and compares,
// where the compiler is.
func TestRegenerate(t *testing.T) {
	t.Chdir("..")
	if err := checkCompiler(); err != nil {
		t.Skip(err)
	}
	out := t.TempDir()
	if err := generate(out); err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadDir("spv")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range want {
		a, err := os.ReadFile(filepath.Join("spv", f.Name()))
		if err != nil {
			t.Fatal(err)
		}
		if b, err := os.ReadFile(filepath.Join(out, f.Name())); err != nil || !bytes.Equal(a, b) {
			t.Errorf("%s: generating it again gave another file, error %v: run go generate ./shaders", f.Name(), err)
		}
	}
}
