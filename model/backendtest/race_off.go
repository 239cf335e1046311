//go:build !race

package backendtest

const underRace = false
