package fragment

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/bits"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"eclat/loader"
	"eclat/loader/manifest"
)

// A blob on its way is two files beside its place:
//
//	SUM.partial        its bytes, where they belong
//	SUM.bits.partial   for each chunk a uint16, little endian: bit i says that piece i of
//	                   the chunk, of pieceBytes, was written
//
// The bits are hints. A chunk whose pieces are all there is summed before it counts, and
// of another what comes before the first gap is taken up, to be summed with the rest.
const (
	bitBytes = 2
	pieces   = manifest.ChunkBytes / pieceBytes // of a whole chunk: 16
)

// fetch is one call of Fetcher.Blobs: lanes that each bring one chunk at a time.
type fetch struct {
	*Fetcher
	m        *manifest.Manifest
	store    *store
	progress func(done, total int64)
	stop     context.CancelFunc

	mu          sync.Mutex
	changed     sync.Cond
	todo        []*arriving // blobs that are not there yet
	taken       int         // chunks under way
	done, total int64       // bytes
	err         error       // of the folder: it ends the fetch
	said        map[string]string
	faults      map[string]int
}

// arriving is a blob on its way.
type arriving struct {
	blob  *manifest.Blob
	file  *os.File // nil till a lane takes its first chunk
	bits  *os.File
	state []chunkState
	left  int             // chunks that are not there
	lacks map[string]bool // sources that do not have it
}

type chunkState uint8

const (
	wanted chunkState = iota
	underWay
	there
)

// span is where a chunk lies in its blob.
func (a *arriving) span(chunk int) (off, n int64) {
	off = int64(chunk) * manifest.ChunkBytes
	return off, min(manifest.ChunkBytes, a.blob.Size-off)
}

// lane brings chunks from a source as long as it has some that are wanted.
func (w *fetch) lane(ctx context.Context, from Source) {
	buf := make([]byte, manifest.ChunkBytes)
	for {
		a, chunk, err := w.take(ctx, from, buf)
		if err != nil {
			w.fail(err)
		}
		if a == nil {
			return
		}
		err = w.bring(ctx, from, a, chunk, buf)
		w.gave(ctx, from, a, chunk, err)
	}
}

// take finds a chunk that the source may have, and waits where all that is left is under
// way elsewhere: it may come back. It returns nil where there is nothing left to do.
func (w *fetch) take(ctx context.Context, from Source, buf []byte) (*arriving, int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for {
		if ctx.Err() != nil || w.err != nil || len(w.todo) == 0 || w.faults[from.Name()] >= mostFaults || w.isBanned(from) {
			return nil, 0, nil
		}
		for _, a := range w.todo {
			if a.lacks[from.Name()] {
				continue
			}
			if a.file == nil {
				if err := w.begin(a, buf); err != nil {
					return nil, 0, err
				}
			}
			for i, s := range a.state {
				if s == wanted {
					a.state[i] = underWay
					w.taken++
					return a, i, nil
				}
			}
		}
		if w.taken == 0 {
			return nil, 0, nil
		}
		w.changed.Wait()
	}
}

// begin opens the files of a blob and sums what a fetch before this one left. The lock is
// held: others wait, as they would for the disk.
func (w *fetch) begin(a *arriving, buf []byte) (err error) {
	name := filepath.FromSlash(a.blob.Sum.BlobName())
	if err := w.store.mkdir(filepath.Dir(name)); err != nil {
		return w.store.error(err)
	}
	if a.file, err = w.store.reopen(name+partial, a.blob.Size); err != nil {
		return err
	}
	chunks := len(a.blob.Chunks)
	if a.bits, err = w.store.reopen(name+".bits"+partial, int64(bitBytes*chunks)); err != nil {
		return err
	}
	a.state, a.left = make([]chunkState, chunks), chunks
	for i := range chunks {
		off, n := a.span(i)
		if w.arrived(a, i) < n {
			continue
		}
		if _, err := io.ReadFull(io.NewSectionReader(a.file, off, n), buf[:n]); err == nil && sha256.Sum256(buf[:n]) == a.blob.Chunks[i] {
			a.state[i] = there
			a.left--
			w.done += n
		} else if err := a.mark(i, 0); err != nil {
			return w.store.error(err)
		}
	}
	if a.left == 0 {
		a.state[0], a.left = wanted, 1 // the lane that takes it finds it there, and finishes the blob
		_, n := a.span(0)
		w.done -= n
	}
	return nil
}

// arrived is how many bytes of a chunk, from its beginning on, were written.
func (w *fetch) arrived(a *arriving, chunk int) int64 {
	var b [bitBytes]byte
	if _, err := a.bits.ReadAt(b[:], int64(bitBytes*chunk)); err != nil {
		return 0
	}
	_, n := a.span(chunk)
	return min(n, int64(bits.TrailingZeros32(^uint32(binary.LittleEndian.Uint16(b[:]))))*pieceBytes)
}

// mark says that so many pieces of a chunk, the first ones, were written.
func (a *arriving) mark(chunk, n int) error {
	var b [bitBytes]byte
	binary.LittleEndian.PutUint16(b[:], uint16(1<<n-1))
	_, err := a.bits.WriteAt(b[:], int64(bitBytes*chunk))
	return err
}

// errDamaged says that a chunk's bytes are not those that were asked for.
var errDamaged = errors.New("damaged")

// folderError is an error of the own disk, which no other source helps against.
type folderError struct{ error }

func (e folderError) Unwrap() error { return e.error }

// bring brings a chunk and writes it, piece by piece.
func (w *fetch) bring(ctx context.Context, from Source, a *arriving, chunk int, buf []byte) error {
	off, n := a.span(chunk)
	had := w.arrived(a, chunk)
	if had > 0 {
		if _, err := a.file.ReadAt(buf[:had], off); err != nil {
			had = 0
		}
	}
	at, written := had, had
	flush := func() error {
		if _, err := a.file.WriteAt(buf[written:at], off+written); err != nil {
			return folderError{w.store.error(err)}
		}
		written = at
		if err := a.mark(chunk, int((at+pieceBytes-1)/pieceBytes)); err != nil {
			return folderError{w.store.error(err)}
		}
		return nil
	}
	if at < n {
		err := from.Read(ctx, a.blob.Sum, off+at, n-at, func(p []byte) error {
			if int64(len(p)) > n-at {
				return fmt.Errorf("%w: it gave more than was asked for", errDamaged)
			}
			for len(p) > 0 {
				k := copy(buf[at:min(n, written+pieceBytes)], p)
				at, p = at+int64(k), p[k:]
				if at == n || at == written+pieceBytes {
					if err := flush(); err != nil {
						return err
					}
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		if at < n {
			return io.ErrUnexpectedEOF
		}
	}
	if sha256.Sum256(buf[:n]) == a.blob.Chunks[chunk] {
		return nil
	}
	if err := a.mark(chunk, 0); err != nil {
		return folderError{w.store.error(err)}
	}
	if had > 0 { // whose fault it is cannot be told: once more from the beginning
		return w.bring(ctx, from, a, chunk, buf)
	}
	return errDamaged
}

// gave takes up what became of a chunk.
func (w *fetch) gave(ctx context.Context, from Source, a *arriving, chunk int, err error) {
	var own folderError
	switch {
	case err == nil:
		err = w.arrivedWhole(a, chunk)
		if err != nil {
			w.fail(err)
		}
		return
	case errors.As(err, &own):
		w.fail(own.error)
	case errors.Is(err, errDamaged):
		w.ban(from, fmt.Sprintf("chunk %d of blob %.16s…", chunk, a.blob.Sum))
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	a.state[chunk] = wanted
	w.taken--
	switch {
	case errors.Is(err, fs.ErrNotExist):
		a.lacks[from.Name()] = true
		w.shelve(a)
		w.say(from, "it does not have all of them")
	case errors.Is(err, errDamaged):
		w.say(from, "it gave wrong bytes")
	case ctx.Err() == nil:
		if w.faults == nil {
			w.faults = map[string]int{}
		}
		w.faults[from.Name()]++
		w.say(from, fmt.Sprintf("%.200v", err))
	}
	w.changed.Broadcast()
	if n := w.faults[from.Name()]; n > 0 && n < mostFaults && ctx.Err() == nil {
		w.mu.Unlock()
		select {
		case <-time.After(time.Duration(n) * pause):
		case <-ctx.Done():
		}
		w.mu.Lock()
	}
}

// say keeps what was wrong with a source. The lock is held.
func (w *fetch) say(from Source, what string) { w.said[from.Name()] = what }

// arrivedWhole counts a chunk that is right, and finishes its blob with the last.
func (w *fetch) arrivedWhole(a *arriving, chunk int) error {
	w.mu.Lock()
	_, n := a.span(chunk)
	a.state[chunk] = there
	a.left--
	w.done += n
	last := a.left == 0
	if w.progress != nil {
		w.progress(w.done, w.total)
	}
	w.mu.Unlock()
	var err error
	if last {
		err = w.finish(a)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.taken--
	if last && err == nil {
		for i, b := range w.todo {
			if b == a {
				w.todo = append(w.todo[:i:i], w.todo[i+1:]...)
				break
			}
		}
	}
	w.changed.Broadcast()
	return err
}

// finish sums a blob that has all its chunks and gives it its name.
func (w *fetch) finish(a *arriving) error {
	name := filepath.FromSlash(a.blob.Sum.BlobName())
	if len(a.blob.Chunks) > 1 { // else the chunk's sum was the blob's
		h := sha256.New()
		if _, err := io.CopyBuffer(h, io.NewSectionReader(a.file, 0, a.blob.Size), make([]byte, pieceBytes)); err != nil {
			return w.store.error(err)
		}
		if s := manifest.Sum(h.Sum(nil)); s != a.blob.Sum {
			w.store.root.Remove(name + partial)
			w.store.root.Remove(name + ".bits" + partial)
			return &loader.FormatError{Path: w.path(), Field: "blobs.sha256", Offset: -1,
				Reason: fmt.Sprintf("the chunks of blob %s are sound, but together their sha256 is %s", a.blob.Sum, s)}
		}
	}
	err := a.file.Sync()
	if err == nil {
		err = a.file.Chmod(0o444)
	}
	a.close() // some systems rename no open file
	if err == nil {
		err = w.store.root.Rename(name+partial, name)
	}
	if err == nil {
		w.store.touch(filepath.Dir(name))
		err = w.store.root.Remove(name + ".bits" + partial)
	}
	return w.store.error(err)
}

func (a *arriving) close() {
	if a.file != nil {
		a.file.Close()
	}
	if a.bits != nil {
		a.bits.Close()
	}
}

// shelve closes the files of a blob that nobody brings at the moment, and removes them
// where nothing came. The lock is held.
func (w *fetch) shelve(a *arriving) {
	if a.file == nil || slices.Contains(a.state, underWay) {
		return
	}
	for i, s := range a.state {
		if s == there { // it is counted again when it is taken up again
			_, n := a.span(i)
			w.done -= n
		}
	}
	if st, err := a.file.Stat(); err == nil && st.Size() == 0 {
		name := filepath.FromSlash(a.blob.Sum.BlobName())
		w.store.root.Remove(name + partial)
		w.store.root.Remove(name + ".bits" + partial)
	}
	a.close()
	a.file, a.bits = nil, nil
}

// fail ends the fetch with the first error.
func (w *fetch) fail(err error) {
	w.mu.Lock()
	if w.err == nil {
		w.err = err
	}
	w.changed.Broadcast()
	w.mu.Unlock()
	w.stop()
}
