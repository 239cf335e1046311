package cpu_test

import (
	"fmt"

	"eclat/cpu"
)

// The processor is one device of those that an engine chooses from.
func ExampleDevices() {
	for _, d := range cpu.Devices(2) {
		info := d.Info()
		fmt.Println(info.ID, info.Kind, info.Threads)
	}
	// Output: cpu processor 2
}
