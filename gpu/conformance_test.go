//go:build cgo && !novulkan

package gpu

import (
	"testing"

	"eclat/cpu/ref"
	"eclat/model"
)

// openReference makes the backend that answers are compared with.
func openReference(t testing.TB) (model.Backend, error) {
	return ref.Device().Open(t.Context(), model.OpenOptions{})
}

// reference is one that the test closes at its end.
func reference(t testing.TB) model.Backend {
	t.Helper()
	b, err := openReference(t)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}
