package delay

import (
	"syscall"
	"time"
)

// sleep waits to some 0.1 ms. Go's own timers wait whole milliseconds where nothing else
// happens, which would make a line of 100 Mbit/s as slow as one of 10.
func sleep(d time.Duration) {
	for end := time.Now().Add(d); d > 0; d = time.Until(end) { // a signal ends it early
		t := syscall.NsecToTimespec(int64(d))
		syscall.Nanosleep(&t, nil)
	}
}
