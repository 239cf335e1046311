package ref

import (
	"testing"

	"eclat/model/backendtest"
)

// TestConformance holds the reference to what a backend must do besides computing
// right; that it computes right is what TestGolden is for.
func TestConformance(t *testing.T) {
	if lacking := backendtest.Run(t, open, open); len(lacking) > 0 {
		t.Errorf("the reference lacks %v", lacking)
	}
}
