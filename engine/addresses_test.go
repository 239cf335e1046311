package engine

import (
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"eclat/loader"
	"eclat/testdata"
)

// TestUnknownMemory: where the system does not tell how much memory there is, the
// user is told that nothing was checked; where it does, nothing is said.
func TestUnknownMemory(t *testing.T) {
	const unknown = "memory: unknown; not checked"
	for have, want := range map[int64]bool{0: true, 1 << 40: false} {
		var told []string
		e := open(t, builtIn, Options{Device: "cpu", Context: 64, Notice: func(m string) { told = append(told, m) }, available: func() int64 { return have }})
		e.Close()
		if slices.Contains(told, unknown) != want {
			t.Errorf("with %d bytes: %q", have, told)
		}
	}
	f, err := loader.FromBytes(testdata.ModelName, testdata.Model)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), f, Options{Device: "cpu", Context: 64, available: func() int64 { return 1 }}); !errors.Is(err, ErrMemory) {
		t.Errorf("in one byte: %v", err)
	}
}

func TestRoomForDrivers(t *testing.T) {
	for limit, fits := range map[int64]bool{0: false, 1 << 20: false, leastAddresses - 1: false, leastAddresses: true, math.MaxInt64: true} {
		err := roomForDrivers(limit)
		if (err == nil) != fits || err != nil && (!errors.Is(err, ErrMemory) || !strings.Contains(err.Error(), "MiB")) {
			t.Errorf("%d bytes: %v", limit, err)
		}
	}
}
