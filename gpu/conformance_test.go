//go:build cgo && !novulkan

package gpu

import (
	"testing"

	"eclat/cpu/ref"
	"eclat/model"
	"eclat/model/backendtest"
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

// TestConformance: the backend computes everything that the suite asks for.
func TestConformance(t *testing.T) {
	long(t)
	info := testDevice(t)
	cache := t.TempDir()
	lacks := backendtest.Run(t,
		func() (model.Backend, error) { return openReference(t) },
		func() (model.Backend, error) {
			return open(info, strict(t, options{OpenOptions: model.OpenOptions{CacheDir: cache}}))
		})
	if len(lacks) > 0 {
		t.Errorf("not supported: %q", lacks)
	}
}
