package gpu_test

import (
	"errors"
	"fmt"
	"log"
	"os"

	"eclat/gpu"
	"eclat/model"
)

// A machine without Vulkan has no device, which is no fault. Every device that there is
// computes every op; what differs is told by its kind, its memory and its details.
func ExampleDevices() {
	devices, err := gpu.Devices()
	if err != nil && !errors.Is(err, model.ErrNoDevice) {
		log.Fatal(err)
	}
	able := 0
	for _, d := range devices {
		info := d.Info()
		fmt.Fprintln(os.Stderr, info.Describe()) // vulkan:0 and the card's name
		if info.GPU() && len(info.Ops) == len(model.Ops()) {
			able++
		}
	}
	fmt.Println(able == len(devices))
	// Output: true
}
