package cpu

import (
	"testing"

	"eclat/model"
	"eclat/model/backendtest"
)

func TestConformance(t *testing.T) {
	backendtest.Run(t,
		func() (model.Backend, error) { return NewRef(), nil },
		func() (model.Backend, error) { return New(Options{Threads: 3}), nil })
}
