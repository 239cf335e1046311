package cpu

import (
	"context"
	"testing"

	"eclat/cpu/ref"
	"eclat/model"
	"eclat/model/backendtest"
)

func openRef() (model.Backend, error) {
	return ref.Device().Open(context.Background(), model.OpenOptions{})
}

func TestConformance(t *testing.T) { backendtest.Run(t, openRef, open) }
