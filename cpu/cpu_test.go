package cpu

import (
	"context"
	"testing"

	"eclat/cpu/goldentest"
	"eclat/model"
)

func open() (model.Backend, error) { return openThreads(3) }

func openThreads(n int) (model.Backend, error) {
	return Devices(n)[0].Open(context.Background(), model.OpenOptions{})
}

func TestGolden(t *testing.T) { goldentest.Run(t, open) }

func TestEveryOp(t *testing.T) {
	for op := range kernels {
		if kernels[op].part == nil || kernels[op].parts == nil {
			t.Errorf("no %s", model.Op(op))
		}
	}
}
