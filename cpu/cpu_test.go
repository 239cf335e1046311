package cpu

import (
	"context"
	"testing"

	"eclat/cpu/goldentest"
	"eclat/cpu/kernel"
	"eclat/model"
)

func open() (model.Backend, error) { return openThreads(3) }

func openThreads(n int) (model.Backend, error) {
	return Devices(n)[0].Open(context.Background(), model.OpenOptions{})
}

// TestGolden: in every form of the kernels.
func TestGolden(t *testing.T) {
	for _, form := range kernel.Names() {
		t.Run(form, func(t *testing.T) {
			t.Setenv(kernel.Variable, form)
			goldentest.Run(t, open)
		})
	}
}

func TestEveryOp(t *testing.T) {
	for op := range kernels {
		if kernels[op].part == nil || kernels[op].parts == nil {
			t.Errorf("no %s", model.Op(op))
		}
	}
}
