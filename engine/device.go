package engine

import (
	"fmt"

	"eclat/cpu"
	"eclat/model"
)

// OpenBackend opens a device without a model: Load is the caller's to call.
func OpenBackend(name string, o Options) (model.Backend, string, error) { return openDevice(name, &o) }

// openDevice returns the backend that name asks for, and how it should be
// described to the user.
func openDevice(name string, o *Options) (model.Backend, string, error) {
	switch name {
	case "", "auto", "cpu":
		b := cpu.New(cpu.Options{Threads: o.Threads, Progress: o.Progress})
		return b, fmt.Sprintf("cpu (%d threads)", b.Threads()), nil
	case "ref":
		return cpu.NewRef(), "ref (the CPU reference, one thread)", nil
	}
	return nil, "", fmt.Errorf("%w: %q; there are auto, cpu and ref", ErrDevice, name)
}
