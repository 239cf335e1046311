package main

import (
	"io"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestPeerLease: what a worker holds for a coordinator hangs on its connection. One coordinator
// is stopped and another parted from the network, each in the middle of an answer: in a
// minute or two the worker has no session and no memory of theirs any more, and serves the next.
func TestPeerLease(t *testing.T) {
	if testing.Short() {
		t.Skip("waits until connections are known to be dead, half a minute; left out with -short")
	}
	n := newNetworks(t, 3)
	n.slow(3, "2mbit") // so that the answers last
	here, asking := keyed(t)
	t.Setenv("ECLAT_PEER_DIR", here)
	stoppedDir, stopped := keyed(t)
	partedDir, parted := keyed(t)
	_, id := n.serves(1, asking, "--allow", stopped, "--allow", parted, "--mdns=false")
	at := id + "@10.97.0.2:4711"
	begin := func(machine int, dir string) (stop func(syscall.Signal)) {
		t.Helper()
		cmd := command("run", "--device", "cpu", "-t", "1", "-n", "1500", "-c", "2048", "--seed", "3", "--ignore-eos", "--draft", "off", "--peers", at, "--layers", "2,4")
		cmd.Env = append(cmd.Env, "ECLAT_PEER_DIR="+dir)
		within(n.name(machine), cmd)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
		if _, err := io.ReadFull(out, make([]byte, 20)); err != nil {
			t.Fatal(err)
		}
		go io.Copy(io.Discard, out)
		return func(s syscall.Signal) { cmd.Process.Signal(s) }
	}
	status := func() string {
		t.Helper()
		cmd := command("peer", "status", at)
		within(n.name(1), cmd)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		for line := range strings.Lines(string(out)) {
			if strings.Contains(line, " sessions with ") {
				return strings.TrimSpace(line)
			}
		}
		t.Fatalf("status says %q", out)
		return ""
	}
	begin(0, partedDir)
	stop := begin(2, stoppedDir)
	if s := status(); !strings.HasPrefix(s, "2 sessions") {
		t.Errorf("while both are served: %s", s)
	}
	stop(syscall.SIGSTOP)
	n.cut(0, "down")
	s := ""
	for range 120 {
		if s = status(); strings.HasPrefix(s, "0 sessions with 0 MiB") {
			break
		}
		time.Sleep(time.Second)
	}
	if !strings.HasPrefix(s, "0 sessions with 0 MiB") {
		t.Errorf("two minutes after both have gone: %s", s)
	}
	stop(syscall.SIGKILL)
	cmd := command("run", "--device", "cpu", "-t", "1", "-n", "5", "--peers", at, "--layers", "2,4")
	within(n.name(1), cmd)
	if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "layers 2–5") {
		t.Errorf("the next: %v: %s", err, out)
	}
}
