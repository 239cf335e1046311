package peer

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// A frame is
//
//	uint32 length of the head, uint32 length of the body, little endian
//	head    one JSON object
//	body    rows, as package rows lays them out, or the bytes of a unit
const (
	mostHead = 4 << 20 // bytes: a batch of 512 tokens with its tables takes some 10⁴
	mostBody = 1 << 30 // bytes, and never more than the session allows
)

// errFrame says that what came is no frame of this protocol.
var errFrame = errors.New("a frame")

// frames reads and writes frames. One goroutine reads, one writes.
type frames struct {
	rw   io.ReadWriter
	head []byte // scratch of read
	out  []byte // scratch of write

	began func(bytes int) // told when a frame has begun, and how long it is; may be nil
}

// write sends a frame. body may be nil.
func (f *frames) write(head any, body []byte) error {
	text, err := json.Marshal(head)
	if err != nil {
		return err
	}
	if len(text) > mostHead || len(body) > mostBody {
		return fmt.Errorf("peer: a frame of %d and %d bytes", len(text), len(body))
	}
	f.out = binary.LittleEndian.AppendUint32(f.out[:0], uint32(len(text)))
	f.out = binary.LittleEndian.AppendUint32(f.out, uint32(len(body)))
	f.out = append(f.out, text...)
	if len(body) < 1<<16 { // one packet
		f.out = append(f.out, body...)
		body = nil
	}
	if _, err := f.rw.Write(f.out); err != nil || body == nil {
		return err
	}
	_, err = f.rw.Write(body)
	return err
}

// read takes a frame whose body is of at most limit bytes, into head and into buf where
// that has room.
func (f *frames) read(head any, buf []byte, limit int) (body []byte, err error) {
	var n [8]byte
	if _, err := io.ReadFull(f.rw, n[:]); err != nil {
		return nil, err
	}
	heads, bodies := binary.LittleEndian.Uint32(n[:]), binary.LittleEndian.Uint32(n[4:])
	if heads > mostHead || int64(bodies) > int64(limit) {
		return nil, fmt.Errorf("%w of %d and %d bytes, where at most %d and %d may come", errFrame, heads, bodies, mostHead, limit)
	}
	if f.began != nil {
		f.began(int(heads) + int(bodies))
	}
	if f.head, err = readMore(f.rw, f.head[:0], int(heads)); err != nil {
		return nil, err
	}
	if err := json.Unmarshal(f.head, head); err != nil {
		return nil, fmt.Errorf("%w whose head is none: %.100v", errFrame, err)
	}
	return readMore(f.rw, buf[:0], int(bodies))
}

// readMore appends n bytes, and takes memory only as they come.
func readMore(r io.Reader, dst []byte, n int) ([]byte, error) {
	for n > 0 {
		at, step := len(dst), min(n, max(1<<16, len(dst), cap(dst)-len(dst)))
		if cap(dst) < at+step {
			dst = append(make([]byte, 0, at+step), dst...)
		}
		dst = dst[:at+step]
		if _, err := io.ReadFull(r, dst[at:]); err != nil {
			return dst, err
		}
		n -= step
	}
	return dst, nil
}

// turn lets one goroutine at a time write. It is a channel, since who waits for a mutex does
// not let the time of a simulated network go on, in which the other one's write ends.
type turn chan struct{}

func newTurn() turn    { return make(turn, 1) }
func (t turn) Lock()   { t <- struct{}{} }
func (t turn) Unlock() { <-t }
