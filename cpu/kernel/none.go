//go:build !goexperiment.simd || !amd64

package kernel

// vectorBuild: the program has forms besides plain.
const vectorBuild = false

const (
	tileRows = 1 // of a weight, in a tile
)

type tile struct{}

func vectorForms() []*Form { return nil }
