package fragment

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"eclat/loader"
	"eclat/loader/manifest"
)

// Options of Write, Assemble and Verify.
type Options struct {
	Name     string                  // of Write: the source's name for people; "" for the name of its file
	Config   json.RawMessage         // of Write: what is known of the model's shape, in canonical form; nil for nothing
	Progress func(done, total int64) // bytes of the source; may be nil
}

// Result says what Write did.
type Result struct {
	Path     string       // of the manifest
	ID       manifest.Sum // of the manifest
	Blobs    int          // blobs of the model
	New      int          // of these, how many were not there before
	NewBytes int64
}

// copiers is how many blobs are written at once: while one waits for the disk to
// take it in, the next is copied.
const copiers = 4

// errChanged says that two readings of the source differ.
var errChanged = errors.New("the file changed while it was read")

// writer is one run of Write.
type writer struct {
	file    *loader.File
	parts   []loader.PartReader
	extents []extent
	store   *store
	seed    maphash.Seed
	queue   chan job
	result  Result
	m       manifest.Manifest
	headers []manifest.Sum
	blobs   map[manifest.Sum]*manifest.Blob
}

// job is a blob to be copied from its span.
type job struct {
	span
	blob   *manifest.Blob
	prints []uint64
}

// Write cuts the model f into blobs in the folder dir and writes its manifest.
// Every byte is read once to be summed; blobs that the folder lacks are then
// copied from the source, which has just been read and is still in the system's
// cache. So a run after a broken one, or for a model that shares blobs with
// another, writes only what is new.
func Write(ctx context.Context, f *loader.File, dir string, o Options) (res *Result, err error) {
	if f.Manifest() != nil {
		return nil, fmt.Errorf("%s is a fragments folder already", f.Path)
	}
	w := &writer{file: f, seed: maphash.MakeSeed(), queue: make(chan job, copiers), blobs: map[manifest.Sum]*manifest.Blob{}}
	var sizes []int64
	for i := range f.Parts {
		r, err := f.Parts[i].Open()
		if err != nil {
			return nil, err
		}
		defer r.Close()
		w.parts = append(w.parts, r)
		sizes = append(sizes, f.Parts[i].Size)
	}
	before, err := w.times()
	if err != nil {
		return nil, err
	}
	for _, t := range f.Tensors {
		w.m.Tensors = append(w.m.Tensors, manifest.Tensor{Name: t.Name, Specifics: t.Specifics()})
	}
	w.extents = layout(w.m.Tensors, sizes)
	if w.store, err = openStore(dir); err != nil {
		return nil, err
	}
	defer w.store.close()
	if err := w.blobsOf(ctx, o.Progress); err != nil {
		return nil, err
	}
	after, err := w.times()
	if err != nil {
		return nil, err
	}
	if !slices.Equal(before, after) {
		return nil, fmt.Errorf("%s: %w", f.Path, errChanged)
	}
	if err := w.manifest(sizes, &o); err != nil {
		return nil, err
	}
	return &w.result, nil
}

// times returns when each part on disk was last written to.
func (w *writer) times() (out []time.Time, err error) {
	for _, p := range w.parts {
		if f, onDisk := p.(*os.File); onDisk {
			st, err := f.Stat()
			if err != nil {
				return nil, err
			}
			out = append(out, st.ModTime())
		}
	}
	return out, nil
}

// reader returns a function that reads from byte base of a part.
func (w *writer) reader(part int, base int64) func(p []byte, off int64) error {
	return func(p []byte, off int64) error {
		if n, err := w.parts[part].ReadAt(p, base+off); n < len(p) {
			if err == io.EOF {
				err = errChanged
			}
			return fmt.Errorf("read %s at byte %d: %w", w.file.Parts[part].Path, base+off+int64(n), err)
		}
		return nil
	}
}

// blobsOf sums the source and stores its blobs.
func (w *writer) blobsOf(ctx context.Context, progress func(done, total int64)) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wg sync.WaitGroup
	for range copiers {
		wg.Go(func() {
			buf := make([]byte, manifest.ChunkBytes)
			for j := range w.queue {
				if ctx.Err() != nil {
					continue // drain
				}
				if err := w.copy(ctx, &j, buf); err != nil {
					cancel(err)
				}
			}
		})
	}
	err := w.sum(ctx, progress)
	if err != nil {
		cancel(err)
	}
	close(w.queue)
	wg.Wait()
	return context.Cause(ctx) // the first failure; the others follow from it
}

// sum reads everything once: the headers, then the source from end to end.
func (w *writer) sum(ctx context.Context, progress func(done, total int64)) error {
	var headers []span
	for part := range w.parts {
		headers = append(headers, headerSpan(w.extents, part, w.reader(part, 0)))
	}
	p := pump{seed: w.seed, done: func(i int, s sums) error {
		w.headers = append(w.headers, s.blob)
		return w.add(ctx, headers[i], s)
	}}
	if err := p.run(ctx, headers); err != nil {
		return err
	}
	spans := make([]span, len(w.extents))
	for i, e := range w.extents {
		spans[i] = span{e.size, w.reader(e.part, e.offset), e.tensor != gap}
	}
	var done int64
	p = pump{
		seed:  w.seed,
		whole: sha256.New(),
		moved: func(n int64) {
			if done += n; progress != nil {
				progress(done, w.file.Size)
			}
		},
		done: func(i int, s sums) error {
			w.m.Tensors[w.extents[i].tensor].Blob = s.blob
			return w.add(ctx, spans[i], s)
		},
	}
	err := p.run(ctx, spans)
	p.whole.Sum(w.m.Source.Sum[:0])
	return err
}

// add notes a blob and has it copied if it is new.
func (w *writer) add(ctx context.Context, s span, found sums) error {
	if w.blobs[found.blob] != nil {
		return nil
	}
	b := &manifest.Blob{Sum: found.blob, Size: s.size, Chunks: found.chunks}
	w.blobs[b.Sum] = b
	w.result.Blobs++
	if w.store.has(b.Sum, b.Size) {
		return nil
	}
	w.result.New++
	w.result.NewBytes += b.Size
	select {
	case w.queue <- job{s, b, found.prints}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// copy reads a blob from the source again and stores it. The fingerprints make
// sure that these are the bytes that were summed.
func (w *writer) copy(ctx context.Context, j *job, buf []byte) error {
	return w.store.put(j.blob.Sum.BlobName(), func(out io.Writer) error {
		for i := range j.prints {
			if err := ctx.Err(); err != nil {
				return err
			}
			off := int64(i) * manifest.ChunkBytes
			p := buf[:min(manifest.ChunkBytes, j.size-off)]
			if err := j.read(p, off); err != nil {
				return err
			}
			if maphash.Bytes(w.seed, p) != j.prints[i] {
				return fmt.Errorf("%s: %w", w.file.Path, errChanged)
			}
			if err := writeAll(out, p); err != nil {
				return err
			}
		}
		return nil
	})
}

// manifest writes the manifest after everything that it names.
func (w *writer) manifest(sizes []int64, o *Options) error {
	m := &w.m
	m.Source.Name, m.Source.Size = manifest.SourceName(filepath.Base(cmp.Or(o.Name, w.file.Path))), w.file.Size
	for i, size := range sizes {
		m.Source.Parts = append(m.Source.Parts, manifest.Part{Size: size, Header: w.headers[i]})
	}
	if err := loader.Guard(func() error { m.Architecture = w.file.Architecture(); return nil }); err != nil {
		return err
	}
	if m.Config = o.Config; m.Config == nil {
		m.Config = json.RawMessage("null")
	}
	m.Fragments = manifest.FragmentsOf(m.Tensors)
	for _, b := range w.blobs {
		m.Blobs = append(m.Blobs, *b)
	}
	slices.SortFunc(m.Blobs, func(a, b manifest.Blob) int { return bytes.Compare(a.Sum[:], b.Sum[:]) })
	data, err := m.Encode()
	if err != nil {
		return err
	}
	// Opening it shows that header and blobs belong together.
	dir := w.store.root.Name()
	check, err := loader.OpenBlobs(w.file.Path, m, dir)
	if err != nil {
		return err
	}
	check.Close()
	if err := w.store.sync(); err != nil {
		return err
	}
	name := m.FileName()
	w.result.Path, w.result.ID = filepath.Join(dir, name), m.ID
	old, err := w.store.root.ReadFile(name)
	if err == nil && bytes.Equal(old, data) {
		return nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return w.store.error(err)
	}
	err = w.store.put(name, func(out io.Writer) error {
		return writeAll(out, data)
	})
	if err != nil {
		return err
	}
	return w.store.sync()
}
