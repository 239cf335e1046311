package fragment

import (
	"context"
	"crypto/sha256"
	"hash"
	"hash/maphash"
	"runtime"
	"sync"
	"sync/atomic"

	"eclat/loader/manifest"
)

// slabBytes is what a pump reads at once: several chunks, to keep all cores busy.
const slabBytes = 8 * manifest.ChunkBytes

// span is a run of bytes that goes through a pump.
type span struct {
	size int64                           // bytes, not 0
	read func(p []byte, off int64) error // fills p from byte off of the span
	sums bool                            // whether its sums are wanted
}

// sums is what a pump finds out about a span.
type sums struct {
	blob   manifest.Sum
	chunks []manifest.Sum
	prints []uint64 // quick fingerprints of the chunks, for the time of one run
}

// pump reads spans in order, each once, and sums them on all cores. A sha256 is
// one long chain, so what can run at the same time is the chain over all spans,
// the chain over the current blob, the chunks among each other, the sink and the
// reading of what comes next.
type pump struct {
	whole  hash.Hash                   // fed all bytes; nil for none
	noBlob bool                        // leave out the sums of blobs: chunks tell as much
	seed   maphash.Seed                // of fingerprints; zero for none
	sink   func(i int, p []byte) error // is given all bytes in order, of span i; may be nil
	moved  func(n int64)               // told of n bytes more; may be nil
	done   func(i int, s sums) error   // told of each span that wants sums, in order
	spans  []span
	next   int   // span to read from
	off    int64 // bytes of it that are read
	found  []sums
	chain  hash.Hash // over the current blob
}

// piece is one chunk of a span in memory.
type piece struct {
	span int
	no   int // chunk number
	data []byte
	last bool
}

func (p *pump) run(ctx context.Context, spans []span) error {
	p.spans, p.next, p.off = spans, 0, 0
	p.found, p.chain = make([]sums, len(spans)), sha256.New()
	var total int64
	for _, s := range spans {
		total += s.size
	}
	slab := make([]byte, min(slabBytes, total)) // holds any chunk, or everything
	var other []byte
	if total > slabBytes {
		other = make([]byte, slabBytes)
	}
	now, err := p.fill(slab)
	for err == nil && len(now) > 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		var (
			wg               sync.WaitGroup
			coming           []piece
			readErr, sinkErr error
		)
		wg.Go(func() { coming, readErr = p.fill(other) })
		if p.whole != nil {
			wg.Go(func() {
				for _, c := range now {
					p.whole.Write(c.data)
				}
			})
		}
		if p.sink != nil {
			wg.Go(func() {
				for i := 0; i < len(now) && sinkErr == nil; i++ {
					sinkErr = p.sink(now[i].span, now[i].data)
				}
			})
		}
		wg.Go(func() { p.sumBlobs(now) })
		var claimed atomic.Int32
		for range min(len(now), runtime.GOMAXPROCS(0)) {
			wg.Go(func() {
				for i := int(claimed.Add(1)) - 1; i < len(now); i = int(claimed.Add(1)) - 1 {
					p.sumChunk(&now[i])
				}
			})
		}
		wg.Wait()
		if sinkErr != nil {
			return sinkErr
		}
		if err := p.deliver(now); err != nil {
			return err
		}
		now, err, slab, other = coming, readErr, other, slab
	}
	return err
}

// fill reads pieces into slab until it is full or the spans end.
func (p *pump) fill(slab []byte) (out []piece, err error) {
	for p.next < len(p.spans) && len(slab) > 0 {
		s := &p.spans[p.next]
		n := min(s.size-p.off, manifest.ChunkBytes)
		if n > int64(len(slab)) {
			break // a chunk is never cut
		}
		c := piece{p.next, int(p.off / manifest.ChunkBytes), slab[:n:n], p.off+n == s.size}
		if err := s.read(c.data, p.off); err != nil {
			return nil, err
		}
		if c.no == 0 && s.sums {
			n := (s.size-1)/manifest.ChunkBytes + 1
			p.found[p.next] = sums{chunks: make([]manifest.Sum, n), prints: make([]uint64, n)}
		}
		out, slab = append(out, c), slab[n:]
		if p.off += n; c.last {
			p.next, p.off = p.next+1, 0
		}
	}
	return out, nil
}

// sumBlobs adds the pieces to the sums of their blobs. A blob of one chunk is
// left to sumChunk.
func (p *pump) sumBlobs(now []piece) {
	for _, c := range now {
		if p.noBlob || !p.spans[c.span].sums || c.last && c.no == 0 {
			continue
		}
		p.chain.Write(c.data)
		if c.last {
			p.chain.Sum(p.found[c.span].blob[:0])
			p.chain.Reset()
		}
	}
}

func (p *pump) sumChunk(c *piece) {
	if !p.spans[c.span].sums {
		return
	}
	f := &p.found[c.span]
	f.chunks[c.no] = sha256.Sum256(c.data)
	if p.seed != (maphash.Seed{}) {
		f.prints[c.no] = maphash.Bytes(p.seed, c.data)
	}
	if c.last && c.no == 0 {
		f.blob = f.chunks[0]
	}
}

// deliver reports progress and the spans that ended.
func (p *pump) deliver(now []piece) error {
	for _, c := range now {
		if p.moved != nil {
			p.moved(int64(len(c.data)))
		}
		if !c.last || !p.spans[c.span].sums {
			continue
		}
		if err := p.done(c.span, p.found[c.span]); err != nil {
			return err
		}
		p.found[c.span] = sums{}
	}
	return nil
}
