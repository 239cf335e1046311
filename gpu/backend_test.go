//go:build cgo && !novulkan

package gpu

import (
	"sync"
	"testing"

	"eclat/gpu/vk"
)

// testDevice returns the first device, or skips the test.
func testDevice(t testing.TB) vk.Info {
	t.Helper()
	infos, err := vk.Enumerate()
	if err != nil || len(infos) == 0 {
		t.Skipf("no Vulkan device: %v", err)
	}
	return infos[0]
}

// strict is options with validation on, any message of which fails the test, and without
// questions to kernels, which check_test.go asks.
func strict(t testing.TB, o options) options {
	var lock sync.Mutex
	o.validation, o.unchecked = true, true
	o.onMessage = func(m string) {
		lock.Lock()
		defer lock.Unlock()
		t.Errorf("validation: %s", m)
	}
	return o
}
