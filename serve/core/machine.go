package core

import (
	"context"
	"sync"

	"eclat/engine"
	"eclat/model"
)

// Machine is what the server may do with the machine beside serving models. Nil functions
// are things that it may not do.
type Machine struct {
	Version string                                                                                // of the program, for people
	Devices func() []model.DeviceInfo                                                             // that there are
	Open    func(ctx context.Context, name, path, device string, o Alone) (*engine.Engine, error) // a served model for a measurement
	Backend func(ctx context.Context, device string) (model.Backend, error)                       // a device without a model
}

// Alone is how a model is opened that is measured, not served.
type Alone struct {
	Context int // tokens
	Probe   func(e *engine.Engine) (engine.ProbeOptions, error)
}

// Bits is whether a device gives the bits of the reference.
type Bits string

// Values of Bits.
const (
	BitsUnchecked Bits = "unchecked"
	BitsEqual     Bits = "equal"
	BitsLimits    Bits = "limits" // not equal, and not far from it
	BitsWrong     Bits = "wrong"
)

// Check is what is known of a device's bits.
type Check struct {
	Bits       Bits
	Kernels    int    // questions that were answered as the reference does
	Difference string // how far the others are from it; "" where all are equal
}

// checks are those that were made, by the device's ID.
type checks struct {
	mu  sync.Mutex
	all map[string]Check
}

// Checked keeps what a check of a device found.
func (c *Core) Checked(device string, found Check) {
	c.checks.mu.Lock()
	defer c.checks.mu.Unlock()
	if c.checks.all == nil {
		c.checks.all = map[string]Check{}
	}
	c.checks.all[device] = found
}

// CheckOf is what is known of a device. The reference is what others are checked against;
// a GPU that computes for a model is asked for each kernel's answer before it is used, and
// refused where one is wrong.
func (c *Core) CheckOf(d *model.DeviceInfo, inUse bool) Check {
	c.checks.mu.Lock()
	defer c.checks.mu.Unlock()
	if found, ok := c.checks.all[d.ID]; ok {
		return found
	}
	if d.Kind == model.Reference || inUse && d.GPU() {
		return Check{Bits: BitsEqual}
	}
	return Check{Bits: BitsUnchecked}
}

// BitsOf is what is known of all devices that compute a model: the least of them.
func (c *Core) BitsOf(m *Model) Bits {
	all := BitsEqual
	for i := range m.Devices {
		switch b := c.CheckOf(&m.Devices[i], true).Bits; {
		case b == BitsWrong, b == BitsLimits && all != BitsWrong, b == BitsUnchecked && all == BitsEqual:
			all = b
		}
	}
	return all
}
