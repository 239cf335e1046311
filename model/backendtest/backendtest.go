package backendtest

import (
	"testing"

	"eclat/model/conformance"
)

// shortStep: with -short under the race detector one case in so many of each op runs.
// Without the detector -short leaves out the long ones alone.
const shortStep = 5

// Run holds the backend that open returns against the reference, case by case. A case
// that the backend says it cannot compute is skipped with that reason; their names
// are returned, so that a backend that has to have everything can ask for none.
func Run(t *testing.T, openRef, open conformance.Opener) (unsupported []string) {
	return RunCases(t, conformance.Cases(), openRef, open)
}

// RunCases is Run of some cases.
func RunCases(t *testing.T, cases []*conformance.Case, openRef, open conformance.Opener) (unsupported []string) {
	var passed, failed, left int
	of := map[string]int{} // cases of an op so far
	for _, c := range Deal(t, cases, func(c *conformance.Case) string { return c.Op + " " + c.Type }) {
		of[c.Op]++
		if testing.Short() && (c.Long || underRace && of[c.Op]%shortStep != 1) {
			left++
			continue
		}
		t.Run(c.Op+"/"+c.Name, func(t *testing.T) {
			switch r := c.Check(openRef, open); {
			case r.Fail != "":
				failed++
				t.Error(r.Fail)
			case r.Unsupported != "":
				unsupported = append(unsupported, c.Op+"/"+c.Name)
				t.Skip("not supported: " + r.Unsupported)
			default:
				passed++
			}
		})
	}
	t.Logf("%d cases passed, %d failed, %d not supported, %d left out with -short", passed, failed, len(unsupported), left)
	return unsupported
}
