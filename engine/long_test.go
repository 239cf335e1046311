package engine

import "testing"

// long leaves a test out with -short, as under the race detector, which slows
// arithmetic twentyfold: it computes much and shares nothing between goroutines that
// no other test does.
func long(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("computes much: left out with -short")
	}
}
