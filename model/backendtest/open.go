package backendtest

import (
	"testing"

	"eclat/loader"
	"eclat/model"
	"eclat/model/arch"
)

// Open opens a model's file and closes it with the test.
func Open(t testing.TB, path string) *model.Model {
	t.Helper()
	f, err := loader.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	m, err := arch.Open(f)
	if err != nil {
		t.Fatal(err)
	}
	return m
}
