package peer

import (
	"context"
	"io"
	"time"
)

// Network is how peers reach each other. Each is known by its key: whoever Peer names
// has proved that.
type Network interface {
	// Self is the own id.
	Self() string
	// Dial opens a stream to a peer: an id that is known, or an address with one.
	Dial(ctx context.Context, peer, protocol string) (Stream, error)
	// Handle serves streams that come in, each in a goroutine of its own.
	Handle(protocol string, serve func(Stream))
	Close() error
}

// Stream is a stream to a peer. Reset ends it at once on both sides; Close ends it after
// what was written.
type Stream interface {
	io.ReadWriteCloser
	Peer() string
	Address() string // the other side's machine; "" where that is not known
	Reset() error
	SetReadDeadline(time.Time) error
	SetWriteDeadline(time.Time) error
}

// Protocol is the name of the streams that stages are computed over. Its number counts
// what is said.
const Protocol = "/eclat/stage/2"
