// Package backendtest runs the conformance suite as Go tests.
package backendtest

import (
	"testing"

	"eclat/model/conformance"
)

// Run holds the backend that open returns against the reference, case by case. A case
// that the backend says it cannot compute is skipped with that reason; their names
// are returned, so that a backend that has to have everything can ask for none.
func Run(t *testing.T, openRef, open conformance.Opener) (unsupported []string) {
	var passed, failed, long int
	for _, c := range conformance.Cases() {
		t.Run(c.Op+"/"+c.Name, func(t *testing.T) {
			if c.Long && testing.Short() {
				long++
				t.Skip("a long case: left out with -short")
			}
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
	t.Logf("%d cases passed, %d failed, %d not supported, %d long ones left out", passed, failed, len(unsupported), long)
	return unsupported
}
