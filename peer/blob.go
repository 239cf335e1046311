package peer

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"eclat/loader/manifest"
)

// BlobProtocol is the name of the streams that fragments are fetched over. Each request
// has one answer, in order, of as many frames as its bytes take.
const BlobProtocol = "/eclat/blob/1"

// blobRequest asks for a manifest, or for bytes of a blob: at most a chunk.
type blobRequest struct {
	Manifest string `json:",omitempty"` // its id
	Blob     string `json:",omitempty"` // its sha256
	Offset   int64  `json:",omitempty"` // bytes from the start of the blob
	Length   int64  `json:",omitempty"` // bytes
}

// blobReply is the head of a frame whose body is the next bytes of what was asked for.
type blobReply struct {
	Size int64  // bytes of the whole answer
	None bool   `json:",omitempty"` // it is not here
	Err  string `json:",omitempty"`
}

const (
	blobFrame   = 256 << 10        // bytes of a frame's body at most
	mostAsking  = 64               // streams at a time
	blobSilence = 30 * time.Second // without a frame: the other side is gone
	blobIdle    = 5 * time.Minute  // without a request
)

// Blobs offers the manifests and blobs of fragments folders. Whoever may come may have
// them; nothing else of the disk can be named. Any number of goroutines may use it.
type Blobs struct {
	asking atomic.Int32

	mu   sync.Mutex
	dirs []string
}

// Add offers one more folder.
func (b *Blobs) Add(dir string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !slices.Contains(b.dirs, dir) {
		b.dirs = append(b.dirs, dir)
	}
}

// folders are those that are offered.
func (b *Blobs) folders() []string { b.mu.Lock(); defer b.mu.Unlock(); return slices.Clone(b.dirs) }

// Serve is a Network's handler of BlobProtocol.
func (b *Blobs) Serve(s Stream) {
	defer b.asking.Add(-1)
	if b.asking.Add(1) > mostAsking || b.serve(s) != nil {
		s.Reset()
		return
	}
	s.Close()
}

func (b *Blobs) serve(s Stream) error {
	fr := frames{rw: s}
	buf := make([]byte, blobFrame)
	for {
		var r blobRequest
		s.SetReadDeadline(time.Now().Add(blobIdle))
		if _, err := fr.read(&r, nil, 0); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		from, err := b.open(&r)
		if err != nil {
			s.SetWriteDeadline(time.Now().Add(blobSilence))
			if err := fr.write(&blobReply{None: errors.Is(err, fs.ErrNotExist), Err: shorten(err.Error())}, nil); err != nil {
				return err
			}
			continue
		}
		err = b.send(s, &fr, from, buf)
		from.Close()
		if err != nil {
			return err
		}
	}
}

// send writes an answer.
func (b *Blobs) send(s Stream, fr *frames, from *answer, buf []byte) error {
	for left := from.n; left > 0; {
		p := buf[:min(left, blobFrame)]
		if _, err := io.ReadFull(from.Reader, p); err != nil {
			return err // the file became short: nothing is made up in its place
		}
		s.SetWriteDeadline(time.Now().Add(blobSilence))
		if err := fr.write(&blobReply{Size: from.n}, p); err != nil {
			return err
		}
		left -= int64(len(p))
	}
	return nil
}

// answer is what a request asks for: n bytes of a file.
type answer struct {
	io.Reader
	io.Closer
	n int64
}

// open finds what a request asks for, in the first folder that has it whole.
func (b *Blobs) open(r *blobRequest) (a *answer, err error) {
	err = fs.ErrNotExist
	for _, dir := range b.folders() {
		var fault error
		if r.Manifest != "" {
			a, fault = openManifest(dir, r.Manifest)
		} else {
			a, fault = openBlob(dir, r)
		}
		if fault == nil {
			return a, nil
		}
		if errors.Is(err, fs.ErrNotExist) {
			err = fault // what is the matter with one says more than that another lacks it
		}
	}
	return nil, err
}

// openBlob finds bytes of a blob in a folder.
func openBlob(dir string, r *blobRequest) (*answer, error) {
	sum, ok := manifest.ParseSum(r.Blob)
	if !ok {
		return nil, errors.New("that is no sha256")
	}
	if r.Offset < 0 || r.Length < 1 || r.Length > manifest.ChunkBytes {
		return nil, fmt.Errorf("%d bytes from %d: at most a chunk can be had", r.Length, r.Offset)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, errors.New("its folder cannot be read")
	}
	defer root.Close()
	st, err := root.Lstat(sum.BlobName())
	if err != nil {
		return nil, fs.ErrNotExist
	}
	if r.Offset > st.Size() || r.Length > st.Size()-r.Offset {
		return nil, fmt.Errorf("%w whole: %d bytes from %d of a blob that has %d here", fs.ErrNotExist, r.Length, r.Offset, st.Size())
	}
	f, err := manifest.OpenBlob(root, &manifest.Blob{Sum: sum, Size: st.Size()})
	if err != nil {
		return nil, errors.New("the blob cannot be read")
	}
	return &answer{io.NewSectionReader(f, r.Offset, r.Length), f, r.Length}, nil
}

// openManifest finds the manifest of an id in a folder.
func openManifest(dir, id string) (*answer, error) {
	if _, ok := manifest.ParseSum(id); !ok {
		return nil, errors.New("that is no sha256")
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, errors.New("its folder cannot be read")
	}
	for _, e := range entries {
		if !e.Type().IsRegular() || !strings.HasSuffix(e.Name(), "."+id+".json") {
			continue
		}
		f, err := os.Open(filepath.Join(dir, e.Name()))
		if err != nil {
			return nil, errors.New("the manifest cannot be read")
		}
		st, err := f.Stat()
		if err != nil || !st.Mode().IsRegular() || st.Size() < 1 || st.Size() > manifest.MaxBytes {
			f.Close()
			return nil, errors.New("the manifest cannot be read")
		}
		return &answer{f, f, st.Size()}, nil
	}
	return nil, fs.ErrNotExist
}
