//go:build unix

package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"eclat/loader"
	"eclat/loader/fragment"
	"eclat/loader/ggufwrite"
	"eclat/loader/manifest"
	"eclat/loader/quant"
	"eclat/testdata"
)

// manySmall is a model of many small blobs, for crashes between them.
func manySmall(t *testing.T) string {
	t.Helper()
	rng := rand.New(rand.NewPCG(1, 2))
	f := &ggufwrite.File{}
	for i := range 60 {
		data := make([]byte, 1+rng.IntN(60000))
		for j := range data {
			data[j] = byte(rng.Uint32())
		}
		f.Tensors = append(f.Tensors, ggufwrite.Tensor{Name: fmt.Sprintf("blk.%d.x", i), Type: quant.I8, Dims: []int{len(data)}, Data: data})
	}
	path := filepath.Join(t.TempDir(), "small.gguf")
	if err := f.WriteFile(path); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestKilled kills fragment at random moments: when so many blobs lie in the folder.
// What it leaves under a name is whole, and a second run completes the folder.
func TestKilled(t *testing.T) {
	file := manySmall(t)
	want := filepath.Base(strings.TrimSpace(ok(t, "", "fragment", file, "-o", t.TempDir())))
	rng := rand.New(rand.NewPCG(3, 4))
	const kills = 50
	var early, partly, late, partials int
	for range kills {
		dir := filepath.Join(t.TempDir(), "out")
		cmd := command("fragment", file, "-o", dir)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() { ended <- cmd.Wait() }()
		for after := rng.IntN(62); len(ended) == 0; {
			if there, _ := filepath.Glob(filepath.Join(dir, "blobs", "*", "*")); len(there) >= after {
				break
			}
			time.Sleep(100 * time.Microsecond)
		}
		cmd.Process.Kill()
		<-ended

		blobs, manifest := 0, false
		filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return nil // before the folder was made
			}
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			sum := fmt.Sprintf("%x", sha256.Sum256(data))
			switch name := d.Name(); {
			case strings.HasSuffix(name, ".partial"):
				partials++
			case name == want:
				if manifest = true; !strings.Contains(name, sum) {
					t.Errorf("the manifest is not whole")
				}
			case name == sum:
				blobs++
			default:
				t.Errorf("%s has the sum %s", path, sum)
			}
			return nil
		})
		switch f, err := loader.Open(dir); {
		case err == nil:
			if late++; !manifest || blobs != 61 || f.Missing() != nil {
				t.Errorf("opened with %d blobs, missing %v", blobs, f.Missing())
			}
			f.Close()
		case manifest:
			t.Errorf("there is a manifest, but %v", err)
		case blobs == 0:
			early++
		default:
			partly++
		}
		_, errs, code := eclat(t, "", "fragment", file, "-o", dir)
		if code != 0 || !strings.Contains(errs, fmt.Sprintf("61 blobs, of which %d (", 61-blobs)) {
			t.Fatalf("after %d blobs: exit code %d, %q", blobs, code, errs)
		}
		r, err := fragment.Verify(context.Background(), dir, nil, fragment.Options{})
		if err != nil || len(r.Problems) > 0 || r.Blobs != 61 {
			t.Fatalf("after the second run: %+v, %v", r, err)
		}
		filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if strings.HasSuffix(path, ".partial") {
				t.Errorf("%s is still there", path)
			}
			return nil
		})
	}
	t.Logf("%d kills: %d before the first blob, %d between blobs (%d partial files), %d after the last", kills, early, partly, partials, late)
	if partly < kills/10 {
		t.Errorf("only %d kills were between blobs", partly)
	}
}

// TestFragmentInterrupt: Ctrl-C ends fragment with a line that says what to do.
func TestFragmentInterrupt(t *testing.T) {
	path := filepath.Join(t.TempDir(), "large.gguf")
	sparse(t, path, 1<<30)
	dir := filepath.Join(t.TempDir(), "out")
	cmd := command("fragment", path, "-o", dir)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "blobs")); err == nil {
			break
		}
		time.Sleep(time.Millisecond)
	}
	cmd.Process.Signal(os.Interrupt)
	cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != 130 || errs.String() != "eclat: interrupted; the same command goes on from here\n" {
		t.Errorf("exit code %d, %q", code, errs.String())
	}
}

// sparse writes a model of one tensor of so many zeros, which take no space.
func sparse(t *testing.T, path string, size int64) {
	t.Helper()
	var r ggufwrite.Raw
	r.Header(3, 1, 0)
	r.TensorInfo("blk.0.x", []uint64{uint64(size)}, quant.I8, 0)
	r.Pad(32)
	if err := os.WriteFile(path, r.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, int64(r.Len())+size); err != nil {
		t.Fatal(err)
	}
}

// TestFragmentMemory: a model larger than the limit does not need more memory.
func TestFragmentMemory(t *testing.T) {
	const limit = 300 << 20
	path, dir := filepath.Join(t.TempDir(), "large.gguf"), filepath.Join(t.TempDir(), "out")
	sparse(t, path, limit+limit/4)
	for _, args := range [][]string{
		{"fragment", path, "-o", dir},
		{"verify", dir},
		{"assemble", dir, "-o", filepath.Join(t.TempDir(), "again")},
	} {
		out, peak, known, err := peakMemory(command(args...))
		if err != nil {
			t.Fatalf("%v: %v: %s", args, err, out)
		}
		if !known {
			t.Skip("only Linux says how much memory a process took at most")
		}
		t.Logf("%s of %d MiB: at most %d MiB of memory", args[0], (limit+limit/4)>>20, peak>>20)
		if peak > limit {
			t.Errorf("%s took %d bytes of memory", args[0], peak)
		}
	}
}

// TestVerifyFull: a single bit in a weight does not show in sizes; --verify=full
// finds it before loading, and verify names blob and chunk.
func TestVerifyFull(t *testing.T) {
	file, dir, mpath := builtIn(t)
	m, err := manifest.Read(mpath)
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(9, 9))
	for range 5 {
		b := &m.Blobs[rng.IntN(len(m.Blobs))]
		path := filepath.Join(dir, b.Sum.BlobName())
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		data[rng.IntN(len(data))] ^= 1 << rng.IntN(8)
		os.Chmod(path, 0o600)
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		for _, args := range [][]string{{"run", dir, "-p", "x"}, {"logprobs", mpath, "--ids", "1"}} {
			out, errs, code := eclat(t, "", append(args, "--verify=full", "--device", "cpu")...)
			if code != 3 || out != "" || !strings.Contains(errs, "missing or damaged: ") || strings.Count(errs, "\n") != 1 {
				t.Errorf("%v: exit code %d, %q, %q", args, code, out, errs)
			}
		}
		out, errs, code := eclat(t, "", "verify", dir)
		if code != 3 || !strings.HasPrefix(out, "damaged  blob "+b.Sum.String()+"  chunk 0 (bytes 0–") || !strings.Contains(errs, "(1 of 58 blobs)") {
			t.Errorf("exit code %d, %q, %q", code, out, errs)
		}
		os.Remove(path)
		if _, errs, code := eclat(t, "", "fragment", file, "-o", dir); code != 0 || !strings.Contains(errs, "of which 1 (") {
			t.Errorf("mending: exit code %d, %q", code, errs)
		}
		ok(t, "", "verify", dir)
	}
}

func TestFragmentExitCodes(t *testing.T) {
	file, dir, mpath := builtIn(t)
	two := filepath.Join(t.TempDir(), "two")
	ok(t, "", "fragment", file, "-o", two)
	other := filepath.Join(t.TempDir(), "other.gguf")
	os.Link(file, other)
	ok(t, "", "fragment", other, "-o", two)
	if out := ok(t, "", "verify", two); strings.Count(out, "sound") != 2 {
		t.Errorf("verify of two manifests: %q", out)
	}
	damaged := filepath.Join(t.TempDir(), filepath.Base(mpath))
	text, _ := os.ReadFile(mpath)
	os.WriteFile(damaged, bytes.Replace(text, []byte("sotu.gguf"), []byte("sotu.gguF"), 1), 0o600)
	none := filepath.Join(t.TempDir(), "none")
	for _, c := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"fragment", file}, 2, "-o"},
		{[]string{"fragment", dir, "-o", none}, 2, "already"},
		{[]string{"fragment", none, "-o", none}, 1, none},
		{[]string{"fragment", file, "-o", file}, 1, file},
		{[]string{"fragment", file, "-o", file + "/below"}, 1, file},
		{[]string{"fragment", file, "-o", "/proc/1/eclat"}, 1, "/proc/1/eclat"},
		{[]string{"assemble", dir}, 2, "-o"},
		{[]string{"assemble", "-o", "x"}, 2, "one fragments folder"},
		{[]string{"assemble", none, "-o", none + "x"}, 1, none},
		{[]string{"assemble", dir, "-o", file}, 1, "exists already"},
		{[]string{"assemble", dir, "-o", none + "/x"}, 1, none + "/x: no such"},
		{[]string{"assemble", file, "-o", none}, 3, "NAME.ID.json"},
		{[]string{"assemble", two, "-o", none}, 3, "name one of them"},
		{[]string{"verify"}, 2, "one fragments folder"},
		{[]string{"verify", none}, 1, none},
		{[]string{"verify", filepath.Dir(file)}, 3, "manifest"},
		{[]string{"verify", damaged}, 3, "it is damaged"},
		{[]string{"verify", dir, "--layers", "3-1"}, 2, "3-1"},
		{[]string{"verify", dir, "--layers", "x"}, 2, `"x"`},
		{[]string{"verify", dir, "--layers", "4-6"}, 2, "layers 4 to 6"},
		{[]string{"run", two}, 3, "name one of them"},
		{[]string{"inspect", damaged}, 3, "it is damaged"},
		{[]string{"run", file, "--verify=full"}, 2, "fragments folder"},
		{[]string{"run", dir, "--verify=some"}, 2, `"some"`},
	} {
		t.Run(strings.Join(c.args, " "), func(t *testing.T) {
			out, errs, code := eclat(t, "", c.args...)
			if code != c.code || out != "" || strings.Count(errs, "\n") != 1 || !strings.Contains(errs, c.says) {
				t.Errorf("exit code %d, want %d; stdout %q, stderr %q, which must say %q", code, c.code, out, errs, c.says)
			}
		})
	}
	if got, err := os.ReadFile(file); err != nil || !bytes.Equal(got, testdata.Model) {
		t.Errorf("the model file is not what it was (%v)", err)
	}
}

// TestFragmentDiskFull: where a file can grow no further, the error is one line and
// the folder stays as it was. A limit on the size of files stands for a full disk:
// both end a write in the middle of a blob.
func TestFragmentDiskFull(t *testing.T) {
	sh, err := exec.LookPath("sh")
	if err != nil {
		t.Skip("needs a shell to set the limit:", err)
	}
	file, good, _ := builtIn(t)
	dir := filepath.Join(t.TempDir(), "out")
	limited := func(args ...string) (string, int) {
		cmd := exec.Command(sh, append([]string{"-c", `ulimit -f 200; exec "$@"`, "sh", os.Args[0]}, args...)...)
		cmd.Env = append(os.Environ(), "ECLAT_MAIN=1")
		out, _ := cmd.CombinedOutput()
		return string(out), cmd.ProcessState.ExitCode()
	}
	again := filepath.Join(dir, "again.gguf")
	for _, args := range [][]string{{"fragment", file, "-o", dir}, {"assemble", good, "-o", again}} {
		out, code := limited(args...)
		if code != 1 || strings.Count(out, "\n") != 1 || !strings.Contains(out, dir) || !strings.Contains(out, "too large") {
			t.Errorf("%s: exit code %d, %q", args[0], code, out)
		}
	}
	filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			if data, _ := os.ReadFile(path); d.Name() != fmt.Sprintf("%x", sha256.Sum256(data)) {
				t.Errorf("left behind: %s", path)
			}
		}
		return nil
	})
	ok(t, "", "fragment", file, "-o", dir)
	ok(t, "", "verify", dir)
}

// TestFragmentMounts: a disk that is full and one that is read-only.
func TestFragmentMounts(t *testing.T) {
	file, good, _ := builtIn(t)
	dir := t.TempDir()
	mount := func(args ...string) {
		t.Helper()
		if out, err := exec.Command("mount", args...).CombinedOutput(); err != nil {
			t.Skipf("needs the right to mount a small disk: %v: %s", err, out)
		}
	}
	mount("-t", "tmpfs", "-o", "size=2m", "eclat-test", dir)
	defer exec.Command("umount", dir).Run()
	check := func(says string, args ...string) {
		t.Helper()
		out, errs, code := eclat(t, "", args...)
		if code != 1 || out != "" || strings.Count(errs, "\n") != 1 || !strings.Contains(errs, says) || !strings.Contains(errs, dir) {
			t.Errorf("%s: exit code %d, %q, %q", args[0], code, out, errs)
		}
	}
	again := filepath.Join(dir, "again.gguf")
	check("no space left", "assemble", good, "-o", again)
	check("no space left", "fragment", file, "-o", dir)
	blobs := 0
	filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			blobs++
			if data, _ := os.ReadFile(path); d.Name() != fmt.Sprintf("%x", sha256.Sum256(data)) {
				t.Errorf("left behind: %s", path)
			}
		}
		return nil
	})
	mount("-o", "remount,ro", dir)
	check("read-only", "fragment", file, "-o", dir)
	check("read-only", "assemble", good, "-o", again)
	mount("-o", "remount,rw,size=32m", dir)
	if _, errs, code := eclat(t, "", "fragment", file, "-o", dir); code != 0 || !strings.Contains(errs, fmt.Sprintf("of which %d (", 58-blobs)) {
		t.Errorf("with room again, after %d blobs: exit code %d, %q", blobs, code, errs)
	}
	mount("-o", "remount,ro", dir)
	ok(t, "", "verify", dir)
	ok(t, "", "run", dir, "-n", "1", "--device", "cpu")
	ok(t, "", "fragment", file, "-o", dir) // nothing to write
}

// TestFragmentReadOnly: a folder that may not be written to.
func TestFragmentReadOnly(t *testing.T) {
	if os.Getuid() == 0 {
		t.Skip("root may write anywhere: modes do not bind it")
	}
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o500); err != nil {
		t.Fatal(err)
	}
	_, errs, code := eclat(t, "", "fragment", "-o", dir)
	if code != 1 || strings.Count(errs, "\n") != 1 || !strings.Contains(errs, "permission denied") {
		t.Errorf("exit code %d, %q", code, errs)
	}
}
