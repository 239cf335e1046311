package manifest

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"eclat/loader/gguf"
)

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
