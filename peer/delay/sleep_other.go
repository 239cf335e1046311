//go:build !linux

package delay

import "time"

// sleep waits as long as Go's timers can tell.
func sleep(d time.Duration) { time.Sleep(d) }
