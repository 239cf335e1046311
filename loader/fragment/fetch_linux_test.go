package fragment_test

import (
	"os/exec"
	"strings"
	"testing"

	"eclat/loader/fragment"
)

// TestFetchFullDisk: a disk that is full ends a fetch with one line that names the folder;
// with room again it goes on with what it had. One that is read-only is named too.
func TestFetchFullDisk(t *testing.T) {
	dir, _, m := chunky(t)
	into := t.TempDir()
	mount := func(args ...string) {
		t.Helper()
		if out, err := exec.Command("mount", args...).CombinedOutput(); err != nil {
			t.Skipf("needs the right to mount a small disk: %v: %s", err, out)
		}
	}
	mount("-t", "tmpfs", "-o", "size=6m", "eclat-test", into)
	defer exec.Command("umount", into).Run()
	f := &fragment.Fetcher{Dir: into}
	fails := func(says string) {
		t.Helper()
		err := f.Blobs(background, m, all(m), []fragment.Source{&store{name: "a", dir: dir}}, nil)
		if err == nil || !strings.Contains(err.Error(), says) || !strings.Contains(err.Error(), into) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", says, err)
		}
	}
	fails("no space left")
	mount("-o", "remount,ro", into)
	fails("read-only")
	mount("-o", "remount,rw,size=64m", into)
	s := &store{name: "a", dir: dir}
	whole(t, f, m, s)
	if s.gave.Load() > size(m)-4<<20 {
		t.Errorf("%d bytes were given again, of %d", s.gave.Load(), size(m))
	}
}
