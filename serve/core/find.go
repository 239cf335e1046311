package core

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"eclat/loader/manifest"
)

// Found is a model among files, not opened yet.
type Found struct {
	Name  string
	Path  string // to be opened
	Bytes int64  // of its files
	Time  time.Time
}

// mostFound bounds how many models a folder may have.
const mostFound = 4096

// part is how the files of a split model end.
var part = regexp.MustCompile(`-(\d{5})-of-(\d{5})$`)

// Find finds the models that a path names: a GGUF file, a manifest, a fragments folder, or
// a folder of those, whose subfolders are looked into once. A model is called as its file
// or folder is, without the ending. What a folder has besides models is passed over.
func Find(path string) ([]Found, error) {
	st, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !st.IsDir() {
		return []Found{found(path, st)}, nil
	}
	list, err := folder(path, true)
	if err == nil && len(list) == 0 {
		err = fmt.Errorf("%s: no model is in the folder: neither .gguf files nor manifests", path)
	}
	return list, err
}

func folder(dir string, deeper bool) (list []Found, err error) {
	if manifests, err := manifest.List(dir); err == nil {
		for _, m := range manifests {
			st, err := os.Stat(m)
			if err != nil {
				return nil, err
			}
			f := found(m, st)
			if len(manifests) == 1 {
				f.Name = filepath.Base(absolute(dir))
			}
			list = append(list, f)
		}
		return list, nil
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		st, err := os.Stat(path) // of what a link leads to
		switch {
		case err != nil, strings.HasPrefix(e.Name(), "."):
		case st.IsDir() && deeper:
			more, err := folder(path, false)
			if err != nil {
				return nil, err
			}
			list = append(list, more...)
		case st.Mode().IsRegular() && strings.EqualFold(filepath.Ext(path), ".gguf"):
			if m := part.FindStringSubmatch(stem(path)); m != nil && m[1] != "00001" {
				continue // the first part opens the others
			}
			list = append(list, found(path, st))
		}
		if len(list) > mostFound {
			return nil, fmt.Errorf("%s: more than %d models", dir, mostFound)
		}
	}
	slices.SortStableFunc(list, func(a, b Found) int { return strings.Compare(a.Name, b.Name) })
	return list, nil
}

func found(path string, st os.FileInfo) Found {
	f := Found{Name: part.ReplaceAllString(stem(path), ""), Path: path, Bytes: st.Size(), Time: st.ModTime()}
	if st.IsDir() {
		f.Name, f.Bytes = filepath.Base(absolute(path)), 0
	}
	return f
}

func stem(path string) string { return strings.TrimSuffix(filepath.Base(path), filepath.Ext(path)) }

// absolute is a path from the root, so that . has a name.
func absolute(path string) string {
	if a, err := filepath.Abs(path); err == nil {
		return a
	}
	return path
}
