package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
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

// memoryGroup makes a control group of that many bytes, of version 1 or 2, and
// returns its file of processes.
func memoryGroup(t *testing.T, bytes int64) string {
	t.Helper()
	name := fmt.Sprintf("eclat-test-%d", os.Getpid())
	for _, limit := range []string{"/sys/fs/cgroup/memory/" + name + "/memory.limit_in_bytes", "/sys/fs/cgroup/" + name + "/memory.max"} {
		dir := filepath.Dir(limit)
		if os.Mkdir(dir, 0o700) != nil {
			continue
		}
		t.Cleanup(func() { os.Remove(dir) })
		if os.WriteFile(limit, fmt.Append(nil, bytes), 0) == nil {
			return filepath.Join(dir, "cgroup.procs")
		}
	}
	t.Skip("no control group of memory can be made here")
	return ""
}

// TestControlGroup: in a group of little memory, what does not fit is refused; the
// system would kill the process. A speed that cannot be measured is left out.
func TestControlGroup(t *testing.T) {
	procs := memoryGroup(t, 200<<20)
	for _, c := range []struct {
		code int
		says string
		args []string
	}{
		{4, "not enough memory: a context of 100000 tokens takes ", []string{"run", "--device", "cpu", "-c", "100000"}},
		{4, "not enough memory: llama-2-7b takes ", []string{"bench", "--synthetic", "llama-2-7b"}},
		{0, "not measured: ", []string{"bench", "--device", "cpu", "-p", "4", "-n", "0", "-r", "1"}},
	} {
		inner := command(c.args...)
		cmd := exec.Command("sh", append([]string{"-c", `echo $$ >` + procs + ` && exec "$@"`, "sh"}, inner.Args...)...)
		var errs strings.Builder
		cmd.Env, cmd.Stderr = inner.Env, &errs
		cmd.Run()
		if code := cmd.ProcessState.ExitCode(); code != c.code || !strings.Contains(errs.String(), c.says) {
			t.Errorf("%v: %v, want %d; stderr %q, which must say %q", c.args, cmd.ProcessState, c.code, errs.String(), c.says)
		}
	}
}
