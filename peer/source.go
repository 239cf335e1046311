package peer

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"time"

	"eclat/loader/fragment"
	"eclat/loader/manifest"
)

// NewSource makes a source of fragments of a peer: an id that is known, or an address with
// one. Its streams are used again; Close ends them.
func NewSource(net Network, peer string) *BlobSource { return &BlobSource{net: net, peer: peer} }

// BlobSource is a fragment.Source. Any number of goroutines may use it.
type BlobSource struct {
	net  Network
	peer string
	mu   sync.Mutex
	idle []Stream
}

var _ fragment.Source = (*BlobSource)(nil)

// Name implements fragment.Source.
func (b *BlobSource) Name() string { return "peer " + short(b.peer) }

// Close ends the streams that are not in use.
func (b *BlobSource) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, s := range b.idle {
		s.Close()
	}
	b.idle = nil
	return nil
}

// Manifest implements fragment.Source.
func (b *BlobSource) Manifest(ctx context.Context, id manifest.Sum) (data []byte, err error) {
	err = b.ask(ctx, &blobRequest{Manifest: id.String()}, manifest.MaxBytes, func(p []byte) error {
		data = append(data, p...)
		return nil
	})
	return data, err
}

// Read implements fragment.Source.
func (b *BlobSource) Read(ctx context.Context, blob manifest.Sum, off, n int64, put func([]byte) error) error {
	return b.ask(ctx, &blobRequest{Blob: blob.String(), Offset: off, Length: n}, n, put)
}

// take returns a stream, one that was used before if there is such.
func (b *BlobSource) take(ctx context.Context) (s Stream, used bool, err error) {
	b.mu.Lock()
	if n := len(b.idle); n > 0 {
		s, b.idle = b.idle[n-1], b.idle[:n-1]
	}
	b.mu.Unlock()
	if s != nil {
		return s, true, nil
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	s, err = b.net.Dial(ctx, b.peer, BlobProtocol)
	return s, false, err
}

// ask sends a request and gives put the answer, of at most limit bytes.
func (b *BlobSource) ask(ctx context.Context, r *blobRequest, limit int64, put func([]byte) error) error {
	for {
		s, used, err := b.take(ctx)
		if err != nil {
			return err
		}
		unhook := context.AfterFunc(ctx, func() { s.Reset() })
		n, whole, err := b.hear(s, r, limit, put)
		if ours := unhook(); ours && whole {
			b.mu.Lock()
			b.idle = append(b.idle, s)
			b.mu.Unlock()
		} else {
			s.Reset()
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if used && !whole && n == 0 && err != nil {
			continue // the other side ended a stream that was idle
		}
		return err
	}
}

// hear reads an answer; whole says that the stream is good for another request.
func (b *BlobSource) hear(s Stream, r *blobRequest, limit int64, put func([]byte) error) (n int64, whole bool, err error) {
	fr := frames{rw: s}
	s.SetWriteDeadline(time.Now().Add(blobSilence))
	if err := fr.write(r, nil); err != nil {
		return 0, false, err
	}
	var buf []byte
	for {
		var rep blobReply
		s.SetReadDeadline(time.Now().Add(blobSilence))
		if buf, err = fr.read(&rep, buf, blobFrame); err != nil {
			return n, false, err
		}
		switch {
		case rep.None && n == 0:
			return n, true, fs.ErrNotExist
		case rep.Err != "" && n == 0:
			return n, true, errors.New(shorten(rep.Err))
		case rep.Size < 1 || rep.Size > limit || len(buf) == 0 || int64(len(buf)) > rep.Size-n:
			return n, false, fmt.Errorf("it answers %d bytes of %d, where at most %d may come", n+int64(len(buf)), rep.Size, limit)
		}
		if err := put(buf); err != nil {
			return n, false, err
		}
		if n += int64(len(buf)); n == rep.Size {
			return n, true, nil
		}
	}
}
