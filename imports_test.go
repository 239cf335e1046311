package eclat_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// allowed says which of the project's own packages a folder may import outside its
// tests: those named and all below them. The entry for a file is the longest that
// its folder begins with, so a folder below another may have rules of its own.
// Imports go one way:
//
//	loader ← model ← {cpu, gpu, peer} ← engine ← {serve, cmd}, and shaders ← gpu
//
// and within loader
//
//	{atomicfile, safemath} ← quant ← gguf ← manifest ← loader ← fragment
var allowed = map[string]string{
	"loader":            "loader/gguf loader/manifest loader/quant",
	"loader/safemath":   "",
	"loader/spelling":   "", // for whoever answers an unknown name
	"loader/quant":      "loader/safemath",
	"loader/gguf":       "loader/quant loader/safemath",
	"loader/manifest":   "loader/gguf loader/quant loader/safemath",
	"loader/atomicfile": "",
	"loader/fragment":   "loader",
	"loader/ggufwrite":  "loader/gguf loader/quant",
	"loader/quantize":   "loader",
	"loader/loadertest": "loader",
	"model":             "model loader",
	"shaders":           "shaders loader",
	"cpu":               "cpu model loader",
	"gpu":               "gpu model loader shaders",
	"gpu/lower":         "model loader shaders", // no Vulkan in it
	"gpu/vk":            "loader/atomicfile",
	"peer":              "peer model loader",
	"engine":            "engine cpu gpu peer model loader",
	"serve":             "serve engine model loader",
	"serve/servetest":   "serve engine model loader testdata",
	"cmd":               "cmd serve engine model loader testdata",
	"testdata":          "",
}

// within reports whether the folder path is dir or lies below it.
func within(path, dir string) bool { return path == dir || strings.HasPrefix(path, dir+"/") }

// entry returns the longest key of allowed that the folder dir lies within, "" for none.
func entry(dir string) (longest string) {
	for key := range allowed {
		if within(dir, key) && len(key) > len(longest) {
			longest = key
		}
	}
	return longest
}

// mayImport reports whether a file in the folder from may import the folder to.
// Helpers of tests, whose names end so, are for tests alone.
func mayImport(from, to string) bool {
	return !strings.HasSuffix(to, "test") &&
		slices.ContainsFunc(strings.Fields(allowed[entry(from)]), func(may string) bool { return within(to, may) })
}

func TestImportDirection(t *testing.T) {
	files := 0
	seen := map[string]bool{}
	err := filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			return err
		}
		dir := path.Dir(filepath.ToSlash(name))
		key := entry(dir)
		if key == "" {
			t.Errorf("%s: the folder %s is not in the design", name, dir)
			return nil
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		files++
		seen[key] = true
		for _, imp := range f.Imports {
			to, own := strings.CutPrefix(strings.Trim(imp.Path.Value, `"`), "eclat/")
			if own && !mayImport(dir, to) {
				t.Errorf("%s imports %s; %s may import only: %s", name, to, key, allowed[key])
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if files < 20 {
		t.Errorf("only %d files seen: the test looks in the wrong place", files)
	}
	for key := range allowed {
		if within(key, "loader") && !seen[key] {
			t.Errorf("%s has an entry and no files", key)
		}
	}
}

// TestMayImport: what the table means.
func TestMayImport(t *testing.T) {
	for _, c := range []struct {
		from, to string
		want     bool
	}{
		{"model/arch", "loader", true},
		{"model/arch", "loader/gguf", true},
		{"model/arch", "model/sample", true},
		{"model", "cpu", false},
		{"cpu/kernel", "gpu/vk", false},
		{"loader", "loader/manifest", true},
		{"loader", "loader/fragment", false},
		{"loader/gguf", "loader", false},
		{"loader/gguf", "loader/manifest", false},
		{"loader/quant", "loader/gguf", false},
		{"loader/quant/deeper", "loader/gguf", false},
		{"loader/manifest", "loader/gguf", true},
		{"loader/fragment", "loader", true},
		{"modelling", "loader", false},
		{"engine", "loader/loadertest", false},
	} {
		if got := mayImport(c.from, c.to); got != c.want {
			t.Errorf("%s may import %s: %v", c.from, c.to, got)
		}
	}
}
