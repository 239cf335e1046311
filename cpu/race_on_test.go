//go:build race

package cpu

// raceEnabled: the race detector has a sync.Pool forget things at random.
const raceEnabled = true
