package eclat_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var namedTests = regexp.MustCompile(`(?m)^(LONG|SHORT) += \^Test\(([A-Za-z|]+)\)\$\$`)

// TestNamed: each test that the Makefile names is there, so that no pattern takes nothing.
// One that make test leaves to make test-long is the only one of its name: another would be
// left out of make test unseen.
func TestNamed(t *testing.T) {
	data, err := os.ReadFile("Makefile")
	if err != nil {
		t.Fatal(err)
	}
	lists := namedTests.FindAllStringSubmatch(string(data), -1)
	if len(lists) != 2 {
		t.Fatal("the Makefile's LONG and SHORT are not lists of tests")
	}
	found := map[string][]string{}
	for _, root := range []string{"cmd", "cpu", "engine", "gpu", "loader", "model", "peer", "serve", "shaders", "testdata"} {
		err := filepath.WalkDir(root, func(path string, _ os.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(path, "_test.go") {
				return err
			}
			text, err := os.ReadFile(path)
			for _, list := range lists {
				for _, name := range strings.Split(list[2], "|") {
					if strings.Contains(string(text), "\nfunc Test"+name+"(") {
						found[name] = append(found[name], path)
					}
				}
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, list := range lists {
		for _, name := range strings.Split(list[2], "|") {
			if n := len(found[name]); n == 0 || n > 1 && list[1] == "LONG" {
				t.Errorf("%s names Test%s, which is in %q", list[1], name, found[name])
			}
		}
	}
}
