package libp2p

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	id "github.com/libp2p/go-libp2p/core/peer"
)

// Allowed is the list of who may come: a file with an id a line, and a name for people
// after it. It is read again when it has changed.
type Allowed struct {
	path string

	mu   sync.Mutex
	read time.Time
	ids  map[string]string
}

// mostList is the size of a list, in bytes.
const mostList = 1 << 20

// AllowList opens the list of a file, which need not be there: nobody may come then.
func AllowList(path string) (*Allowed, error) {
	a := &Allowed{path: path}
	_, err := a.List()
	return a, err
}

// Allows reports whether an id is on the list. A list that cannot be read allows nobody.
func (a *Allowed) Allows(peer string) bool {
	ids, err := a.List()
	_, ok := ids[peer]
	return err == nil && ok
}

// List returns the names by id.
func (a *Allowed) List() (map[string]string, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	info, err := os.Stat(a.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		a.ids, a.read = nil, time.Time{}
		return nil, nil
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular() || info.Size() > mostList:
		return nil, fmt.Errorf("%s: no list of peers", a.path)
	case a.ids != nil && info.ModTime().Equal(a.read):
		return a.ids, nil
	}
	f, err := os.Open(a.path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	ids := map[string]string{}
	lines := bufio.NewScanner(io.LimitReader(f, mostList))
	for n := 1; lines.Scan(); n++ {
		peer, name, _ := strings.Cut(strings.TrimSpace(lines.Text()), " ")
		if peer == "" || strings.HasPrefix(peer, "#") {
			continue
		}
		if _, err := id.Decode(peer); err != nil {
			return nil, fmt.Errorf("%s: line %d: %.80q is no peer's id", a.path, n, peer)
		}
		ids[peer] = strings.TrimSpace(name)
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("%s: %w", a.path, err)
	}
	a.ids, a.read = ids, info.ModTime()
	return ids, nil
}

// Add puts an id on the list, with a name for people.
func (a *Allowed) Add(peer, name string) error {
	if _, err := id.Decode(peer); err != nil {
		return fmt.Errorf("%.80q is no peer's id", peer)
	}
	if strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == 0x7f }) || len(name) > 80 {
		return fmt.Errorf("%.80q is no name", name)
	}
	if ids, err := a.List(); err != nil {
		return err
	} else if _, ok := ids[peer]; ok {
		return nil
	}
	text, err := os.ReadFile(a.path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if len(text) > 0 && text[len(text)-1] != '\n' {
		text = append(text, '\n')
	}
	if err := os.MkdirAll(filepath.Dir(a.path), 0o700); err != nil {
		return err
	}
	return writeFile(a.path, append(text, (strings.TrimSpace(peer+" "+name)+"\n")...))
}
