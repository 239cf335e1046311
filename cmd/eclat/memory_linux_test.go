package main

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// peakMemory is the most main memory that a process that has ended took, in bytes.
func peakMemory(p *os.ProcessState) (int64, bool) {
	return p.SysUsage().(*syscall.Rusage).Maxrss << 10, true
}

// TestAddressSpace: too small a limit on the address space is refused in one line,
// whatever the command; a driver's thread would end the process with many.
func TestAddressSpace(t *testing.T) {
	sh, err := exec.LookPath("sh")
	if err != nil {
		t.Skip("no shell to set a limit with")
	}
	for _, c := range []struct {
		mib, code int
		args      []string
	}{
		{2000, 4, []string{"version"}}, {2400, 4, []string{"run", "-n", "5", "--device", "cpu"}}, {3000, 4, []string{"devices"}}, {3300, 0, []string{"version"}},
	} {
		inner := command(c.args...)
		cmd := exec.Command(sh, append([]string{"-c", fmt.Sprintf(`ulimit -v %d; exec "$@"`, c.mib<<10), "sh"}, inner.Args...)...)
		var out, errs strings.Builder
		cmd.Env, cmd.Stdout, cmd.Stderr = inner.Env, &out, &errs
		cmd.Run()
		want := fmt.Sprintf("eclat: not enough memory: the address space is limited to %d MiB", c.mib)
		if code := cmd.ProcessState.ExitCode(); code != c.code || c.code == 4 && (out.String() != "" || !strings.HasPrefix(errs.String(), want) || strings.Count(errs.String(), "\n") != 1) {
			t.Errorf("%v in %d MiB: exit code %d, want %d; stdout %q, stderr %.300q", c.args, c.mib, code, c.code, out.String(), errs.String())
		}
	}
}
