package manifest

import (
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"eclat/loader/gguf"
)

// fileName matches the names of manifests in a folder; the digits are the id.
var fileName = regexp.MustCompile(`^.*\.([0-9a-f]{64})\.json$`)

// IsName reports whether path is named like a manifest.
func IsName(path string) bool { return strings.HasSuffix(path, ".json") }

// List lists the manifests in a folder, sorted by name. A folder that has
// none is a *gguf.FormatError.
func List(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, e := range entries {
		if fileName.MatchString(e.Name()) {
			out = append(out, filepath.Join(dir, e.Name()))
		}
	}
	if out == nil {
		return nil, gguf.Errorf(dir, "file", -1, "not a regular file, nor a folder with a manifest (NAME.ID.json)")
	}
	return out, nil
}

// Find returns the path of the manifest that a path names: itself, or the
// only one in a folder.
func Find(path string) (string, error) {
	st, err := os.Stat(path)
	if err != nil || !st.IsDir() {
		return path, err
	}
	all, err := List(path)
	if err != nil {
		return "", err
	}
	if len(all) > 1 {
		const show = 3
		var names []string
		for _, m := range all[:min(show, len(all))] {
			names = append(names, pattern(m))
		}
		if len(all) > show {
			names = append(names, "…")
		}
		return "", gguf.Errorf(path, "manifest", -1, "the folder holds %d; name one of them: %s", len(all), strings.Join(names, ", "))
	}
	return all[0], nil
}

// pattern is a manifest's name in its folder, as short as one can be that a shell
// completes: the ids are 64 digits.
func pattern(path string) string {
	const most, digits = 24, 8
	name := filepath.Base(path)
	id := fileName.FindStringSubmatch(name)[1]
	name = strings.TrimSuffix(name, "."+id+".json")
	if r := []rune(name); len(r) > most {
		name = string(r[:most]) + "*"
	}
	return name + "." + id[:digits] + "*.json"
}

// Read reads and checks a manifest file. Its name must end in its id, so
// that a damaged manifest is never taken for another.
func Read(path string) (*Manifest, error) {
	fail := func(field, format string, args ...any) error {
		return gguf.Errorf(path, field, -1, format, args...)
	}
	st, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !st.Mode().IsRegular() {
		return nil, fail("file", "not a regular file")
	}
	name := fileName.FindStringSubmatch(filepath.Base(path))
	if name == nil {
		return nil, fail("file name", "a manifest is named NAME.ID.json, where ID is its sha256")
	}
	if st.Size() > MaxBytes {
		return nil, fail("manifest", "%d bytes, the limit is %d", st.Size(), MaxBytes)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, MaxBytes+1))
	if err != nil {
		return nil, err
	}
	m, err := Parse(path, data)
	if err == nil && m.ID.String() != name[1] {
		err = fail("manifest", "its sha256 is %s, not that of its name: it is damaged", m.ID)
	}
	if err != nil {
		return nil, err
	}
	return m, nil
}
