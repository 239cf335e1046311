package keep

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
)

// DefaultBytes is how much a folder holds where nothing else is said.
const DefaultBytes = 4 << 30

// mostFiles bounds how many pages a folder has, whatever their size.
const mostFiles = 1 << 17

// Folder is a folder of pages.
type Folder struct {
	dir    string
	most   int64
	notice func(message string)

	mu      sync.Mutex
	files   map[string]*file // by the file's name
	bytes   int64
	coming  int64 // bytes of files that are being written
	keepers []*Keeper
}

// file is a page in a folder.
type file struct {
	name   string // of the file
	before string // of the file of the page before; "" for none
	size   int64  // in bytes
	used   time.Time
}

// OpenFolder opens a folder, and makes it where there is none. It holds so many bytes of
// pages; 0 is DefaultBytes. notice is told, from any goroutine, what is refused, and why.
// What else lies in the folder is left alone.
func OpenFolder(dir string, bytes int64, notice func(message string)) (*Folder, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	f := &Folder{dir: dir, most: cmp.Or(bytes, DefaultBytes), notice: notice, files: map[string]*file{}}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		info, err := e.Info()
		switch {
		case err != nil: // it has just gone
		case unfinished.MatchString(e.Name()):
			if time.Since(info.ModTime()) > time.Minute { // its writer is dead
				os.Remove(f.path(e.Name()))
			}
		case named.MatchString(e.Name()):
			f.found(e.Name(), info)
		}
	}
	f.trim()
	return f, nil
}

// unfinished is how files are called that are being written, or were when the program ended.
var unfinished = regexp.MustCompile(`^[0-9a-f]{12}-[0-9a-f]{12}-[0-9a-f]{64}\.page\.[0-9a-f]{8}\.part$`)

func (f *Folder) path(name string) string { return filepath.Join(f.dir, name) }

// found takes up a file that is there.
func (f *Folder) found(name string, info fs.FileInfo) {
	h, err := readHead(f.path(name))
	if err == nil && kindOf(h.CacheKind, h.Template) != kindPart(name) {
		err = errors.New("its name is of another kind of pages")
	}
	if err != nil {
		f.refuse(name, err)
		return
	}
	before := ""
	if h.Before != "" {
		before = kindPart(name) + h.Before + ".page"
	}
	f.files[name] = &file{name, before, info.Size(), info.ModTime()}
	f.bytes += info.Size()
}

// kindPart is the beginning of a file's name that says what it is of.
func kindPart(name string) string { return name[:26] }

// pagePart is the name of the page.
func pagePart(name string) string { return strings.TrimSuffix(name[26:], ".page") }

// refuse removes a file that is of no use, and says so.
func (f *Folder) refuse(name string, why error) {
	f.notice(fmt.Sprintf("%s is not used, and is computed anew: %v", f.path(name), why))
	os.Remove(f.path(name))
	f.mu.Lock()
	defer f.mu.Unlock()
	f.forget(name)
}

func (f *Folder) forget(name string) {
	if old := f.files[name]; old != nil {
		f.bytes -= old.size
		delete(f.files, name)
	}
}

// room makes room for a file of so many bytes before it is written; fewer than none give it
// back.
func (f *Folder) room(size int64) {
	f.mu.Lock()
	f.coming += size
	f.mu.Unlock()
	f.trim()
}

// wrote takes up a file that has been written where room was made for it.
func (f *Folder) wrote(name, before string, size int64) {
	f.mu.Lock()
	f.coming -= size
	f.forget(name)
	f.files[name] = &file{name, before, size, time.Now()}
	f.bytes += size
	f.mu.Unlock()
	f.trim()
}

// over reports whether what is there and what is coming is more than a part of what the
// folder may hold.
func (f *Folder) over(parts, of int64) bool {
	return f.bytes+f.coming > f.most/of*parts || int64(len(f.files)) > mostFiles/of*parts
}

// trim removes pages until the folder holds a tenth less than it may, where it holds more
// than that: first what no engine at work holds, the least recently used first, and no page
// before those that come after it.
func (f *Folder) trim() {
	f.mu.Lock()
	keepers, over := slices.Clone(f.keepers), f.over(1, 1)
	f.mu.Unlock()
	if !over {
		return
	}
	rank := map[string]int{} // of what engines hold
	for _, k := range keepers {
		for i, name := range k.held() {
			rank[name] = i + 1
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	all := make([]*file, 0, len(f.files))
	for _, one := range f.files {
		all = append(all, one)
	}
	slices.SortFunc(all, func(a, b *file) int { // the first to go first
		return cmp.Or(cmp.Compare(rank[a.name], rank[b.name]), a.used.Compare(b.used), cmp.Compare(a.name, b.name))
	})
	place := map[string]int{} // in all, of a page or the last of those that come after it
	depth := map[string]int{}
	for i, one := range slices.Backward(all) {
		n := 0
		for at := one; at != nil && n < len(all); at, n = f.files[at.before], n+1 {
			if place[at.name] >= i+1 && depth[at.name] >= n {
				break
			}
			place[at.name], depth[at.name] = max(place[at.name], i+1), max(depth[at.name], n)
		}
	}
	slices.SortStableFunc(all, func(a, b *file) int {
		return cmp.Or(cmp.Compare(place[a.name], place[b.name]), cmp.Compare(depth[a.name], depth[b.name]))
	})
	for _, one := range all {
		if !f.over(9, 10) {
			break
		}
		os.Remove(f.path(one.name))
		f.forget(one.name)
	}
}

// list are the pages of a kind, the most recently used first.
func (f *Folder) list(kind string) (list []file) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for name, one := range f.files {
		if kindPart(name) == kind {
			list = append(list, *one)
		}
	}
	slices.SortFunc(list, func(a, b file) int { return cmp.Or(b.used.Compare(a.used), cmp.Compare(a.name, b.name)) })
	return list
}

// stale is a page of a model that is of another kind; "" where there is none.
func (f *Folder) stale(model, kind string) (name string, n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for other := range f.files {
		if strings.HasPrefix(other, short(model)+"-") && kindPart(other) != kind {
			name, n = other, n+1
		}
	}
	return name, n
}

// touch sets when pages were used, in their order.
func (f *Folder) touch(names []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	from := time.Now().Add(-time.Duration(len(names)) * time.Millisecond)
	for i, name := range names {
		if one := f.files[name]; one != nil {
			one.used = from.Add(time.Duration(i) * time.Millisecond)
			os.Chtimes(f.path(name), one.used, one.used)
		}
	}
}
