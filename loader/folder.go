package loader

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"eclat/loader/gguf"
	"eclat/loader/manifest"
)

// folder is where the blobs of an open manifest lie.
type folder struct {
	root     *os.Root // no name leads out of it
	manifest *manifest.Manifest
}

// openManifest opens the model whose manifest path names.
func (f *File) openManifest(path string) error {
	m, err := manifest.Read(path)
	if err != nil {
		return err
	}
	return f.openBlobs(m, filepath.Dir(path))
}

// OpenBlobs opens the model that m describes from the blobs in dir. name stands
// for it in errors.
func OpenBlobs(name string, m *manifest.Manifest, dir string) (*File, error) {
	f := &File{Path: name, byName: map[string]*Tensor{}}
	if err := Guard(func() error { return f.openBlobs(m, dir) }); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// openBlobs reads the header from its blobs, with the same parser as a file's, and
// compares what it says of the tensors with the manifest. Blobs that are not of
// the header fragment are not touched before Map.
func (f *File) openBlobs(m *manifest.Manifest, dir string) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	f.folder = &folder{root, m}
	for i, p := range m.Source.Parts {
		data, err := f.mapBlob(m.Blob(p.Header))
		if errors.Is(err, fs.ErrNotExist) {
			return f.errAt("fragments", -1, "missing: %s (blob %s)", manifest.HeaderFragment, p.Header)
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
func (f *File) compare(m *manifest.Manifest) error {
	if a := f.Architecture(); a != m.Architecture {
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

// Architecture returns what a manifest says of the file's architecture: "" where
// general.architecture is not a short printable string.
func (f *File) Architecture() string {
	v, _ := f.Get("general.architecture")
	return manifest.ArchitectureOf(v)
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

// Folder returns the path of the fragments folder that the model was opened from, "" for
// a GGUF file.
func (f *File) Folder() string {
	if f.folder == nil {
		return ""
	}
	return f.folder.root.Name()
}

// Manifest returns the manifest that the model was opened from, nil for a GGUF file.
func (f *File) Manifest() *manifest.Manifest {
	if f.folder == nil {
		return nil
	}
	return f.folder.manifest
}

// fragmentsWith lists the fragments that have one of the tensors.
func fragmentsWith(m *manifest.Manifest, tensors map[string]bool) (names []string) {
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
func (f *File) mapBlob(b *manifest.Blob) ([]byte, error) {
	fd, err := manifest.OpenBlob(f.folder.root, b)
	if err != nil {
		return nil, err
	}
	defer fd.Close()
	return f.mapFD(fd, b.Size)
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
