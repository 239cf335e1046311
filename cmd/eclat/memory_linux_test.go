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

// peakMemory runs a command and returns what it printed, and the most main memory that it
// took, in bytes. A process begins with the peak of the one that started it, which may be
// much after other tests: another copy of this program, which has done nothing, is between.
func peakMemory(cmd *exec.Cmd) (printed []byte, peak int64, known bool, err error) {
	between := exec.Command(os.Args[0], cmd.Args[1:]...)
	between.Env = append(os.Environ(), "ECLAT_PEAK=1")
	var errs strings.Builder
	between.Stderr = &errs
	if printed, err = between.Output(); err != nil {
		return printed, 0, true, fmt.Errorf("%w: %s", err, errs.String())
	}
	_, err = fmt.Sscan(errs.String(), &peak)
	return printed, peak, true, err
}

func init() {
	if os.Getenv("ECLAT_PEAK") == "" {
		return
	}
	cmd := command(os.Args[1:]...)
	cmd.Env = append(cmd.Env, "ECLAT_PEAK=")
	if out, err := cmd.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "%v: %s", err, out)
		os.Exit(1)
	}
	fmt.Fprintln(os.Stderr, cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss<<10)
	os.Exit(0)
}

// TestAddressSpace: in a small address space no driver is opened, whose threads would end
// the process with pages of its own; a GPU that was asked for is refused in one line.
func TestAddressSpace(t *testing.T) {
	sh, err := exec.LookPath("sh")
	if err != nil {
		t.Skip("no shell to set a limit with")
	}
	const refused = "no GPU is looked for, since the address space is limited to 3000 MiB"
	for _, c := range []struct {
		code int
		says string // on stderr
		args []string
	}{
		{0, "", []string{"version"}},
		{0, refused, []string{"devices"}},
		{0, "", []string{"run", "-n", "5"}},
		{4, refused, []string{"run", "-n", "5", "--device", "vulkan:0"}},
		{4, refused, []string{"run", "-n", "5", "--require-gpu"}},
	} {
		inner := command(c.args...)
		cmd := exec.Command(sh, append([]string{"-c", `ulimit -v 3072000; exec "$@"`, "sh"}, inner.Args...)...)
		var errs strings.Builder
		cmd.Env, cmd.Stderr = inner.Env, &errs
		cmd.Run()
		if code := cmd.ProcessState.ExitCode(); code != c.code || !strings.Contains(errs.String(), c.says) || c.code == 4 && strings.Count(errs.String(), "\n") != 1 {
			t.Errorf("%v: exit code %d, want %d; stderr %.300q, which must say %q", c.args, code, c.code, errs.String(), c.says)
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
