package loader

import "syscall"

// forget unmaps whole pages of a read-only file mapping until they are read again.
// It is advice: an error changes nothing.
func forget(pages []byte) { _ = syscall.Madvise(pages, syscall.MADV_DONTNEED) }
