//go:build !linux && !darwin && !windows

package host

// AvailableMemory returns 0: the system does not tell.
func AvailableMemory() int64 { return 0 }
