package loader

import (
	"os"
	"unsafe"
)

// Forget tells the system that data, a range of a Tensor's Data, has been copied
// elsewhere: its pages need not count as this process's memory any longer. They
// stay readable, and the system keeps them in its file cache as long as it likes.
// A model that lies in ordinary memory is left alone.
func (f *File) Forget(data []byte) {
	if len(data) == 0 {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, m := range f.maps {
		if len(m) == 0 {
			continue
		}
		at := uintptr(unsafe.Pointer(&data[0])) - uintptr(unsafe.Pointer(&m[0]))
		if at >= uintptr(len(m)) {
			continue
		}
		// Whole pages only: the ends may belong to other tensors.
		page := uintptr(os.Getpagesize())
		from, to := (at+page-1)&^(page-1), (at+uintptr(len(data)))&^(page-1)
		if from < to && to <= uintptr(len(m)) {
			forget(m[from:to])
		}
		return
	}
}
