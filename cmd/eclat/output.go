package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"eclat/loader"
	"eclat/loader/manifest"
)

// output is a file that a flag says to write.
type output struct {
	flag string // as in --save
	path string // empty where the flag was not given
}

// checkOutputs refuses, before anything is computed, files that cannot be written
// and those that the command reads: models (every part of a split one, the manifest
// and the blobs of a folder), texts, saved runs, stdin. They are known by what they
// are, not by their names, so links do not hide them. Names in models and texts
// that are empty, or "-", are left out.
func checkOutputs(outputs []output, models, texts []string) error {
	var given []output
	for _, o := range outputs {
		if o.path != "" {
			given = append(given, o)
		}
	}
	if len(given) == 0 {
		return nil
	}
	var inputs []inputFile
	for _, path := range models {
		if path != "" {
			inputs = append(inputs, modelFiles(path)...)
		}
	}
	for _, path := range texts {
		if path != "" && path != "-" {
			inputs = append(inputs, inputFile{name: path, info: stat(path)})
		}
	}
	if st, err := os.Stdin.Stat(); err == nil && st.Mode().IsRegular() {
		inputs = append(inputs, inputFile{name: "stdin", info: st})
	}
	for i, o := range given {
		if err := o.check(inputs); err != nil {
			return err
		}
		for _, other := range given[:i] {
			if samePath(o.path, other.path) {
				return usagef("%s and %s name the same file: %s", other.flag, o.flag, o.path)
			}
		}
	}
	return nil
}

// inputFile is a file or folder that a command reads.
type inputFile struct {
	name  string
	info  os.FileInfo // nil where there is none
	whole bool        // a folder in which nothing else may be written
}

// check compares one output with the inputs.
func (o *output) check(inputs []inputFile) error {
	folder := filepath.Dir(o.path)
	dir := stat(folder)
	if dir == nil || !dir.IsDir() {
		return fmt.Errorf("%s: no such folder: %s", o.flag, folder)
	}
	now, err := os.Stat(o.path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s: %w", o.flag, err)
	}
	for _, in := range inputs {
		switch {
		case in.info == nil:
		case in.whole && os.SameFile(in.info, dir):
			return usagef("%s lies among the blobs of %s, which this command reads", o.flag, in.name)
		case err == nil && os.SameFile(in.info, now):
			return usagef("%s would overwrite %s, which this command reads", o.flag, in.name)
		}
	}
	if err == nil && !now.Mode().IsRegular() {
		return usagef("%s is not a regular file: %s", o.flag, o.path)
	}
	return nil
}

// samePath reports whether two paths to files that may not be there yet are one.
func samePath(a, b string) bool {
	da, db := stat(filepath.Dir(a)), stat(filepath.Dir(b))
	if da != nil && db != nil && os.SameFile(da, db) && filepath.Base(a) == filepath.Base(b) {
		return true
	}
	fa, fb := stat(a), stat(b)
	return fa != nil && fb != nil && os.SameFile(fa, fb)
}

// stat is os.Stat, nil where there is nothing.
func stat(path string) os.FileInfo {
	info, err := os.Stat(path)
	if err != nil {
		return nil
	}
	return info
}

// modelFiles lists what a model is read from. Of one that cannot be opened it is
// the name alone; whoever opens it says why.
func modelFiles(path string) []inputFile {
	list := []inputFile{{name: path, info: stat(path)}}
	add := func(path string) { list = append(list, inputFile{name: path, info: stat(path)}) }
	dir := path
	if manifest.IsName(path) {
		dir = filepath.Dir(path)
	} else if list[0].info == nil || !list[0].info.IsDir() {
		if f, err := loader.Open(path); err == nil {
			for _, p := range f.Parts {
				add(p.Path)
			}
			f.Close()
		}
		return list
	}
	manifests, _ := manifest.List(dir) // none is for whoever opens it to tell
	for _, m := range manifests {
		add(m)
	}
	filepath.WalkDir(filepath.Join(dir, "blobs"), func(path string, d fs.DirEntry, err error) error {
		if err == nil {
			list = append(list, inputFile{name: path, info: stat(path), whole: d.IsDir()})
		}
		return nil
	})
	return list
}
