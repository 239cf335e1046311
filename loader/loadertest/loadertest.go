package loadertest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"eclat/loader"
	"eclat/loader/fragment"
	"eclat/loader/ggufwrite"
	"eclat/loader/manifest"
	"eclat/loader/quant"
)

// Layered is a model with every kind of fragment, two equal tensors, and one of
// more than a chunk.
func Layered() *ggufwrite.File {
	f := &ggufwrite.File{}
	f.Set("general.architecture", "llama")
	add := func(name string, n int, seed byte) {
		data := make([]byte, n)
		for i := range data {
			data[i] = seed + byte(i%251)
		}
		f.Tensors = append(f.Tensors, ggufwrite.Tensor{Name: name, Type: quant.I8, Dims: []int{n}, Data: data})
	}
	add("token_embd.weight", manifest.ChunkBytes+100, 1)
	for l := range 3 {
		add(fmt.Sprintf("blk.%d.attn_norm.weight", l), 96, 9) // the same in all layers
		add(fmt.Sprintf("blk.%d.attn_q.weight", l), 320, byte(10+l))
	}
	add("rope_freqs.weight", 64, 5)
	add("output_norm.weight", 96, 6)
	add("output.weight", 320, 7)
	return f
}

// Folder cuts a file into a new folder and returns it with its manifest's path.
func Folder(t testing.TB, f *ggufwrite.File) (dir, mpath string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "model.gguf")
	if err := f.WriteFile(path); err != nil {
		t.Fatal(err)
	}
	src, err := loader.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	dir = t.TempDir()
	res, err := fragment.Write(context.Background(), src, dir, fragment.Options{Config: json.RawMessage(`{"n_layer":3,"rope":{"freq_base":0.5}}`)})
	if err != nil {
		t.Fatal(err)
	}
	return dir, res.Path
}

// ReadFile is os.ReadFile for files that must be there.
func ReadFile(t testing.TB, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

const (
	maxOpenBytes = 64 << 20 // allocated during Open
	maxErrorLen  = 8 << 10  // bytes of the message: a key of 1024 unprintable bytes, escaped, fits
)

// Refusal opens path and checks the error, which must be about the file named.
func Refusal(t testing.TB, path, named, field string, at int, reason string) {
	t.Helper()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f, err := loader.Open(path)
	runtime.ReadMemStats(&after)
	if err == nil {
		f.Close()
		t.Fatal("the file opened")
	}
	if n := after.TotalAlloc - before.TotalAlloc; n > maxOpenBytes {
		t.Errorf("Open allocated %d bytes", n)
	}
	var fe *loader.FormatError
	if !errors.As(err, &fe) {
		t.Fatalf("a %T instead of a FormatError: %v", err, err)
	}
	if fe.Path != named {
		t.Errorf("the error is about file %s, want %s", fe.Path, named)
	}
	if fe.Field != field {
		t.Errorf("the error is about field %q, want %q", fe.Field, field)
	}
	if fe.Offset != int64(at) {
		t.Errorf("the error points at byte %d, want %d", fe.Offset, at)
	}
	if !strings.Contains(fe.Reason, reason) {
		t.Errorf("the reason %q does not say %q", fe.Reason, reason)
	}
	Message(t, err.Error(), named, field)
	if t.Failed() {
		t.Logf("error: %v", err)
	}
}

// Message: one printable line of bounded length with the file and the field.
func Message(t testing.TB, msg, file, field string) {
	t.Helper()
	if !utf8.ValidString(msg) || strings.ContainsFunc(msg, func(r rune) bool { return !unicode.IsPrint(r) }) {
		t.Errorf("the message is not one printable line: %q", msg)
	}
	if !strings.HasPrefix(msg, file+": "+field) {
		t.Errorf("the message does not begin with file and field: %q", msg)
	}
	if len(msg) > maxErrorLen {
		t.Errorf("the message has %d bytes", len(msg))
	}
}
