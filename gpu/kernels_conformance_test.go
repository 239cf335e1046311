//go:build cgo && !novulkan

package gpu

import (
	"testing"

	"eclat/gpu/lower"
	"eclat/model"
	"eclat/model/backendtest"
)

// TestKernels runs every op through the kernels of each way of loading.
func TestKernels(t *testing.T) {
	d := openKernels(t, true)
	for _, load := range []string{lower.LoadTexel, lower.LoadBuffer, lower.LoadPlain} {
		name := load
		if name == "" {
			name = "_buffer"
		}
		t.Run(name[1:], func(t *testing.T) {
			backendtest.Run(t,
				func() (model.Backend, error) { return openReference(t) },
				func() (model.Backend, error) { return newBench(d, kernelsWith(d, load)), nil })
		})
	}
}
