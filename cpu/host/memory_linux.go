package host

import "os"

// AvailableMemory returns the bytes of main memory that can be had without swapping:
// what the system says is available, or less where a control group or the limit on
// the process's address space allows less. 0 where the system does not tell.
func AvailableMemory() int64 { return available(os.DirFS("/"), AddressLimit()) }
