package quantize

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"os"
)

// Bounds of the older format, far above what any file has.
const (
	mostEntries = 1 << 20
	longestName = 1 << 10
)

// isDat reports whether a file is of the older format: it does not begin as GGUF does.
// A file that cannot be read is not: who opens it as GGUF says why.
func isDat(path string) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	var magic [4]byte
	_, err = io.ReadFull(f, magic[:])
	return err == nil && string(magic[:]) != "GGUF" && binary.LittleEndian.Uint32(magic[:]) <= mostEntries
}

// readDat reads the importance matrix as llama.cpp wrote it before it was a GGUF file, in
// little endian: the number of entries, then of each
//
//	length of the name, the name, calls, values, (values) float32: means times calls
//
// What follows the last entry is not looked at.
func readDat(path string) (m Importance, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	r := datReader{r: bufio.NewReader(f), path: path, left: st.Size()}
	m = Importance{}
	for n := r.number("entries", mostEntries); n > 0 && r.err == nil; n-- {
		name := string(r.bytes(r.number("the length of a name", longestName)))
		calls, values := r.number("calls", math.MaxInt32), r.number("values", math.MaxInt32)
		b := r.bytes(values * 4)
		if r.err == nil && m[name] != nil {
			r.fail("%.60q stands there twice", name)
		}
		if r.err != nil {
			break
		}
		w := make([]float32, values)
		for i := range w {
			w[i] = math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:])) / float32(calls)
			if !(w[i] >= 0) || w[i] > math.MaxFloat32 {
				r.fail("element %d of %.60q is no sum of squares", i, name)
				break
			}
		}
		m[name] = w
	}
	if r.err != nil {
		return nil, r.err
	}
	return m, nil
}

// datReader reads numbers and keeps the first fault.
type datReader struct {
	r    io.Reader
	path string
	left int64 // bytes
	err  error
}

func (r *datReader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf("%w: %s: "+format, append([]any{ErrImportance, r.path}, args...)...)
	}
}

// bytes reads n bytes, which the file must have.
func (r *datReader) bytes(n int) []byte {
	if r.err == nil && int64(n) > r.left {
		r.fail("it is cut short, or no importance matrix: %d bytes are missing", int64(n)-r.left)
	}
	if r.err != nil {
		return make([]byte, 4)
	}
	b := make([]byte, n)
	if _, err := io.ReadFull(r.r, b); err != nil {
		r.fail("%w", err)
	}
	r.left -= int64(n)
	return b
}

// number reads a number from 1 to most.
func (r *datReader) number(what string, most int) int {
	n := int(int32(binary.LittleEndian.Uint32(r.bytes(4))))
	if r.err == nil && (n < 1 || n > most) {
		r.fail("%s: %d is not from 1 to %d", what, n, most)
	}
	if r.err != nil {
		return 0
	}
	return n
}
