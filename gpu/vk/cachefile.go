package vk

import (
	"fmt"
	"io"
	"os"
	"path/filepath"

	"eclat/loader/atomicfile"
)

// ReadCache reads a file of a cache folder whole. A missing file, one of more than
// most bytes, and anything that is not a plain file (a FIFO would keep us waiting)
// is an error.
func ReadCache(path string, most int64) ([]byte, error) {
	if st, err := os.Stat(path); err != nil || !st.Mode().IsRegular() { // opening alone would wait for a FIFO's writer
		return nil, fmt.Errorf("vk: %s is not a plain file: %w", path, errOr(err, os.ErrInvalid))
	}
	f, err := os.OpenFile(path, os.O_RDONLY|nonblock, 0)
	if err != nil {
		return nil, fmt.Errorf("vk: %w", err)
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil || !st.Mode().IsRegular() || st.Size() > most {
		return nil, fmt.Errorf("vk: %s is not a plain file of at most %d bytes: %w", path, most, errOr(err, os.ErrInvalid))
	}
	data, err := io.ReadAll(io.LimitReader(f, most))
	if err != nil {
		return nil, fmt.Errorf("vk: %w", err)
	}
	return data, nil
}

func errOr(err, other error) error {
	if err != nil {
		return err
	}
	return other
}

// WriteCache writes a file of a cache folder anew, whole or not at all.
func WriteCache(path string, data []byte) error {
	err := os.MkdirAll(filepath.Dir(path), 0o755)
	if err == nil {
		err = atomicfile.Write(path, atomicfile.Options{}, func(w io.Writer) error {
			_, err := w.Write(data)
			return err
		})
	}
	if err != nil {
		return fmt.Errorf("vk: cache: %w", err)
	}
	return nil
}
