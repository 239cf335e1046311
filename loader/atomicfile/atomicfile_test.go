package atomicfile_test

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"eclat/loader/atomicfile"
)

// holds checks the contents of a file and the names in its folder.
func holds(t *testing.T, path, want string, names ...string) {
	t.Helper()
	if got, err := os.ReadFile(path); err != nil || string(got) != want {
		t.Errorf("%s holds %q, %v; want %q", filepath.Base(path), got, err, want)
	}
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	if !slices.Equal(got, names) {
		t.Errorf("the folder holds %q, want %q", got, names)
	}
}

func text(s string) func(io.Writer) error {
	return func(w io.Writer) error { _, err := io.WriteString(w, s); return err }
}

func TestWrite(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a")
	for _, s := range []string{"first", "second, longer", ""} {
		if err := atomicfile.Write(path, atomicfile.Options{Sync: s == ""}, text(s)); err != nil {
			t.Fatal(err)
		}
		holds(t, path, s, "a")
	}
}

// TestUnfinished: until Commit, and after any error, the old file stands; nothing
// is left beside it.
func TestUnfinished(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a")
	if err := os.WriteFile(path, []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	failed := errors.New("failed")
	if err := atomicfile.Write(path, atomicfile.Options{}, func(w io.Writer) error {
		io.WriteString(w, "half")
		if temp, _ := filepath.Glob(path + ".*.part"); len(temp) == 1 {
			holds(t, path, "old", "a", filepath.Base(temp[0]))
		} else {
			t.Errorf("temporary files: %q", temp)
		}
		return failed
	}); err != failed {
		t.Error(err)
	}
	holds(t, path, "old", "a")

	func() {
		defer func() { recover() }()
		atomicfile.Write(path, atomicfile.Options{}, func(io.Writer) error { panic("mistake") })
	}()
	holds(t, path, "old", "a")

	f, err := atomicfile.Create(path, atomicfile.Options{Sync: true})
	if err != nil {
		t.Fatal(err)
	}
	f.Close() // what Commit does to a file that is closed cannot succeed
	if err := f.Commit(); err == nil {
		t.Error("a closed file was committed")
	}
	holds(t, path, "old", "a")

	if f, err = atomicfile.Create(path, atomicfile.Options{}); err != nil {
		t.Fatal(err)
	}
	io.WriteString(f, "new")
	if err := f.Commit(); err != nil {
		t.Fatal(err)
	}
	f.Abort() // of no effect
	holds(t, path, "new", "a")
}

// TestErrorNames: an error names the file that was to be.
func TestErrorNames(t *testing.T) {
	dir := t.TempDir()
	check := func(what, path string, err error) {
		t.Helper()
		if p := (*fs.PathError)(nil); !errors.As(err, &p) || p.Path != path || strings.Contains(err.Error(), ".part") {
			t.Errorf("%s: %v, which must name %s", what, err, path)
		}
	}
	path := filepath.Join(dir, "none", "a")
	for _, o := range []atomicfile.Options{{}, {Temp: path + ".part"}} {
		_, err := atomicfile.Create(path, o)
		check("no folder", path, err)
	}
	path = filepath.Join(dir, "a")
	closed := func() *atomicfile.File {
		f, err := atomicfile.Create(path, atomicfile.Options{})
		if err != nil {
			t.Fatal(err)
		}
		f.Close()
		return f
	}
	f := closed()
	_, err := f.Write([]byte("x"))
	check("write", path, err)
	check("sync", path, f.Sync())
	check("commit", path, f.Commit())
	if err := os.MkdirAll(filepath.Join(path, "full"), 0o700); err != nil {
		t.Fatal(err)
	}
	check("rename", path, atomicfile.Write(path, atomicfile.Options{}, text("x")))
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	_, err = atomicfile.CreateIn(root, "none/a", atomicfile.Options{})
	check("in a root", "none/a", err)
}

// TestRenameFails: a name that cannot be taken leaves no temporary file.
func TestRenameFails(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a")
	if err := os.MkdirAll(filepath.Join(path, "full"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := atomicfile.Write(path, atomicfile.Options{}, text("x")); err == nil {
		t.Error("a folder was replaced")
	}
	if left, _ := filepath.Glob(path + ".*"); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}

// TestCrash: a process that ends in the middle leaves the old file.
func TestCrash(t *testing.T) {
	if path := os.Getenv("ATOMICFILE_CRASH"); path != "" {
		atomicfile.Write(path, atomicfile.Options{Temp: path + ".part"}, func(w io.Writer) error {
			io.WriteString(w, "half")
			os.Exit(7)
			return nil
		})
	}
	path := filepath.Join(t.TempDir(), "a")
	if err := os.WriteFile(path, []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestCrash$")
	cmd.Env = append(os.Environ(), "ATOMICFILE_CRASH="+path)
	var exit *exec.ExitError
	if err := cmd.Run(); !errors.As(err, &exit) || exit.ExitCode() != 7 {
		t.Fatal(err)
	}
	holds(t, path, "old", "a", "a.part")
	// A name of one's own is taken then; it is the caller's to clear.
	if err := atomicfile.Write(path, atomicfile.Options{Temp: path + ".part"}, text("x")); !errors.Is(err, fs.ErrExist) {
		t.Errorf("over the file that was left: %v", err)
	}
	holds(t, path, "old", "a", "a.part")
}

func TestMode(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no permissions of this kind on Windows")
	}
	dir := t.TempDir()
	plain := filepath.Join(dir, "plain")
	if err := os.WriteFile(plain, nil, 0o666); err != nil {
		t.Fatal(err)
	}
	st, err := os.Stat(plain)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ mode, want fs.FileMode }{{0, st.Mode()}, {0o444, 0o444}, {0o600, 0o600}} {
		path := filepath.Join(dir, "a")
		if err := atomicfile.Write(path, atomicfile.Options{Mode: c.mode}, func(w io.Writer) error {
			temp, _ := filepath.Glob(path + ".*.part")
			if len(temp) != 1 {
				t.Fatalf("temporary files: %q", temp)
			}
			if st, err := os.Stat(temp[0]); err != nil || st.Mode()&^c.want != 0 {
				t.Errorf("mode %v, while it is written %v, %v", c.mode, st.Mode(), err)
			}
			return text("x")(w)
		}); err != nil {
			t.Fatal(err)
		}
		if st, err := os.Stat(path); err != nil || st.Mode() != c.want {
			t.Errorf("mode %v gave %v, %v", c.mode, st.Mode(), err)
		}
	}
}

// TestCreateIn: no name leads out of the root.
func TestCreateIn(t *testing.T) {
	dir := t.TempDir()
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	f, err := atomicfile.CreateIn(root, "a", atomicfile.Options{})
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(f, "x")
	if err := f.Commit(); err != nil {
		t.Fatal(err)
	}
	holds(t, filepath.Join(dir, "a"), "x", "a")
	if _, err := atomicfile.CreateIn(root, "../a", atomicfile.Options{}); err == nil {
		t.Error("a file outside the root was begun")
	}
}
