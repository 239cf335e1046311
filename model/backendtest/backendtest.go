// Package backendtest runs the conformance suite as Go tests.
package backendtest

import (
	"testing"

	"eclat/model/conformance"
)

// Run holds the backend that open returns against the reference, case by case.
func Run(t *testing.T, openRef, open conformance.Opener) {
	for _, c := range conformance.Cases() {
		t.Run(c.Op+"/"+c.Name, func(t *testing.T) {
			if c.Long && testing.Short() {
				t.Skip("a long case: left out with -short")
			}
			if r := c.Check(openRef, open); r.Fail != "" {
				t.Error(r.Fail)
			}
		})
	}
}
