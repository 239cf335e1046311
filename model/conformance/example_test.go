package conformance_test

import (
	"context"
	"fmt"

	"eclat/cpu"
	"eclat/cpu/ref"
	"eclat/model"
	"eclat/model/conformance"
)

// A backend is held against the reference case by case; each opens backends of its own.
func ExampleCase_Check() {
	opener := func(d model.Device) conformance.Opener {
		return func() (model.Backend, error) { return d.Open(context.Background(), model.OpenOptions{}) }
	}
	openRef, open := opener(ref.Device()), opener(cpu.Devices(2)[0])
	failed := 0
	for _, c := range conformance.Cases() {
		if c.Op != "conv" || c.Long {
			continue
		}
		switch r := c.Check(openRef, open); {
		case r.Fail != "":
			failed++
			fmt.Println(c.Name, "fails:", r.Fail)
		case r.Unsupported != "":
			fmt.Println(c.Name, "is not tried:", r.Unsupported)
		}
	}
	fmt.Println("conv:", failed, "cases failed")
	// Output: conv: 0 cases failed
}
