//go:build cgo && !novulkan

package gpu

import (
	"sync"
	"testing"

	"eclat/cpu"
	"eclat/gpu/vk"
	"eclat/model"
	"eclat/model/backendtest"
)

// device returns the first device, or skips the test.
func device(t testing.TB) vk.Info {
	t.Helper()
	infos, err := vk.Enumerate()
	if err != nil || len(infos) == 0 {
		t.Skipf("no Vulkan device: %v", err)
	}
	return infos[0]
}

// strict is options with validation on; any message fails the test.
func strict(t testing.TB, o Options) Options {
	var lock sync.Mutex
	o.Validation = true
	o.OnMessage = func(m string) {
		lock.Lock()
		defer lock.Unlock()
		t.Errorf("validation: %s", m)
	}
	return o
}

func TestConformance(t *testing.T) {
	info := device(t)
	cache := t.TempDir()
	backendtest.Run(t,
		func() (model.Backend, error) { return cpu.NewRef(), nil },
		func() (model.Backend, error) { return Open(info, strict(t, Options{CacheDir: cache})) })
}
