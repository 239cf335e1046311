//go:build cgo && !novulkan

package gpu

import (
	"regexp"
	"slices"
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

// noShader are the cases of weights that no shader reads yet: as constants of a shader their
// tables take some drivers minutes to compile.
var noShader = regexp.MustCompile(`\b(IQ1_S|IQ1_M|IQ2_S)\b`)

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
	lacks = slices.DeleteFunc(lacks, func(name string) bool { return noShader.MatchString(name) })
	if len(lacks) > 0 {
		t.Errorf("not supported: %q", lacks)
	}
}
