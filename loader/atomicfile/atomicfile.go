package atomicfile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
)

// Options say how a file is written. The zero Options are those of a file that may
// be made again: it need not be on the disk before it gets its name.
type Options struct {
	Temp string      // path of the temporary file, which must not exist; "" for one that nobody has
	Mode fs.FileMode // permissions of the complete file; 0 for those that new files get
	Sync bool        // whether the bytes are on the disk before the file gets its name. The folder is the caller's to sync
}

// File is a file that has no name yet. Write to it, then Commit. Errors name the
// file that is to be: its user knows of no other.
type File struct {
	file *os.File
	dir  dir
	temp string
	name string
	o    Options
	done bool
}

// dir is where names are looked up: the whole system, or an os.Root.
type dir interface {
	OpenFile(name string, flag int, perm fs.FileMode) (*os.File, error)
	Rename(from, to string) error
	Remove(name string) error
}

type system struct{}

func (system) OpenFile(name string, flag int, perm fs.FileMode) (*os.File, error) {
	return os.OpenFile(name, flag, perm)
}
func (system) Rename(from, to string) error { return os.Rename(from, to) }
func (system) Remove(name string) error     { return os.Remove(name) }

// Create begins the file at path. Errors are *fs.PathError.
func Create(path string, o Options) (*File, error) { return create(system{}, path, o) }

// CreateIn begins the file of that name within root, with Options.Temp within it too.
func CreateIn(root *os.Root, name string, o Options) (*File, error) { return create(root, name, o) }

func create(d dir, name string, o Options) (*File, error) {
	const attempts = 100 // of a name that nobody has
	perm := fs.FileMode(0o666)
	if o.Mode != 0 {
		perm = o.Mode.Perm() // nobody reads half of what they may not read whole
	}
	for i := 0; ; i++ {
		temp := o.Temp
		if temp == "" {
			temp = fmt.Sprintf("%s.%08x.part", name, rand.Uint32())
		}
		f, err := d.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, perm)
		if o.Temp == "" && errors.Is(err, fs.ErrExist) && i < attempts {
			continue
		}
		if errors.Is(err, fs.ErrExist) { // the temporary file, which is in the way
			return nil, err
		}
		if err != nil {
			return nil, named(name, err)
		}
		return &File{file: f, dir: d, temp: temp, name: name, o: o}, nil
	}
}

// named is an error of the temporary file as one of the file of that name.
func named(name string, err error) error {
	if p := (*fs.PathError)(nil); errors.As(err, &p) {
		return &fs.PathError{Op: p.Op, Path: name, Err: p.Err}
	}
	if l := (*os.LinkError)(nil); errors.As(err, &l) {
		return &fs.PathError{Op: l.Op, Path: name, Err: l.Err}
	}
	return err
}

// Write implements io.Writer.
func (f *File) Write(b []byte) (int, error) {
	n, err := f.file.Write(b)
	return n, named(f.name, err)
}

// Sync puts what was written on the disk.
func (f *File) Sync() error { return named(f.name, f.file.Sync()) }

// Fd is the temporary file's descriptor, to lock it by.
func (f *File) Fd() uintptr { return f.file.Fd() }

// Close closes the temporary file and leaves it where it is.
func (f *File) Close() error { return named(f.name, f.file.Close()) }

// Commit gives the file its name, in place of any that has it. After an error the
// temporary file is gone and the other as it was.
func (f *File) Commit() (err error) {
	defer f.Abort() // after an error
	if f.o.Sync {
		err = f.Sync()
	}
	if err == nil && f.o.Mode != 0 {
		err = f.file.Chmod(f.o.Mode)
	}
	if e := f.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = f.dir.Rename(f.temp, f.name)
	}
	f.done = err == nil
	return named(f.name, err)
}

// Abort drops the file. After Commit it does nothing.
func (f *File) Abort() {
	if f.done {
		return
	}
	f.done = true
	f.Close()
	f.dir.Remove(f.temp)
}

// Write writes the file at path with fill, whole or not at all.
func Write(path string, o Options, fill func(w io.Writer) error) error {
	f, err := Create(path, o)
	if err != nil {
		return err
	}
	defer f.Abort()
	if err := fill(f); err != nil {
		return err
	}
	return f.Commit()
}
