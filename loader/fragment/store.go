package fragment

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"

	"eclat/loader/atomicfile"
	"eclat/loader/manifest"
)

// partial is the end of the names of files that are being written.
const partial = ".partial"

// store is a folder that is being written to.
type store struct {
	root *os.Root // no name leads out of it
	lock *os.File // the folder itself
	mu   sync.Mutex
	dirs map[string]bool // folders with new names, to be synced
}

// openStore opens the folder dir for one writer, made if need be, and clears away
// what a killed one left.
func openStore(dir string) (*store, error) {
	s, err := openFolder(dir)
	if err != nil {
		return nil, err
	}
	if err := s.clear(); err != nil {
		s.close()
		return nil, s.error(err)
	}
	return s, nil
}

// openFolder opens the folder dir for one writer, made if need be.
func openFolder(dir string) (*store, error) {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	s := &store{root: root, dirs: map[string]bool{}}
	if s.lock, err = root.Open("."); err == nil {
		err = lockFor(dir, s.lock)
	}
	if err == nil {
		err = s.mkdir("blobs")
	}
	if err != nil {
		s.close()
		return nil, s.error(err)
	}
	return s, nil
}

func (s *store) close() {
	if s.lock != nil {
		s.lock.Close()
	}
	s.root.Close()
}

// error gives an error of os.Root the whole path.
func (s *store) error(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) && !filepath.IsAbs(p.Path) && !strings.HasPrefix(p.Path, s.root.Name()) {
		return &fs.PathError{Op: p.Op, Path: filepath.Join(s.root.Name(), p.Path), Err: p.Err}
	}
	return err
}

// ours matches the names of partial blobs and manifests.
var ours = regexp.MustCompile(`^(.*\.)?[0-9a-f]{64}(\.json|\.bits)?\` + partial + `$`)

// clear removes partial files. The lock says that nobody is writing them.
func (s *store) clear() error {
	for _, pattern := range []string{"*" + partial, "blobs/*/*" + partial} {
		names, err := fs.Glob(s.root.FS(), pattern)
		if err != nil {
			return err
		}
		for _, name := range names {
			if !ours.MatchString(path.Base(name)) {
				continue
			}
			if err := s.root.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
	}
	return nil
}

// mkdir makes a folder within an existing one.
func (s *store) mkdir(name string) error {
	err := s.root.Mkdir(name, 0o777)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	s.touch(filepath.Dir(name))
	return err
}

func (s *store) touch(dir string) {
	s.mu.Lock()
	s.dirs[dir] = true
	s.mu.Unlock()
}

// has reports whether a blob is there. Its bytes are left to Verify; a file of
// another size, or none at all, is to be replaced.
func (s *store) has(sum manifest.Sum, size int64) bool {
	st, err := s.root.Lstat(sum.BlobName())
	return err == nil && st.Mode().IsRegular() && st.Size() == size
}

// put writes a file under its name, which it gets only when fill is done and the
// bytes are on the disk.
func (s *store) put(name string, fill func(w io.Writer) error) error {
	name = filepath.FromSlash(name)
	dir := filepath.Dir(name)
	if err := s.mkdir(dir); err != nil {
		return s.error(err)
	}
	f, err := atomicfile.CreateIn(s.root, name, atomicfile.Options{Temp: name + partial, Mode: 0o444, Sync: true})
	if err != nil {
		return s.error(err)
	}
	defer f.Abort()
	s.touch(dir)
	if err := fill(f); err != nil {
		return s.error(err)
	}
	return s.error(f.Commit())
}

// reopen opens a file of this folder that is being written, made if need be and no longer
// than size; a link or a folder in its place is removed.
func (s *store) reopen(name string, size int64) (*os.File, error) {
	if st, err := s.root.Lstat(name); err == nil && !st.Mode().IsRegular() {
		if err := s.root.Remove(name); err != nil {
			return nil, s.error(err)
		}
	}
	f, err := s.root.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, s.error(err)
	}
	s.touch(filepath.Dir(name))
	if st, err := f.Stat(); err == nil && st.Size() > size {
		err = f.Truncate(size)
		if err != nil {
			f.Close()
			return nil, s.error(err)
		}
	}
	return f, nil
}

// writeBytes is how much goes into one write, about what cp uses: the system then
// takes its cache from memory of the usual granularity, which is cheaper to get
// than pages of megabytes.
const writeBytes = 256 << 10

// writeAll writes p in pieces of writeBytes.
func writeAll(w io.Writer, p []byte) error {
	for len(p) > 0 {
		n := min(len(p), writeBytes)
		if _, err := w.Write(p[:n]); err != nil {
			return err
		}
		p = p[n:]
	}
	return nil
}

// sync puts the names made so far on the disk.
func (s *store) sync() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for dir := range s.dirs {
		f, err := s.root.Open(dir)
		if err != nil {
			return s.error(err)
		}
		err = syncFolder(f)
		f.Close()
		if err != nil {
			return s.error(err)
		}
	}
	clear(s.dirs)
	return nil
}

// syncFolder is f.Sync where the file system can do that to a folder.
func syncFolder(f *os.File) error {
	err := f.Sync()
	if errors.Is(err, syscall.EINVAL) || errors.Is(err, errors.ErrUnsupported) {
		return nil
	}
	return err
}

var errLocked = errors.New("another program is writing there")

// lockFor is lock for a name that the user knows.
func lockFor(name string, f opened) error {
	if err := lock(f); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// opened is a file or folder that is open.
type opened interface{ Fd() uintptr }
