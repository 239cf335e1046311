package tokenizer

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"eclat/loader"
	"eclat/loader/ggufwrite"
)

// The vocabularies of the tests: bpe.gguf was trained on text that was not split
// into words, so that a word boundary in another place changes the ids;
// spm.gguf is the beginning of Llama 2's vocabulary and some of its characters.
const (
	testdata = "../../testdata/tokenizer"
	shared   = "../../../shared"
)

// edited returns a vocabulary of testdata with keys (without "tokenizer.ggml.",
// but for general.name) set or, if nil, left out.
func edited(t testing.TB, name string, edits map[string]any) *loader.File {
	t.Helper()
	f, err := loader.Open(filepath.Join(testdata, name))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var out ggufwrite.File
	for _, key := range f.Keys {
		if _, ok := edits[strings.TrimPrefix(key, prefix)]; ok || !strings.HasPrefix(key, prefix) {
			continue
		}
		out.Set(key, native(t, f, key))
	}
	for key, value := range edits {
		if value == nil {
			continue
		}
		if key != "general.name" {
			key = prefix + key
		}
		out.Set(key, value)
	}
	g, err := loader.FromBytes(name, out.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// native returns a metadata value as the Go type it is written from.
func native(t testing.TB, f *loader.File, key string) any {
	v, _ := f.Get(key)
	switch v.Type {
	case loader.String:
		s, _ := v.Str()
		return s
	case loader.Bool:
		b, _ := v.Bool()
		return b
	case loader.Uint32:
		u, _ := v.Uint()
		return uint32(u)
	}
	switch v.Elem {
	case loader.String:
		s, _ := v.Strings()
		return s
	case loader.Int32:
		us, _ := v.Uints()
		out := make([]int32, len(us))
		for i, u := range us {
			out[i] = int32(u)
		}
		return out
	case loader.Float32:
		fs, _ := v.Floats()
		out := make([]float32, len(fs))
		for i, x := range fs {
			out[i] = float32(x)
		}
		return out
	}
	t.Fatalf("%s: no Go type for %s", key, v.Type)
	return nil
}

// with returns a tokenizer of an edited vocabulary.
func with(t testing.TB, name string, edits map[string]any) *Tokenizer {
	t.Helper()
	tok, err := New(edited(t, name, edits))
	if err != nil {
		t.Fatal(err)
	}
	return tok
}

// open returns the tokenizer of a file of ../shared, or skips the test.
func open(t testing.TB, path string) *Tokenizer {
	t.Helper()
	path = filepath.Join(shared, path)
	if _, err := os.Stat(path); err != nil {
		t.Skipf("%s is not here", path)
	}
	f, err := loader.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close() // a Tokenizer outlives its file
	tok, err := New(f)
	if err != nil {
		t.Fatal(err)
	}
	return tok
}

// goldenTexts returns the texts of testdata/tokenizer/texts.txt, Go strings one
// a line. Some are not UTF-8.
func goldenTexts(t testing.TB) []string {
	t.Helper()
	var texts []string
	for _, line := range lines(t, "texts.txt") {
		s, err := strconv.Unquote(line)
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		texts = append(texts, s)
	}
	return texts
}

func lines(t testing.TB, name string) []string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(testdata, name))
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSuffix(string(data), "\n"), "\n")
}
