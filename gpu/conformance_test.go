//go:build cgo && !novulkan

package gpu

import (
	"testing"

	"eclat/model"
)

// reference returns the backend that answers are compared with.
func reference(t testing.TB) model.Backend {
	t.Helper()
	t.Skip("not yet")
	return nil
}
