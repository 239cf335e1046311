package gpu

import (
	"cmp"
	"context"
	"sync"

	"eclat/gpu/lower"
	"eclat/gpu/vk"
	"eclat/loader"
	"eclat/model"
)

// A weight's rows reach the device in chunks. Where the device's memory is mapped
// they are written, or packed, straight into it; else through a ring of staging
// buffers, each filled while the one before is being copied.
const (
	chunkBytes  = 16 << 20 // of one staging buffer
	ringBuffers = 2
)

// upload brings all weights to their places. total is their size on the device.
// Cancelling ctx ends it after a chunk.
func (b *Backend) upload(ctx context.Context, src model.Weights, ws []*weight, total int64) error {
	s := &stream{b: b, src: src, total: total}
	defer s.close()
	s.report(0)
	for _, w := range ws {
		for i, p := range w.Parts {
			// Whole rows at a time, at least one; a staging buffer grows for a huge row.
			step := max(1, chunkBytes/w.RowBytes)
			for r := 0; r < p.Rows; r += step {
				if err := ctx.Err(); err != nil {
					return err
				}
				if err := s.rows(w, w.parts[i], p.First+r, r, min(step, p.Rows-r)); err != nil {
					return errorf("upload %s: %w", w.src.Name, err)
				}
			}
			if err := s.table(w, w.parts[i], int64(p.Rows)*int64(w.RowBytes)); err != nil {
				return errorf("upload %s: %w", w.src.Name, err)
			}
		}
	}
	return s.drain()
}

// stream is an upload on its way.
type stream struct {
	b           *Backend
	src         model.Weights
	ring        []staging
	next        int
	done, total int64
}

// staging is a buffer of the ring with the copy that reads it.
type staging struct {
	buf  *vk.Buffer
	copy *vk.Commands // running; nil when the buffer is free
}

// rows sends n rows of w, from row first of the tensor, to row at of the part that
// lies in dst.
func (s *stream) rows(w *weight, dst region, first, at, n int) error {
	defer s.src.Forget(w.src.Data[first*w.src.RowBytes:][:n*w.src.RowBytes]) // never twice in memory
	return s.send(w.src.Name, dst, int64(at)*int64(w.RowBytes), int64(n)*int64(w.RowBytes), func(dst []byte) error { return w.fill(dst, first, n) })
}

// table sends the table of w's type, where it has one, to byte at of the part that lies in dst.
func (s *stream) table(w *weight, dst region, at int64) error {
	size := int64(lower.TableBytes(w.Type))
	if size == 0 {
		return nil
	}
	return s.send(w.src.Name, dst, at, size, func(dst []byte) error { lower.PutTable(dst, w.Type); return nil })
}

// send brings size bytes that fill writes to byte at of dst.
func (s *stream) send(name string, dst region, at, size int64, fill func(dst []byte) error) error {
	off := dst.off + at
	defer s.report(size)
	if mem := dst.buf.Bytes(); mem != nil && !s.b.unmapped {
		return fill(mem[off : off+size])
	}
	st, err := s.free(size)
	if err != nil {
		return err
	}
	if err := fill(st.buf.Bytes()[:size]); err != nil {
		return err
	}
	r, err := s.b.dev.NewRecorder()
	if err != nil {
		return err
	}
	r.Copy(st.buf, 0, dst.buf, off, (size+3)&^3)
	c, err := r.End()
	if err != nil {
		return err
	}
	if err := s.b.start(c, name); err != nil {
		c.Close()
		return s.b.failed(err, name, name)
	}
	st.copy = c
	return nil
}

// fill writes n rows from row first to dst, as the device wants them. A file that
// was cut short meanwhile is a loader.ErrFault.
func (w *weight) fill(dst []byte, first, n int) error {
	src := w.src.Data[first*w.src.RowBytes:][:n*w.src.RowBytes]
	return share(n, len(dst), func(from, to int) error {
		return loader.Guard(func() error {
			d, s := dst[from*w.RowBytes:to*w.RowBytes], src[from*w.src.RowBytes:to*w.src.RowBytes]
			if w.repack != nil {
				w.repack.Rows(d, s, to-from, w.Cols)
			} else {
				copy(d, s)
			}
			return nil
		})
	})
}

// share cuts n rows of size bytes in all in parts that run beside each other where
// they are worth it, and returns an error of one.
func share(n, size int, part func(from, to int) error) error {
	const worth, most = 4 << 20, 4
	parts := min(most, n, 1+size/worth)
	var wg sync.WaitGroup
	var errs [most]error
	for i := range parts {
		from, to := n*i/parts, n*(i+1)/parts
		if i == parts-1 {
			errs[i] = part(from, to)
		} else {
			wg.Go(func() { errs[i] = part(from, to) })
		}
	}
	wg.Wait()
	return cmp.Or(errs[:]...)
}

// free returns a staging buffer of at least size bytes that nothing reads.
func (s *stream) free(size int64) (*staging, error) {
	if len(s.ring) < ringBuffers {
		s.ring = append(s.ring, staging{})
		s.next = len(s.ring) - 1
	}
	st := &s.ring[s.next]
	s.next = (s.next + 1) % ringBuffers
	if err := s.wait(st); err != nil {
		return nil, err
	}
	if st.buf != nil && st.buf.Size() < size {
		st.buf.Close()
		st.buf = nil
	}
	if st.buf == nil {
		var err error
		if st.buf, err = s.b.dev.NewBuffer("staging", max(size, chunkBytes), vk.Upload); err != nil {
			return nil, err
		}
	}
	return st, nil
}

func (s *stream) wait(st *staging) error {
	if st.copy == nil {
		return nil
	}
	err := s.b.dev.Wait(st.copy)
	st.copy.Close()
	st.copy = nil
	if err != nil {
		return s.b.failed(err, "", "")
	}
	return nil
}

// drain waits for the copies that still run.
func (s *stream) drain() (err error) {
	for i := range s.ring {
		if e := s.wait(&s.ring[i]); err == nil {
			err = e
		}
	}
	return err
}

func (s *stream) close() {
	s.drain()
	for _, st := range s.ring {
		if st.buf != nil {
			st.buf.Close()
		}
	}
}

func (s *stream) report(n int64) {
	s.done += n
	s.b.progress("weights", s.done, s.total)
}
