package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// patience is how long a test waits before it gives up on a program; no test
// measures less.
const patience = 30 * time.Second

// until waits for something to become true.
func until(t *testing.T, what string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !done(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s: not within %v", what, patience)
		}
	}
}

// started is a running program whose end a test waits for.
type started struct {
	*exec.Cmd
	out, errs bytes.Buffer
	done      chan struct{}
}

func start(t *testing.T, stdin *os.File, env []string, args ...string) *started {
	t.Helper()
	p := &started{Cmd: command(args...), done: make(chan struct{})}
	p.Env = append(p.Env, env...)
	p.Stdout, p.Stderr = &p.out, &p.errs
	if stdin != nil {
		p.Stdin = stdin
	}
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { p.Wait(); close(p.done) }()
	t.Cleanup(func() { p.Process.Kill(); <-p.done })
	return p
}

func (p *started) ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// ticks is the processor time that the program has used, in hundredths of a second.
func (p *started) ticks() int {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.Process.Pid))
	if err != nil {
		return 0
	}
	f := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	var user, system int
	fmt.Sscan(f[11]+" "+f[12], &user, &system)
	return user + system
}

// opening reports whether the program sits in open, as it does of a FIFO that nobody
// writes to.
func (p *started) opening() bool {
	tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/syscall", p.Process.Pid))
	for _, path := range tasks {
		if text, err := os.ReadFile(path); err == nil && strings.HasPrefix(string(text), fmt.Sprintf("%d ", unix.SYS_OPENAT)) {
			return true
		}
	}
	return false
}

// interrupt sends a signal and expects the end that it should have.
func (p *started) interrupt(t *testing.T, sig syscall.Signal) {
	t.Helper()
	if err := p.Process.Signal(sig); err != nil {
		t.Errorf("%v: %v: %q", p.Args[1:], err, p.errs.String())
		return
	}
	until(t, fmt.Sprintf("the end of %v after %v", p.Args[1:], sig), p.ended)
	if code := p.ProcessState.ExitCode(); code != 128+int(sig) || !strings.Contains("\n"+p.errs.String(), "\neclat: interrupted") {
		t.Errorf("%v: %v, stderr %q", p.Args[1:], p.ProcessState, p.errs.String())
	}
}

// TestInterruptReading: one Ctrl-C ends a command that waits for its input, be it
// a silent pipe or a FIFO in a file's place.
func TestInterruptReading(t *testing.T) {
	for _, args := range [][]string{
		{"run"}, {"run", "-f", "-"}, {"tokenize"}, {"tokenize", "--jsonl"}, {"logprobs", "--ids-file", "-"}, {"perplexity", "-f", "-"}, {"compare", "-f", "-"},
	} {
		t.Run(strings.Join(args, " "), func(t *testing.T) {
			t.Parallel()
			r, w, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			defer w.Close()
			p := start(t, r, nil, args...)
			io.WriteString(w, "\"words\"\n")
			until(t, "stdin is read", func() bool {
				n, err := unix.IoctlGetInt(int(r.Fd()), unix.TIOCINQ)
				return err == nil && n == 0 || p.ended()
			})
			p.interrupt(t, syscall.SIGINT)
			if len(args) > 1 && args[1] == "--jsonl" && (strings.Count(p.out.String(), "\n") != 1 || !strings.Contains(p.errs.String(), "the output is partial")) {
				t.Errorf("stdout %q, stderr %q", p.out.String(), p.errs.String())
			}
		})
	}
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	text := put(t, "text.txt", "words")
	for _, args := range [][]string{
		{"run", "-f", fifo}, {"tokenize", "-f", fifo}, {"tokenize", "--jsonl", "-f", fifo}, {"logprobs", "--ids-file", fifo}, {"perplexity", "-f", fifo},
		{"compare", "-f", fifo}, {"perplexity", "-f", text, "--kl-base", fifo}, {"compare", "--against-run", fifo},
	} {
		t.Run("FIFO "+args[0], func(t *testing.T) {
			t.Parallel()
			p := start(t, nil, nil, args...)
			until(t, "the FIFO is opened", func() bool { return p.opening() || p.ended() })
			p.interrupt(t, syscall.SIGINT)
		})
	}
	// In a model's place it is no model, and nobody waits for it.
	for _, command := range []string{"run", "inspect", "tokenize", "doctor", "verify"} {
		if _, errs, code := eclat(t, "", command, fifo); code != 3 || !strings.Contains(errs, "not a regular file") && command != "verify" {
			t.Errorf("%s: exit code %d, %q", command, code, errs)
		}
	}
}

// TestInterruptWork: one signal ends a command in the middle of its work, whatever
// it is; what is printed by then is said to be partial.
func TestInterruptWork(t *testing.T) {
	text := put(t, "long.txt", strings.Repeat("The people of the United States have the right to know. ", 4000))
	for _, c := range []struct {
		sig  syscall.Signal
		args []string
	}{
		{syscall.SIGINT, []string{"bench", "--device", "cpu", "-r", "1000000"}}, {syscall.SIGTERM, []string{"bench", "--device", "cpu", "-r", "1000000"}},
		{syscall.SIGINT, []string{"doctor", "--device", "cpu"}}, {syscall.SIGINT, []string{"perplexity", "-f", text, "--device", "ref"}},
		{syscall.SIGINT, []string{"compare", "-f", text, "-n", "1000", "--device", "ref", "--against", "ref"}},
		{syscall.SIGINT, []string{"run", "--device", "ref", "-f", text, "-c", "100000"}}, {syscall.SIGHUP, []string{"run", "--device", "ref", "--ignore-eos", "-c", "100000"}},
		{syscall.SIGINT, []string{"bench", "--synthetic", "tinyllama-1.1b:4", "--device", "cpu", "-r", "1000000"}},
	} {
		dir := t.TempDir()
		p := start(t, nil, []string{"TMPDIR=" + dir}, c.args...)
		until(t, fmt.Sprintf("%v works", c.args), func() bool { return p.ticks() >= 30 || p.ended() })
		p.interrupt(t, c.sig)
		if partial := strings.Contains(p.errs.String(), "partial") || strings.Contains(p.errs.String(), "checks were made"); partial != (p.out.Len() > 0) {
			t.Errorf("%v: stdout %q, stderr %q", c.args, p.out.String(), p.errs.String())
		}
		if left, _ := os.ReadDir(dir); len(left) > 0 {
			t.Errorf("%v: left behind: %v", c.args, left)
		}
	}
	dir := t.TempDir()
	p := start(t, nil, []string{"TMPDIR=" + dir}, "bench", "--synthetic", "tinyllama-1.1b:1", "--device", "cpu", "-r", "1000000")
	until(t, "the synthetic model is open", func() bool {
		fds, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", p.Process.Pid))
		for _, fd := range fds {
			if to, _ := os.Readlink(fd); strings.HasPrefix(to, dir) && strings.HasSuffix(to, " (deleted)") {
				return true
			}
		}
		return p.ended()
	})
	p.Process.Kill()
	<-p.done
	if left, _ := os.ReadDir(dir); len(left) > 0 {
		t.Errorf("after SIGKILL there are %v", left)
	}
}

// TestInterruptCache: a FIFO where the cache of a GPU's pipelines should be does not
// hold the program.
func TestInterruptCache(t *testing.T) {
	cache := t.TempDir()
	env := []string{"XDG_CACHE_HOME=" + cache}
	args := []string{"run", "-n", "1", "-p", "x", "--device", "vulkan:0"}
	first := start(t, nil, env, args...)
	<-first.done
	if first.ProcessState.ExitCode() != 0 {
		t.Skipf("no GPU whose cache could be tried: %s", first.errs.String())
	}
	files, _ := filepath.Glob(filepath.Join(cache, "eclat", "*"))
	if len(files) == 0 {
		t.Fatal("no cache was written")
	}
	for _, path := range files {
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		if err := unix.Mkfifo(path, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	p := start(t, nil, env, args...)
	until(t, "the program opens the FIFO, or does without", func() bool { return p.opening() || p.ended() })
	if p.ended() {
		if p.ProcessState.ExitCode() != 0 {
			t.Errorf("%v: %s", p.ProcessState, p.errs.String())
		}
		return
	}
	p.interrupt(t, syscall.SIGINT)
}
