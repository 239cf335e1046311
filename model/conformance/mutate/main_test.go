package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// TestFits: every mutation has its place in the source, once, so that make mutate, which
// takes long and is rarely run, finds no change that has none.
func TestFits(t *testing.T) {
	for _, m := range mutations {
		src, err := os.ReadFile(filepath.Join("../../..", m.file))
		if err != nil {
			t.Fatal(err)
		}
		if n := bytes.Count(src, []byte(m.old)); n != 1 {
			t.Errorf("%s: %s, %s: %q is there %d times, not once", m.file, m.op, m.what, m.old, n)
		}
	}
}

// TestPage: docs/mutations.md has a row of every mutation and of nothing else, each noticed.
func TestPage(t *testing.T) {
	page, err := os.ReadFile("../../../docs/mutations.md")
	if err != nil {
		t.Fatal(err)
	}
	have := rows(string(page))
	for _, m := range mutations {
		if have[m.key()] == "" {
			t.Errorf("no row of %s", m.key())
		}
	}
	if len(have) >= len(mutations) && report(have) != string(page) {
		t.Error("the page is not what its rows make: make mutate NEW=1")
	}
}
