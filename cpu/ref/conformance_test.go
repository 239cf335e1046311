package ref

import (
	"slices"
	"testing"

	"eclat/model"
	"eclat/model/backendtest"
	"eclat/model/conformance"
)

// TestConformance holds the reference to what a backend must do besides computing
// right; that it computes right is what TestGolden is for. So of the ops it takes the
// choice of tokens alone, whose answers have two forms: the others would be compared with
// themselves, and every other backend runs the reference through all of them.
func TestConformance(t *testing.T) {
	cases := slices.DeleteFunc(conformance.Cases(), func(c *conformance.Case) bool {
		return c.Op != model.Sample.String() && slices.ContainsFunc(model.Ops(), func(op model.Op) bool { return c.Op == op.String() })
	})
	if lacking := backendtest.RunCases(t, cases, open, open); len(lacking) > 0 {
		t.Errorf("the reference lacks %v", lacking)
	}
}
