//go:build race

package backendtest

// underRace: the detector slows arithmetic twentyfold.
const underRace = true
