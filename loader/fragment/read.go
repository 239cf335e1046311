package fragment

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"eclat/loader"
	"eclat/loader/manifest"
)

// reader reads a manifest's blobs. One goroutine may use it at a time.
type reader struct {
	path string // of the manifest
	m    *manifest.Manifest
	root *os.Root
	file *os.File // the blob last read from
	blob *manifest.Blob
}

// openReader opens the manifest at path, or the only one in the folder at path.
func openReader(path string) (*reader, error) {
	path, err := manifest.Find(path)
	if err != nil {
		return nil, err
	}
	m, err := manifest.Read(path)
	if err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	return &reader{path: path, m: m, root: root}, nil
}

func (r *reader) close() {
	if r.file != nil {
		r.file.Close()
	}
	r.root.Close()
}

// read fills p from byte off of a blob.
func (r *reader) read(b *manifest.Blob, p []byte, off int64) error {
	if r.blob != b {
		if r.file != nil {
			r.file.Close()
		}
		r.file, r.blob = nil, nil
		f, err := manifest.OpenBlob(r.root, b)
		if err != nil {
			return err
		}
		r.file, r.blob = f, b
	}
	if n, err := r.file.ReadAt(p, off); n < len(p) {
		if err == io.EOF {
			err = errChanged
		}
		return fmt.Errorf("read %s at byte %d: %w", r.file.Name(), off+int64(n), err)
	}
	return nil
}

// span is a whole blob.
func (r *reader) span(b *manifest.Blob) span {
	return span{b.Size, func(p []byte, off int64) error { return r.read(b, p, off) }, true}
}

// sizes returns the sizes of the source's parts in bytes.
func (r *reader) sizes() []int64 {
	out := make([]int64, len(r.m.Source.Parts))
	for i, p := range r.m.Source.Parts {
		out[i] = p.Size
	}
	return out
}

// extentSpan is a piece of the source, read from blobs.
func (r *reader) extentSpan(e extent) span {
	if e.tensor != gap {
		return r.span(r.m.Blob(r.m.Tensors[e.tensor].Blob))
	}
	header := r.m.Blob(r.m.Source.Parts[e.part].Header)
	return span{e.size, func(p []byte, off int64) error { return r.read(header, p, e.at+off) }, false}
}

// state says what a look at a blob without reading it shows: "" for nothing wrong.
func (r *reader) state(b *manifest.Blob) (string, error) {
	f, err := manifest.OpenBlob(r.root, b)
	var format *loader.FormatError
	switch {
	case err == nil:
		return "", f.Close()
	case errors.Is(err, fs.ErrNotExist):
		return missing, nil
	case errors.As(err, &format):
		return "damaged: " + format.Reason, nil
	}
	return "", err
}

const missing = "missing"
