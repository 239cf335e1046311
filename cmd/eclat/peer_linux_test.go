package main

import (
	"bytes"
	"math/rand/v2"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"eclat/testdata"
)

// worker is a machine that computes layers: a process with a key of its own.
type worker struct {
	cmd     *exec.Cmd
	address string
	said    bytes.Buffer // on stderr
}

// newWorker starts a worker that lets one peer come.
func newWorker(t *testing.T, home string) *worker {
	t.Helper()
	return lendingFrom(t, t.TempDir(), "--allow", home)
}

// answerOf runs a command that prints an answer, and calls each with how many bytes of it
// have been read whenever some have.
func answerOf(t *testing.T, cmd *exec.Cmd, each func(read int)) (text, said string) {
	t.Helper()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var errs bytes.Buffer
	cmd.Stderr = &errs
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var got []byte
	for buf := make([]byte, 64); ; {
		n, err := out.Read(buf)
		got = append(got, buf[:n]...)
		each(len(got))
		if err != nil {
			break
		}
	}
	if err := cmd.Wait(); err != nil {
		t.Fatalf("%v: %s", err, errs.String())
	}
	return string(got), errs.String()
}

// TestPeers: a model over three processes gives the proof of one, and goes on to it when
// one is killed, or stopped so that it falls silent, in the middle of an answer.
func TestPeers(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("ECLAT_PEER_DIR", dir)
	home := strings.TrimSpace(ok(t, "", "peer", "id"))
	args := []string{"run", "--device", "cpu", "-t", "1", "-n", "300", "--seed", "3", "--ignore-eos", "--proof", "--draft", "off"}
	proof := func(stderr string) string {
		return regexp.MustCompile(`sha256 [0-9a-f]{64}`).FindString(stderr)
	}
	text, stderr, _ := eclat(t, "", args...)
	want := proof(stderr)
	if want == "" {
		t.Fatalf("no proof in %q", stderr)
	}
	for _, signal := range []syscall.Signal{0, syscall.SIGKILL, syscall.SIGSTOP} {
		a, b, spare := newWorker(t, home), newWorker(t, home), newWorker(t, home)
		with := append(slices.Clone(args), "--peers", a.address+","+b.address, "--standby", spare.address, "--layers", "1,2,3")
		if signal == syscall.SIGKILL {
			with = append(with, "--check", "home")
		}
		victim := []*worker{a, b}[rand.IntN(2)]
		var once sync.Once
		got, errs := answerOf(t, command(with...), func(read int) {
			if read > 100 && signal != 0 {
				once.Do(func() { victim.cmd.Process.Signal(signal) })
			}
		})
		if p := proof(errs); p != want || got != text {
			t.Errorf("%v: %s, alone %s; %q, alone %q", signal, p, want, got, text)
		}
		if said := strings.Contains(errs, "takes the place of"); said != (signal != 0) {
			t.Errorf("%v: %s", signal, errs)
		}
		if said := strings.Contains(errs, "replay   layers"); said != (signal != 0) {
			t.Errorf("%v: is there a replay? %s", signal, errs)
		}
		if said := regexp.MustCompile(`checked  [0-9]{3} rows`).MatchString(errs); said != (signal == syscall.SIGKILL) {
			t.Errorf("%v: was anything checked? %s", signal, errs)
		}
	}
}

// TestPeersDraft: a model that drafts runs on this machine, also where the one that answers
// does not: the others need not have it.
func TestPeersDraft(t *testing.T) {
	t.Setenv("ECLAT_PEER_DIR", t.TempDir())
	home := strings.TrimSpace(ok(t, "", "peer", "id"))
	const name = "State of the Union 8M"
	other := bytes.Replace(testdata.Model, []byte(name), []byte(strings.Repeat("x", len(name))), 1)
	args := []string{"run", "--device", "cpu", "-t", "1", "-n", "60", "--seed", "3", "--ignore-eos", "--proof"}
	want, _, _ := eclat(t, "", args...)
	a := newWorker(t, home)
	text, stderr, code := eclat(t, "", append(args, "--peers", a.address, "--layers", "2,4", "--draft", put(t, "draft.gguf", string(other)))...)
	if code != 0 || text != want {
		t.Errorf("exit code %d, %q, alone %q; %s", code, text, want, stderr)
	}
}

// TestPeerCommands: who is not on the list is refused with what to do; a list and a key
// that are none are named.
func TestPeerCommands(t *testing.T) {
	t.Setenv("ECLAT_PEER_DIR", t.TempDir())
	w := newWorker(t, "nobody")
	id := strings.TrimSpace(ok(t, "", "peer", "id"))
	if again := strings.TrimSpace(ok(t, "", "peer", "id")); again != id {
		t.Errorf("the id is %s, then %s", id, again)
	}
	fails := func(code int, says string, args ...string) {
		t.Helper()
		_, stderr, got := eclat(t, "", args...)
		if got != code || !strings.Contains(stderr, says) || strings.Count(stderr, "\n") != 1 {
			t.Errorf("%v: exit %d, %q", args, got, stderr)
		}
	}
	fails(4, "eclat peer allow", "run", "-n", "1", "--peers", w.address)
	fails(2, "go with --peers", "run", "-n", "1", "--layers", "1,2")
	fails(2, "no peer's id", "peer", "allow", "me")
	fails(4, "nobody ", "run", "-n", "1", "--peers", w.address[strings.LastIndex(w.address, "/")+1:]+"@127.0.0.1:1")
	fails(4, "is this machine", "run", "-n", "1", "--peers", id+"@127.0.0.1:1")
	fails(1, "no-such-model", "peer", "serve", filepath.Join(t.TempDir(), "no-such-model"))
	ok(t, "", "peer", "allow", id, "this one")
	if text := ok(t, "", "peer", "list", "--wait", "1ms"); !strings.Contains(text, id+"  allowed  this one") {
		t.Errorf("the list is %q", text)
	}
}
