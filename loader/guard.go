package loader

import (
	"fmt"
	"runtime/debug"
	"sync"
	"unsafe"
)

// Guard runs read and returns its error, or ErrFault where a page of a mapped file
// turned out not to be there: the system sends a signal then, which would end the
// process.
//
// It covers the goroutine that calls it and none that read starts: each that
// touches Tensor.Data, or a Value of a File, has a Guard of its own. Nor does it
// cover C code and system calls that are given mapped memory. A call costs a few
// nanoseconds and allocates nothing; one around a whole step or job is enough.
// Whatever read was doing is broken off where it stood, so it holds no lock that it
// does not release by defer.
func Guard(read func() error) (err error) {
	was := debug.SetPanicOnFault(true)
	defer func() {
		debug.SetPanicOnFault(was)
		if r := recover(); r != nil {
			err = faultOf(r)
		}
	}()
	return read()
}

// faultOf turns the panic of a fault in a mapping into an error. Any other goes on:
// it is a mistake in the program.
func faultOf(r any) error {
	if fault, ok := r.(interface{ Addr() uintptr }); ok {
		if path, ok := mapped.find(fault.Addr()); ok {
			return fmt.Errorf("%s: %w", path, ErrFault)
		}
	}
	panic(r)
}

// mapped knows the mappings of all open Files: a fault has an address and nothing
// else to tell whose it is.
var mapped mappings

type mappings struct {
	mu sync.Mutex
	at map[uintptr]mapping // by address of the first byte
}

type mapping struct {
	size uintptr // bytes
	path string
}

func address(data []byte) uintptr { return uintptr(unsafe.Pointer(unsafe.SliceData(data))) }

func (m *mappings) add(data []byte, path string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.at == nil {
		m.at = map[uintptr]mapping{}
	}
	m.at[address(data)] = mapping{uintptr(len(data)), path}
}

func (m *mappings) remove(data []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.at, address(data))
}

// find returns the path of the file that the byte at an address belongs to.
func (m *mappings) find(addr uintptr) (path string, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for begin, x := range m.at {
		if addr-begin < x.size {
			return x.path, true
		}
	}
	return "", false
}
