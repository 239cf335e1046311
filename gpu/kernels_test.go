//go:build never

package gpu

import (
	"testing"

	"eclat/cpu"
	"eclat/model"
	"eclat/model/backendtest"
)

// TestKernels runs every op through the kernels of each way of loading.
func TestKernels(t *testing.T) {
	d := openKernels(t, true)
	for _, load := range []string{loadTexel, loadBuffer, loadPlain} {
		name := load
		if name == "" {
			name = "_buffer"
		}
		t.Run(name[1:], func(t *testing.T) {
			backendtest.Run(t,
				func() (model.Backend, error) { return cpu.NewRef(), nil },
				func() (model.Backend, error) { return newBench(d, kernelsWith(d, load)), nil })
		})
	}
}
