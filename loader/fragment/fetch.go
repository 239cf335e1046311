package fragment

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"eclat/loader"
	"eclat/loader/manifest"
)

// Source is where pieces come from that a folder lacks. Nothing that it gives is
// believed: bytes count when their sha256 is what was asked for.
type Source interface {
	Name() string // who it is, for people and to tell sources apart
	// Manifest returns the bytes of a manifest, at most manifest.MaxBytes.
	Manifest(ctx context.Context, id manifest.Sum) ([]byte, error)
	// Read gives put the n bytes of a blob from byte off on, in order, in pieces of any
	// size; n is at most manifest.ChunkBytes. fs.ErrNotExist is for a blob that it does
	// not have. An error of put ends it. Any number of calls may be under way.
	Read(ctx context.Context, blob manifest.Sum, off, n int64, put func(p []byte) error) error
}

// Bounds of a fetch. What arrived of a chunk is written in pieces, and every lane has one
// piece in hand: a killed fetch loses at most mostLanes pieces, 2 MiB.
const (
	pieceBytes = 256 << 10
	mostLanes  = 8 // chunks under way, over all sources, each a buffer of a chunk
	laneEach   = 2 // of a source, so that one's answer arrives while the other is asked
	mostFaults = 3 // of a source, till it is left alone
	pause      = 200 * time.Millisecond
)

// Fetcher brings what is missing to a folder. Its fields are not changed once it is used;
// any number of goroutines may use it, and of those that fetch into one folder, in this
// process or another, each waits for the one before.
type Fetcher struct {
	Dir    string
	Most   int64                // bytes that all blobs of the folder may have; 0 for no limit
	Notice func(message string) // told of sources that are left alone, and why, by any goroutine; may be nil

	mu     sync.Mutex
	banned map[string]bool // by Source.Name
}

// ban leaves a source alone from now on: what it gave was not what was asked for.
func (f *Fetcher) ban(s Source, what string) {
	f.mu.Lock()
	again := f.banned[s.Name()]
	if f.banned == nil {
		f.banned = map[string]bool{}
	}
	f.banned[s.Name()] = true
	f.mu.Unlock()
	if !again {
		f.notice(fmt.Sprintf("%s gave wrong bytes (%s): it is asked no more", s.Name(), what))
	}
}

func (f *Fetcher) isBanned(s Source) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.banned[s.Name()]
}

func (f *Fetcher) notice(text string) {
	if f.Notice != nil {
		f.Notice(text)
	}
}

// Manifest makes sure that the folder has the manifest of an id, and with it what opening
// the model takes: the header. It returns the manifest's path.
func (f *Fetcher) Manifest(ctx context.Context, id manifest.Sum, from []Source) (path string, err error) {
	path, m, err := f.find(id)
	if err != nil {
		return "", err
	}
	var data []byte
	if m == nil {
		if m, data, err = f.ask(ctx, id, from); err != nil {
			return "", err
		}
	}
	var header []manifest.Sum
	for _, p := range m.Source.Parts {
		header = append(header, p.Header)
	}
	if err := f.Blobs(ctx, m, append(header, BlobsOf(m, m.Fragments[0].Tensors)...), from, nil); err != nil || data == nil {
		return path, err
	}
	s, err := f.open(ctx)
	if err != nil {
		return "", err
	}
	defer s.close()
	name := m.FileName()
	if err := s.put(name, func(w io.Writer) error { return writeAll(w, data) }); err != nil {
		return "", err
	}
	return filepath.Join(f.Dir, name), s.sync()
}

// find looks for a manifest in the folder, which need not be there.
func (f *Fetcher) find(id manifest.Sum) (path string, m *manifest.Manifest, err error) {
	entries, err := os.ReadDir(f.Dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", nil, err
	}
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), "."+id.String()+".json") {
			path = filepath.Join(f.Dir, e.Name())
			m, err := manifest.Read(path)
			return path, m, err
		}
	}
	return "", nil, nil
}

// ask asks one source after the other for a manifest. The id is its sha256: an older one,
// or another model's, is not taken for it.
func (f *Fetcher) ask(ctx context.Context, id manifest.Sum, from []Source) (*manifest.Manifest, []byte, error) {
	why := errors.New("nobody was asked")
	for _, s := range from {
		if f.isBanned(s) {
			continue
		}
		data, err := s.Manifest(ctx, id)
		var m *manifest.Manifest
		if err == nil {
			m, err = manifest.Parse(s.Name(), data)
			if err == nil && m.ID != id {
				err = &loader.FormatError{Path: s.Name(), Field: "manifest", Offset: -1, Reason: fmt.Sprintf("its sha256 is %s: another one than was asked for", m.ID)}
			}
			if err != nil {
				f.ban(s, err.Error())
			}
		}
		if err == nil {
			return m, data, nil
		}
		if ctx.Err() != nil {
			return nil, nil, ctx.Err()
		}
		why = fmt.Errorf("%s: %w", s.Name(), err)
	}
	return nil, nil, fmt.Errorf("the manifest %.16s… was not found: %w", id, why)
}

// BlobsOf are the blobs of tensors, each once, in the order of the names. Names that the
// model lacks are passed over.
func BlobsOf(m *manifest.Manifest, tensors []string) (blobs []manifest.Sum) {
	of := make(map[string]manifest.Sum, len(m.Tensors))
	for i := range m.Tensors {
		of[m.Tensors[i].Name] = m.Tensors[i].Blob
	}
	seen := map[manifest.Sum]bool{}
	for _, name := range tensors {
		if b, ok := of[name]; ok && !seen[b] {
			seen[b] = true
			blobs = append(blobs, b)
		}
	}
	return blobs
}

// Blobs brings those of the blobs that the folder lacks, from all sources at once. Each
// gets its name when all its sums are right and it is on the disk; what a fetch before
// this one had of others is looked at, and kept where it is right. Where blobs stay
// missing the error names their fragments and what the sources said. progress is told of
// bytes that are there, and may be nil.
func (f *Fetcher) Blobs(ctx context.Context, m *manifest.Manifest, blobs []manifest.Sum, from []Source, progress func(done, total int64)) error {
	if len(f.lacks(m, blobs)) == 0 {
		return nil
	}
	s, err := f.open(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	w := &fetch{Fetcher: f, m: m, store: s, progress: progress, said: map[string]string{}}
	w.changed.L = &w.mu
	for _, b := range f.lacks(m, blobs) { // again: who had the folder before may have brought some
		w.todo = append(w.todo, &arriving{blob: b, lacks: map[string]bool{}})
		w.total += b.Size
	}
	if err := f.room(w.total); err != nil {
		return err
	}
	from = slices.DeleteFunc(slices.Clone(from), f.isBanned)
	from = from[:min(len(from), mostLanes)]
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	w.stop = cancel
	var lanes sync.WaitGroup
	for i := range min(mostLanes, laneEach*len(from)) {
		lanes.Go(func() { w.lane(ctx, from[i%len(from)]) })
	}
	lanes.Wait()
	for _, a := range w.todo {
		w.shelve(a)
	}
	if w.err == nil && len(w.todo) > 0 {
		if w.err = ctx.Err(); w.err == nil {
			w.err = w.missing()
		}
	}
	if err := s.sync(); w.err == nil {
		w.err = err
	}
	return w.err
}

// lacks are those of the blobs that are not in the folder.
func (f *Fetcher) lacks(m *manifest.Manifest, blobs []manifest.Sum) (out []*manifest.Blob) {
	for _, sum := range blobs {
		b := m.Blob(sum)
		if b == nil {
			continue
		}
		if st, err := os.Lstat(filepath.Join(f.Dir, filepath.FromSlash(sum.BlobName()))); err != nil || !st.Mode().IsRegular() || st.Size() != b.Size {
			out = append(out, b)
		}
	}
	return out
}

// room is an error where so many bytes more would be too many.
func (f *Fetcher) room(more int64) error {
	if f.Most == 0 {
		return nil
	}
	var has int64
	err := filepath.WalkDir(filepath.Join(f.Dir, "blobs"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasSuffix(path, partial) {
			return err
		}
		st, err := d.Info()
		if err == nil {
			has += st.Size()
		}
		return err
	})
	if err == nil && more > f.Most-has {
		err = fmt.Errorf("%s: %d MiB are to be fetched, where %d are and %d may be", f.Dir, more>>20, has>>20, f.Most>>20)
	}
	return err
}

// open opens the folder, once nobody else writes to it.
func (f *Fetcher) open(ctx context.Context) (*store, error) {
	for told := false; ; {
		s, err := openFolder(f.Dir)
		if !errors.Is(err, errLocked) {
			return s, err
		}
		if !told {
			told = true
			f.notice(err.Error() + "; waiting")
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return nil, err
		}
	}
}

// missing says what is not there, and what the sources said.
func (w *fetch) missing() error {
	sums := map[manifest.Sum]bool{}
	for _, a := range w.todo {
		sums[a.blob.Sum] = true
	}
	of := map[string]bool{}
	for i := range w.m.Tensors {
		if t := &w.m.Tensors[i]; sums[t.Blob] {
			of[t.Name] = true
		}
	}
	var names, said []string
	for _, fr := range w.m.Fragments {
		if slices.ContainsFunc(fr.Tensors, func(t string) bool { return of[t] }) {
			names = append(names, fr.Name)
		}
	}
	if names == nil {
		names = []string{manifest.HeaderFragment}
	}
	for name, what := range w.said {
		said = append(said, name+": "+what)
	}
	slices.Sort(said)
	if said == nil {
		said = []string{"there is nobody left to ask"}
	}
	return &loader.FormatError{Path: w.path(), Field: "fragments", Offset: -1,
		Reason: fmt.Sprintf("missing: %s (%d blobs); %s", strings.Join(names, ", "), len(w.todo), strings.Join(said, "; "))}
}

// path is where the manifest is, or will be.
func (w *fetch) path() string { return filepath.Join(w.Dir, w.m.FileName()) }
