package ref

import (
	"context"
	"testing"

	"eclat/cpu/goldentest"
	"eclat/model"
)

func open() (model.Backend, error) {
	return Device().Open(context.Background(), model.OpenOptions{})
}

func TestGolden(t *testing.T) { goldentest.Run(t, open) }

func TestEveryOp(t *testing.T) {
	for op, f := range ops {
		if f == nil {
			t.Errorf("no %s", model.Op(op))
		}
	}
}
