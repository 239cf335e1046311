package eclat_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
)

// allowed says which of the project's own packages each top-level folder may
// import outside its tests. Imports go one way:
//
//	loader ← model ← {cpu, gpu, peer} ← engine ← {serve, cmd}, and shaders ← gpu
var allowed = map[string]string{
	"loader":   "loader",
	"model":    "model loader",
	"shaders":  "shaders loader",
	"cpu":      "cpu model loader",
	"gpu":      "gpu model loader shaders",
	"peer":     "peer model loader",
	"engine":   "engine cpu gpu peer model loader",
	"serve":    "serve engine model loader",
	"cmd":      "cmd serve engine cpu gpu peer model loader testdata",
	"testdata": "",
}

func TestImportDirection(t *testing.T) {
	files := 0
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		top := strings.Split(filepath.ToSlash(path), "/")[0]
		may, known := allowed[top]
		if !known {
			t.Errorf("%s: the folder %s is not in the design", path, top)
			return nil
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		files++
		for _, imp := range f.Imports {
			rest, own := strings.CutPrefix(strings.Trim(imp.Path.Value, `"`), "eclat/")
			if to := strings.Split(rest, "/")[0]; own && !strings.Contains(" "+may+" ", " "+to+" ") {
				t.Errorf("%s imports %s; %s may import only: %s", path, rest, top, may)
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
}
