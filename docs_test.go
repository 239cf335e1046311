package eclat_test

import (
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var (
	mdLink     = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	makeTarget = regexp.MustCompile(`(?m)^([a-z][a-z0-9_-]*):`)
	makeCall   = regexp.MustCompile("(?:^|[`\\s(])make ([a-z]+)\\b")
	codeSpan   = regexp.MustCompile("`[^`\n]+`")
	repoPath   = regexp.MustCompile(`^(?:\.ci|cmd|cpu|engine|gpu|loader|model|serve|peer|shaders|testdata)/[A-Za-z0-9_./-]*$`)
)

// markdown returns the documents of the repository by name.
func markdown(t *testing.T) map[string]string {
	t.Helper()
	docs := map[string]string{}
	for _, pattern := range []string{"*.md", "docs/*.md", "testdata/*.md", "testdata/*/*.md"} {
		names, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			docs[name] = string(text)
		}
	}
	return docs
}

// TestDocLinks: what a document links to is there, and so is each file or folder of
// the repository that it names between backquotes, capitals standing for any name.
func TestDocLinks(t *testing.T) {
	docs := markdown(t)
	for _, name := range []string{"README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md"} {
		if docs[name] == "" {
			t.Errorf("there is no %s", name)
		}
	}
	for name, text := range docs {
		for _, m := range mdLink.FindAllStringSubmatch(text, -1) {
			u, err := url.Parse(m[1])
			if err != nil || u.Scheme == "" && u.Path != "" && !exists(filepath.Join(filepath.Dir(name), u.Path)) {
				t.Errorf("%s links to %s, which is not there", name, m[1])
			}
		}
		if name == "CHANGELOG.md" {
			continue // what it names may be gone since
		}
		for _, span := range codeSpan.FindAllString(text, -1) {
			if p := strings.Trim(span, "`"); repoPath.MatchString(p) && !exists(p) {
				t.Errorf("%s names %s, which is not there", name, p)
			}
		}
	}
}

// placeholder is a part of a path that stands for any name.
var placeholder = regexp.MustCompile(`[A-Z]{4,}`)

func exists(path string) bool {
	found, err := filepath.Glob(placeholder.ReplaceAllString(path, "*"))
	return err == nil && len(found) > 0
}

// TestDocTargets: each `make X` in a document is a target of the Makefile, and each
// target is in the .PHONY list.
func TestDocTargets(t *testing.T) {
	data, err := os.ReadFile("Makefile")
	if err != nil {
		t.Fatal(err)
	}
	var targets []string
	for _, m := range makeTarget.FindAllStringSubmatch(string(data), -1) {
		targets = append(targets, m[1])
	}
	_, phony, _ := strings.Cut(string(data), ".PHONY:")
	phony, _, _ = strings.Cut(phony, "\n")
	for _, x := range targets {
		if !slices.Contains(strings.Fields(phony), x) {
			t.Errorf("the target %s is not in .PHONY", x)
		}
	}
	calls := 0
	for name, text := range markdown(t) {
		code := codeSpan.FindAllString(text, -1)
		for line := range strings.Lines(text) {
			if strings.HasPrefix(line, "    ") {
				code = append(code, line)
			}
		}
		for _, span := range code {
			for _, m := range makeCall.FindAllStringSubmatch(span, -1) {
				if calls++; !slices.Contains(targets, m[1]) {
					t.Errorf("%s says make %s, which the Makefile has not", name, m[1])
				}
			}
		}
	}
	if calls < 5 {
		t.Errorf("only %d make commands seen: the test looks in the wrong place", calls)
	}
}
