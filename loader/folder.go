package loader

import (
	"bytes"
	"eclat/loader/gguf"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// manifestName matches the names of manifests in a folder; the digits are the id.
var manifestName = regexp.MustCompile(`^.*\.([0-9a-f]{64})\.json$`)

// IsManifest reports whether path is named like a manifest.
func IsManifest(path string) bool { return strings.HasSuffix(path, ".json") }

// Manifests lists the manifests in a folder, sorted by name. A folder that has
// none is a *FormatError.
func Manifests(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, e := range entries {
		if manifestName.MatchString(e.Name()) {
			out = append(out, filepath.Join(dir, e.Name()))
		}
	}
	if out == nil {
		return nil, gguf.Errorf(dir, "file", -1, "not a regular file, nor a folder with a manifest (NAME.ID.json)")
	}
	return out, nil
}

// FindManifest returns the path of the manifest that a path names: itself, or the
// only one in a folder.
func FindManifest(path string) (string, error) {
	st, err := os.Stat(path)
	if err != nil || !st.IsDir() {
		return path, err
	}
	all, err := Manifests(path)
	if err != nil {
		return "", err
	}
	if len(all) > 1 {
		const show = 16
		names := strings.Join(all[:min(show, len(all))], ", ")
		if len(all) > show {
			names += ", …"
		}
		return "", gguf.Errorf(path, "manifest", -1, "the folder holds %d; name one of them: %s", len(all), names)
	}
	return all[0], nil
}

// ReadManifest reads and checks a manifest file. Its name must end in its id, so
// that a damaged manifest is never taken for another.
func ReadManifest(path string) (*Manifest, error) {
	fail := func(field, format string, args ...any) error {
		return gguf.Errorf(path, field, -1, format, args...)
	}
	st, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !st.Mode().IsRegular() {
		return nil, fail("file", "not a regular file")
	}
	name := manifestName.FindStringSubmatch(filepath.Base(path))
	if name == nil {
		return nil, fail("file name", "a manifest is named NAME.ID.json, where ID is its sha256")
	}
	if st.Size() > MaxManifestBytes {
		return nil, fail("manifest", "%d bytes, the limit is %d", st.Size(), MaxManifestBytes)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, MaxManifestBytes+1))
	if err != nil {
		return nil, err
	}
	m, err := ParseManifest(path, data)
	if err == nil && m.ID.String() != name[1] {
		err = fail("manifest", "its sha256 is %s, not that of its name: it is damaged", m.ID)
	}
	if err != nil {
		return nil, err
	}
	return m, nil
}

// folder is where the blobs of an open manifest lie.
type folder struct {
	root     *os.Root // no name leads out of it
	manifest *Manifest
}

// openManifest opens the model whose manifest path names.
func (f *File) openManifest(path string) error {
	m, err := ReadManifest(path)
	if err != nil {
		return err
	}
	return f.openBlobs(m, filepath.Dir(path))
}

// OpenBlobs opens the model that m describes from the blobs in dir. name stands
// for it in errors.
func (m *Manifest) OpenBlobs(name, dir string) (*File, error) {
	f := &File{Path: name, byName: map[string]*Tensor{}}
	if err := f.openBlobs(m, dir); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// openBlobs reads the header from its blobs, with the same parser as a file's, and
// compares what it says of the tensors with the manifest. Blobs that are not of
// the header fragment are not touched before Map.
func (f *File) openBlobs(m *Manifest, dir string) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	f.folder = &folder{root, m}
	for i, p := range m.Source.Parts {
		data, err := f.mapBlob(m.Blob(p.Header))
		if errors.Is(err, fs.ErrNotExist) {
			return f.errAt("fragments", -1, "missing: %s (blob %s)", HeaderFragment, p.Header)
		}
		if err != nil {
			return err
		}
		h, err := gguf.Parse(f.Path, data, p.Size)
		if err != nil {
			return err
		}
		if err := checkSplit(h, f.Path, i, len(m.Source.Parts)); err != nil {
			return err
		}
		if err := f.add(f.Path, i, h, p.Size); err != nil {
			return err
		}
	}
	if err := f.checkSplitCount(); err != nil {
		return err
	}
	if err := f.compare(m); err != nil {
		return err
	}
	return f.Map(m.Fragments[0].Tensors...) // header: what every stage needs
}

// compare checks that header and manifest agree.
func (f *File) compare(m *Manifest) error {
	if a := ArchitectureOf(f); a != m.Architecture {
		return f.errAt("architecture", -1, "the header says %q, the manifest %q", a, m.Architecture)
	}
	if len(f.Tensors) != len(m.Tensors) {
		return f.errAt("tensor_specifics", -1, "the header has %d tensors, the manifest %d", len(f.Tensors), len(m.Tensors))
	}
	for i, t := range f.Tensors {
		s := &m.Tensors[i]
		if t.Name != s.Name || !slices.Equal(t.Dims, s.Shape) || t.Type != s.Type || t.Offset != s.Offset || t.Shard != s.Shard {
			return f.errAt("tensor_specifics."+s.Name, t.InfoOffset, "the header describes the tensor otherwise")
		}
		t.Blob = s.Blob
	}
	return nil
}

// Map makes Data valid for the named tensors. A tensor of a GGUF file always has
// its Data; in a folder a blob is mapped when it is first asked for, and asking
// for blobs that are not there is a *FormatError that lists the missing fragments.
// Names that the model lacks are passed over. Map may run beside readers of
// tensors that were mapped before.
func (f *File) Map(names ...string) error {
	if f.folder == nil {
		return nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	missing := map[string]bool{} // tensors
	for _, name := range names {
		t := f.byName[name]
		if t == nil || t.Data != nil {
			continue
		}
		data, err := f.mapBlob(f.folder.manifest.Blob(t.Blob))
		if errors.Is(err, fs.ErrNotExist) {
			missing[name] = true
			continue
		}
		if err != nil {
			return err
		}
		t.Data = data
	}
	if len(missing) > 0 {
		return f.errAt("fragments", -1, "missing: %s (%s)",
			strings.Join(fragmentsWith(f.folder.manifest, missing), ", "), plural(len(missing), "tensor"))
	}
	return nil
}

// Missing lists the fragments that are not there, or not whole; none for a GGUF
// file.
func (f *File) Missing() []string {
	if f.folder == nil {
		return nil
	}
	missing := map[string]bool{}
	for _, t := range f.Tensors {
		if st, err := f.folder.root.Lstat(t.Blob.BlobName()); err != nil || !st.Mode().IsRegular() || st.Size() != t.Size {
			missing[t.Name] = true
		}
	}
	return fragmentsWith(f.folder.manifest, missing)
}

// Manifest returns the manifest that the model was opened from, nil for a GGUF file.
func (f *File) Manifest() *Manifest {
	if f.folder == nil {
		return nil
	}
	return f.folder.manifest
}

// fragmentsWith lists the fragments that have one of the tensors.
func fragmentsWith(m *Manifest, tensors map[string]bool) (names []string) {
	for _, fr := range m.Fragments {
		if slices.ContainsFunc(fr.Tensors, func(t string) bool { return tensors[t] }) {
			names = append(names, fr.Name)
		}
	}
	return names
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// mapBlob maps a blob whole.
func (f *File) mapBlob(b *Blob) ([]byte, error) {
	fd, err := OpenBlob(f.folder.root, b)
	if err != nil {
		return nil, err
	}
	defer fd.Close()
	return f.mapFD(fd, b.Size)
}

// OpenBlob opens a blob in the folder root and checks what can be checked without
// reading it: that it is a regular file of the right size and no link to one. An
// absent blob gives fs.ErrNotExist.
func OpenBlob(root *os.Root, b *Blob) (*os.File, error) {
	name := b.Sum.BlobName()
	path := filepath.Join(root.Name(), filepath.FromSlash(name))
	st, err := root.Lstat(name)
	if err != nil {
		return nil, blobError(path, err)
	}
	if !st.Mode().IsRegular() {
		return nil, gguf.Errorf(path, "blob", -1, "not a regular file")
	}
	f, err := root.Open(name)
	if err != nil {
		return nil, blobError(path, err)
	}
	// A link put there in between would be another file.
	now, err := f.Stat()
	switch {
	case err != nil:
		err = blobError(path, err)
	case !os.SameFile(st, now):
		err = gguf.Errorf(path, "blob", -1, "the file was exchanged while it was opened")
	case now.Size() != b.Size:
		err = gguf.Errorf(path, "blob", -1, "the file has %d bytes, the manifest says %d", now.Size(), b.Size)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// blobError gives an error of os.Root the whole path.
func blobError(path string, err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return &fs.PathError{Op: "open", Path: path, Err: p.Err}
	}
	return &fs.PathError{Op: "open", Path: path, Err: err}
}

// Part is one file of the source of an open model.
type Part struct {
	Path string
	Size int64
	data []byte // of a model in memory, nil for one on disk
}

// PartReader reads a part's bytes as they lie in the source.
type PartReader interface {
	io.ReaderAt
	io.Closer
}

type memoryPart struct{ *bytes.Reader }

func (memoryPart) Close() error { return nil }

// Open opens the part beside its mapping: read in this way, a large file does not
// count as the program's memory.
func (p *Part) Open() (PartReader, error) {
	if p.data != nil {
		return memoryPart{bytes.NewReader(p.data)}, nil
	}
	f, err := os.Open(p.Path)
	if err != nil {
		return nil, err
	}
	if st, err := f.Stat(); err != nil || st.Size() != p.Size {
		f.Close()
		return nil, gguf.Errorf(p.Path, "file", -1, "it changed after it was opened")
	}
	return f, nil
}
