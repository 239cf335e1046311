package loader

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"regexp"
	"strconv"
	"sync"

	"github.com/edsrzf/mmap-go"

	"eclat/loader/gguf"
	"eclat/loader/manifest"
)

// Tensor is a named block of weights: where it lies and how to read it.
type Tensor struct {
	gguf.Tensor
	Shard int          // which file of a split model, from 0
	Data  []byte       // Size bytes of a mapping, valid until File.Close; in a fragments folder nil before File.Map
	Blob  manifest.Sum // its blob in a fragments folder; zero in a GGUF file
}

// Specifics describes the tensor to people and to manifests.
func (t *Tensor) Specifics() manifest.Specifics {
	return manifest.Specifics{Shape: t.Dims, Type: t.Type, RowBytes: t.RowBytes, Size: t.Size, Offset: t.Offset, Shard: t.Shard, Blob: t.Blob}
}

// File is an open model: one GGUF file, all the files of a split one, or a
// fragments folder that such files were cut into. Whoever asks for tensors through
// Map before reading them need not know which.
type File struct {
	Path    string
	Version uint32   // GGUF version of the first file
	Keys    []string // metadata keys in file order
	Tensors []*Tensor
	Size    int64  // bytes of the GGUF file or files; of a folder, of those that it was made from
	Parts   []Part // the GGUF files; none of a folder
	meta    map[string]Value
	byName  map[string]*Tensor
	maps    []mmap.MMap
	folder  *folder    // nil for GGUF files
	mu      sync.Mutex // of Map: maps and Tensor.Data of a folder
}

// shardName matches the names that the usual tools give to split models.
var shardName = regexp.MustCompile(`^(.*)-(\d{5})-of-(\d{5})\.gguf$`)

// Open maps a GGUF file and checks its header. For a file named
// NAME-00001-of-00003.gguf it opens all three; any of them may be named. A path
// to a fragments folder, or to one of its manifests, opens the model there; it
// need not be complete. Errors about the contents are *FormatError, and ErrFault where
// a file shrinks meanwhile.
func Open(path string) (*File, error) {
	f := &File{Path: path, byName: map[string]*Tensor{}}
	if err := Guard(f.open); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// FromBytes opens a model that is already in memory, such as the embedded one.
// name stands in for the path in error messages.
func FromBytes(name string, data []byte) (*File, error) {
	f := &File{Path: name, byName: map[string]*Tensor{}}
	h, err := gguf.Parse(name, data, int64(len(data)))
	if err != nil {
		return nil, err
	}
	if n, ok := h.Meta["split.count"]; ok {
		if u, _ := n.Uint(); u > 1 {
			return nil, f.errAt("split.count", n.Offset, "one part of a split model; the others are not at hand")
		}
	}
	f.Parts = []Part{{name, int64(len(data)), data}}
	if err := f.add(name, 0, h, int64(len(data))); err != nil {
		return nil, err
	}
	f.slice(0, data)
	return f, nil
}

func (f *File) open() error {
	if st, err := os.Stat(f.Path); err == nil && (st.IsDir() || manifest.IsName(f.Path)) {
		path, err := manifest.Find(f.Path)
		if err != nil {
			return err
		}
		return f.openManifest(path)
	}
	m := shardName.FindStringSubmatch(f.Path)
	if m == nil {
		h, data, err := f.mapFile(f.Path)
		if err != nil {
			return err
		}
		if n, ok := h.Meta["split.count"]; ok {
			if u, _ := n.Uint(); u > 1 {
				return f.errAt("split.count", n.Offset,
					"one part of a model split into %d files; name them NAME-00001-of-%05d.gguf and so on", u, u)
			}
		}
		return f.addFile(f.Path, 0, h, data)
	}
	no, _ := strconv.Atoi(m[2])
	count, _ := strconv.Atoi(m[3])
	if no < 1 || no > count {
		return f.errAt("file name", -1, "part %d of a model split into %d files", no, count)
	}
	f.Path = fmt.Sprintf("%s-%05d-of-%05d.gguf", m[1], 1, count)
	for i := range count {
		part := fmt.Sprintf("%s-%05d-of-%05d.gguf", m[1], i+1, count)
		h, data, err := f.mapFile(part)
		if errors.Is(err, fs.ErrNotExist) {
			return gguf.Errorf(part, "file", -1, "part %d of %d is missing", i+1, count)
		}
		if err != nil {
			return err
		}
		if err := checkSplit(h, part, i, count); err != nil {
			return err
		}
		if err := f.addFile(part, i, h, data); err != nil {
			return err
		}
	}
	return f.checkSplitCount()
}

// checkSplitCount compares the number of tensors with what a split model says it is.
func (f *File) checkSplitCount() error {
	if v, ok := f.meta["split.tensors.count"]; ok {
		if u, isInt := v.Uint(); !isInt || u != uint64(len(f.Tensors)) {
			return f.errAt("split.tensors.count", v.Offset, "must be %d, the number of tensors in all parts", len(f.Tensors))
		}
	}
	return nil
}

// checkSplit compares what a part says of itself with its name: part no (from 0) of count.
func checkSplit(h *gguf.Header, path string, no, count int) error {
	for _, k := range []struct {
		key  string
		want int
	}{{"split.count", count}, {"split.no", no}} {
		v, ok := h.Meta[k.key]
		if !ok {
			if count == 1 {
				continue // an ordinary file that happens to carry such a name
			}
			return gguf.Errorf(path, k.key, -1, "the key is missing; it must be %d, as the file's name says", k.want)
		}
		if u, isInt := v.Uint(); !isInt || u != uint64(k.want) {
			return gguf.Errorf(path, k.key, v.Offset, "must be %d, as the file's name says", k.want)
		}
	}
	return nil
}

// mapFile maps one file and reads its header.
func (f *File) mapFile(path string) (*gguf.Header, []byte, error) {
	st, err := os.Stat(path)
	if err != nil {
		return nil, nil, err
	}
	if !st.Mode().IsRegular() {
		return nil, nil, gguf.Errorf(path, "file", -1, "not a regular file")
	}
	if st.Size() < 4 { // an empty file cannot be mapped
		return nil, nil, gguf.Errorf(path, "magic", 0, "the file has %d bytes, too few for a GGUF file", st.Size())
	}
	fd, err := os.Open(path)
	if err != nil {
		return nil, nil, err
	}
	defer fd.Close()
	data, err := f.mapFD(fd, st.Size())
	if err != nil {
		return nil, nil, err
	}
	h, err := gguf.Parse(path, data, st.Size())
	return h, data, err
}

// mapFD maps the size bytes of an open file until Close.
func (f *File) mapFD(fd *os.File, size int64) ([]byte, error) {
	data, err := mmap.MapRegion(fd, int(size), mmap.RDONLY, 0, 0)
	if err != nil {
		return nil, fmt.Errorf("loader: map %s: %w", fd.Name(), err)
	}
	f.maps = append(f.maps, data)
	mapped.add(data, fd.Name())
	return data[:size:size], nil
}

// addFile takes over a part that is a mapped file.
func (f *File) addFile(path string, shard int, h *gguf.Header, data []byte) error {
	if err := f.add(path, shard, h, int64(len(data))); err != nil {
		return err
	}
	f.Parts = append(f.Parts, Part{Path: path, Size: int64(len(data))})
	f.slice(shard, data)
	return nil
}

// slice gives the tensors of part shard their bytes.
func (f *File) slice(shard int, data []byte) {
	for _, t := range f.Tensors {
		if t.Shard == shard {
			t.Data = data[t.Offset:][:t.Size:t.Size]
		}
	}
}

// add takes over the tensors of part shard (from 0) of size bytes, and the metadata
// of the first. The tensors have no Data yet.
func (f *File) add(path string, shard int, h *gguf.Header, size int64) error {
	if shard == 0 {
		f.Version, f.Keys, f.meta = h.Version, h.Keys, h.Meta
	}
	f.Size += size
	ts := make([]Tensor, len(h.Tensors))
	for i := range h.Tensors {
		t := &ts[i]
		t.Tensor, t.Shard = h.Tensors[i], shard
		if f.byName[t.Name] != nil {
			return gguf.Errorf(path, t.Name, t.InfoOffset, "the tensor appears in an earlier part too")
		}
		f.byName[t.Name] = t
		f.Tensors = append(f.Tensors, t)
	}
	return nil
}

// Close unmaps the file. Slices taken from it must not be used afterwards.
func (f *File) Close() error {
	var errs []error
	if f.folder != nil {
		errs = append(errs, f.folder.root.Close())
	}
	for _, m := range f.maps {
		mapped.remove(m)
		errs = append(errs, m.Unmap())
	}
	f.maps = nil
	return errors.Join(errs...)
}

// Tensor returns the named tensor, or nil.
func (f *File) Tensor(name string) *Tensor { return f.byName[name] }

// Get returns the value of a metadata key.
func (f *File) Get(key string) (Value, bool) { v, ok := f.meta[key]; return v, ok }

// Errorf returns a *FormatError about a metadata key or, where there is no such
// key, about the tensor of that name.
func (f *File) Errorf(field, format string, args ...any) error {
	off := int64(-1)
	if v, ok := f.meta[field]; ok {
		off = v.Offset
	} else if t := f.byName[field]; t != nil {
		off = t.InfoOffset
	}
	return f.errAt(field, off, format, args...)
}

func (f *File) errAt(field string, off int64, format string, args ...any) error {
	return gguf.Errorf(f.Path, field, off, format, args...)
}
