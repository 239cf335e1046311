package loader_test

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"eclat/loader"
	"eclat/loader/ggufwrite"
	"eclat/loader/loadertest"
	"eclat/loader/quant"
)

// TestHostileSplits makes a model of three parts, spoils it, and opens it.
func TestHostileSplits(t *testing.T) {
	// set spoils a key of one part.
	set := func(part int, key string, value any) func(ps []*ggufwrite.File) {
		return func(ps []*ggufwrite.File) { ps[part].Set(key, value) }
	}
	remove := func(part int, key string) func(ps []*ggufwrite.File) {
		return func(ps []*ggufwrite.File) {
			var meta []ggufwrite.KV
			for _, kv := range ps[part].Meta {
				if kv.Key != key {
					meta = append(meta, kv)
				}
			}
			ps[part].Meta = meta
		}
	}
	tensors := len(smallModel().Tensors)
	mustBe := fmt.Sprintf("must be %d", tensors)
	for _, c := range []struct {
		name   string
		spoil  func(ps []*ggufwrite.File)
		named  int    // the part that the error is about
		field  string // FormatError.Field
		value  bool   // the error points at the value of that key
		reason string
	}{
		{"part 1 missing", func(ps []*ggufwrite.File) { ps[0] = nil }, 0, "file", false, "part 1 of 3 is missing"},
		{"part 2 missing", func(ps []*ggufwrite.File) { ps[1] = nil }, 1, "file", false, "part 2 of 3 is missing"},
		{"part 3 missing", func(ps []*ggufwrite.File) { ps[2] = nil }, 2, "file", false, "part 3 of 3 is missing"},
		{"parts exchanged", func(ps []*ggufwrite.File) { ps[1], ps[2] = ps[2], ps[1] }, 1, "split.no", true, "must be 1"},
		{"part twice", func(ps []*ggufwrite.File) { ps[2] = ps[1] }, 2, "split.no", true, "must be 2"},
		{"split.no counted from 1", set(0, "split.no", uint16(1)), 0, "split.no", true, "must be 0"},
		{"split.no negative", set(1, "split.no", int32(-1)), 1, "split.no", true, "must be 1"},
		{"split.no of type string", set(1, "split.no", "1"), 1, "split.no", true, "must be 1"},
		{"split.no absent", remove(1, "split.no"), 1, "split.no", false, "missing"},
		{"split.count 2", set(2, "split.count", uint16(2)), 2, "split.count", true, "must be 3"},
		{"split.count 0", set(0, "split.count", uint16(0)), 0, "split.count", true, "must be 3"},
		{"split.count of type float", set(0, "split.count", float32(3)), 0, "split.count", true, "must be 3"},
		{"split.count absent", remove(0, "split.count"), 0, "split.count", false, "missing"},
		{"split.tensors.count one less", set(0, "split.tensors.count", int32(tensors-1)), 0, "split.tensors.count", true, mustBe},
		{"split.tensors.count negative", set(0, "split.tensors.count", int32(-tensors)), 0, "split.tensors.count", true, mustBe},
		{"split.tensors.count of type string", set(0, "split.tensors.count", fmt.Sprint(tensors)), 0, "split.tensors.count", true, mustBe},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir, parts := t.TempDir(), smallModel().Split(3)
			c.spoil(parts)
			path := func(no int) string { return ggufwrite.PartName(filepath.Join(dir, "model"), no, 3) }
			for i, p := range parts {
				if p == nil {
					continue
				}
				if err := p.WriteFile(path(i)); err != nil {
					t.Fatal(err)
				}
			}
			at := -1
			if c.value {
				at = valueOffset(t, parts[c.named], c.field)
			}
			loadertest.Refusal(t, path(0), path(c.named), c.field, at, c.reason)
		})
	}
}

// valueOffset returns where the value of a key lies in the file: after the key's
// name and the value's type.
func valueOffset(t *testing.T, f *ggufwrite.File, key string) int {
	t.Helper()
	at := strings.Index(string(f.Bytes()), key)
	if at < 0 {
		t.Fatalf("the file has no %s", key)
	}
	return at + len(key) + 4
}

// TestHostileSplitTensors: a name may appear once in all parts, and a part is
// checked like any file.
func TestHostileSplitTensors(t *testing.T) {
	dir, parts := t.TempDir(), smallModel().Split(2)
	base := filepath.Join(dir, "model")
	name := parts[0].Tensors[0].Name
	parts[1].Tensors[0].Name = name
	for i, p := range parts {
		if err := p.WriteFile(ggufwrite.PartName(base, i, 2)); err != nil {
			t.Fatal(err)
		}
	}
	second := ggufwrite.PartName(base, 1, 2)
	info := strings.Index(string(parts[1].Bytes()), name) + len(name)
	at := info + 4 + 8*len(parts[1].Tensors[0].Dims) + 4 // the offset, where tensors are pointed at
	loadertest.Refusal(t, second, second, name, at, "appears in an earlier part too")

	data := parts[1].Bytes()
	if err := os.WriteFile(second, data[:6], 0o600); err != nil {
		t.Fatal(err)
	}
	loadertest.Refusal(t, second, second, "version", 4, "the file ends here")
}

// TestHostileSplitNames: the file's name makes a claim that the file cannot keep.
func TestHostileSplitNames(t *testing.T) {
	for _, c := range []struct{ name, reason string }{
		{"model-00001-of-00000.gguf", "part 1 of a model split into 0 files"},
		{"model-00000-of-00003.gguf", "part 0 of a model split into 3 files"},
		{"model-00004-of-00003.gguf", "part 4 of a model split into 3 files"},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), c.name)
			if err := smallModel().WriteFile(path); err != nil {
				t.Fatal(err)
			}
			loadertest.Refusal(t, path, path, "file name", -1, c.reason)
		})
	}
}

// TestHostileLonePart: one part of a split model under a name of its own, on
// disk or in memory, is not a whole model.
func TestHostileLonePart(t *testing.T) {
	part := smallModel().Split(3)[0]
	path := filepath.Join(t.TempDir(), "renamed.gguf")
	if err := part.WriteFile(path); err != nil {
		t.Fatal(err)
	}
	at := valueOffset(t, part, "split.count")
	loadertest.Refusal(t, path, path, "split.count", at, "split into 3 files")
	_, err := loader.FromBytes("embedded", part.Bytes())
	var fe *loader.FormatError
	if !errors.As(err, &fe) || fe.Path != "embedded" || fe.Field != "split.count" || fe.Offset != int64(at) {
		t.Errorf("FromBytes: %v", err)
	}
}

// TestHostileNotAFile: what cannot be mapped is refused before it is opened (a
// FIFO or a device would block or never end).
func TestHostileNotAFile(t *testing.T) {
	dir := t.TempDir()
	loadertest.Refusal(t, dir, dir, "file", -1, "not a regular file")
	part := filepath.Join(dir, "model-00001-of-00001.gguf")
	if err := os.Mkdir(part, 0o700); err != nil {
		t.Fatal(err)
	}
	loadertest.Refusal(t, part, part, "file", -1, "not a regular file")
	if _, err := os.Stat(os.DevNull); err == nil {
		loadertest.Refusal(t, os.DevNull, os.DevNull, "file", -1, "not a regular file")
	}
	socket := filepath.Join(dir, "socket")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Skipf("no unix sockets here: %v", err)
	}
	defer l.Close()
	loadertest.Refusal(t, socket, socket, "file", -1, "not a regular file")
}

// TestHostileOS: errors of the operating system keep their kind and name the path.
func TestHostileOS(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	dangling := filepath.Join(dir, "dangling.gguf")
	if err := os.Symlink(filepath.Join(dir, "nowhere"), dangling); err != nil {
		t.Skipf("no symbolic links here: %v", err)
	}
	for _, path := range []string{dangling, filepath.Join(file, "model.gguf"), filepath.Join(dir, strings.Repeat("n", 300)), ""} {
		_, err := loader.Open(path)
		var pe *fs.PathError
		if !errors.As(err, &pe) || pe.Path != path || strings.Contains(err.Error(), "\n") {
			t.Errorf("%.40q: %v", path, err)
		}
	}
}

// TestHostilePrefixes opens every prefix of a valid file: none opens, and all say
// why in the usual form.
func TestHostilePrefixes(t *testing.T) {
	f := ggufwrite.File{Alignment: 1} // without padding every byte matters
	f.Set("tokens", []string{"a", "bb", ""})
	f.Set("lists", [][]float64{{1}, {}})
	f.Set("flag", true)
	f.Add("a", quant.F32, []int{3, 2}, make([]float32, 6))
	f.Add("b", quant.Q8_0, []int{32, 2}, make([]float32, 64))
	whole := f.Bytes()
	if _, err := loader.FromBytes("whole", whole); err != nil {
		t.Fatal(err)
	}
	for n := range whole {
		_, err := loader.FromBytes("prefix", whole[:n:n])
		var fe *loader.FormatError
		if !errors.As(err, &fe) {
			t.Errorf("the first %d of %d bytes: %v", n, len(whole), err)
			continue
		}
		loadertest.Message(t, err.Error(), "prefix", fe.Field)
		if fe.Offset < 0 || fe.Offset > int64(n) {
			t.Errorf("the first %d bytes: the error points at byte %d", n, fe.Offset)
		}
	}
}
