package eclat_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var longTests = regexp.MustCompile(`(?m)^LONG += \^Test\(([A-Za-z|]+)\)\$\$$`)

// TestLong: each test that make test leaves to make test-long is one of its name. Another of
// the same name would be left out of make test unseen.
func TestLong(t *testing.T) {
	data, err := os.ReadFile("Makefile")
	if err != nil {
		t.Fatal(err)
	}
	m := longTests.FindSubmatch(data)
	if m == nil {
		t.Fatal("the Makefile's LONG is not a list of tests")
	}
	found := map[string][]string{}
	for _, root := range []string{"cmd", "cpu", "engine", "gpu", "loader", "model", "peer", "serve", "shaders", "testdata"} {
		err := filepath.WalkDir(root, func(path string, _ os.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(path, "_test.go") {
				return err
			}
			text, err := os.ReadFile(path)
			for _, name := range strings.Split(string(m[1]), "|") {
				if strings.Contains(string(text), "\nfunc Test"+name+"(") {
					found[name] = append(found[name], path)
				}
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range strings.Split(string(m[1]), "|") {
		if len(found[name]) != 1 {
			t.Errorf("LONG names Test%s, which is in %q, not in one file", name, found[name])
		}
	}
}
