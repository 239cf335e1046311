package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"
)

// networks are machines of their own, as far as the network goes: namespaces on a bridge.
type networks struct {
	t      *testing.T
	prefix string
}

// sh runs a command of iproute2.
func sh(args ...string) error {
	out, err := exec.Command(args[0], args[1:]...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w: %s", strings.Join(args, " "), err, bytes.TrimSpace(out))
	}
	return nil
}

// newNetworks makes so many, of addresses 10.97.0.1 and on, or skips where it may not.
func newNetworks(t *testing.T, count int) *networks {
	t.Helper()
	n := &networks{t, fmt.Sprintf("ecl%d", os.Getpid()%10000)}
	hub := n.prefix + "h"
	t.Cleanup(func() {
		for i := range count {
			exec.Command("ip", "netns", "del", n.name(i)).Run()
		}
		exec.Command("ip", "netns", "del", hub).Run()
	})
	steps := [][]string{{"ip", "netns", "add", hub}, {"ip", "-n", hub, "link", "add", "br0", "type", "bridge"}, {"ip", "-n", hub, "link", "set", "br0", "up"}}
	for i := range count {
		ns, port := n.name(i), fmt.Sprint("p", i)
		steps = append(steps, []string{"ip", "netns", "add", ns},
			[]string{"ip", "-n", hub, "link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", ns},
			[]string{"ip", "-n", hub, "link", "set", port, "master", "br0", "up"},
			[]string{"ip", "-n", ns, "addr", "add", fmt.Sprintf("10.97.0.%d/24", i+1), "dev", "eth0"},
			[]string{"ip", "-n", ns, "link", "set", "lo", "up"}, []string{"ip", "-n", ns, "link", "set", "eth0", "up"})
	}
	for _, s := range steps {
		if err := sh(s...); err != nil {
			t.Skipf("needs root, and iproute2 with network namespaces and bridges: %v", err)
		}
	}
	return n
}

func (n *networks) name(i int) string { return n.prefix + fmt.Sprint("n", i) }

// cut parts a machine from the others, or joins it again.
func (n *networks) cut(i int, state string) {
	if err := sh("ip", "-n", n.prefix+"h", "link", "set", fmt.Sprint("p", i), state); err != nil {
		n.t.Error(err)
	}
}

// says starts a command in a namespace, with a folder of its own for its key, and returns it
// with the first line that has a word in it, of stdout or of stderr.
func says(t *testing.T, namespace, dir string, stderr bool, word string, args ...string) (*exec.Cmd, string) {
	t.Helper()
	cmd := command(args...)
	cmd.Env = append(cmd.Env, "ECLAT_PEER_DIR="+dir)
	within(namespace, cmd)
	pipe := cmd.StdoutPipe
	if stderr {
		pipe = cmd.StderrPipe
	}
	out, err := pipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	var all strings.Builder
	for lines := bufio.NewReader(out); ; {
		line, err := lines.ReadString('\n')
		all.WriteString(line)
		if strings.Contains(line, word) {
			go io.Copy(io.Discard, lines)
			return cmd, strings.TrimSpace(line)
		}
		if err != nil {
			t.Fatalf("%v say nothing of %q: %s", args, word, all.String())
		}
	}
}

// within lets a command run in a namespace.
func within(name string, cmd *exec.Cmd) {
	cmd.Args = append([]string{"nsenter", "--net=/run/netns/" + name, cmd.Path}, cmd.Args[1:]...)
	cmd.Path, _ = exec.LookPath("nsenter")
}

// serves starts a worker on a machine, which lets home come, and returns its id.
func (n *networks) serves(i int, home string, args ...string) (cmd *exec.Cmd, id string) {
	n.t.Helper()
	key, id := keyed(n.t)
	cmd, _ = says(n.t, n.name(i), key, false, "/tcp/", append([]string{"peer", "serve", "--device", "cpu", "-t", "1", "--listen", fmt.Sprintf("10.97.0.%d:4711", i+1), "--allow", home}, args...)...)
	return cmd, id
}

// slow limits the lines of all machines to a rate.
func (n *networks) slow(count int, rate string) {
	for i := range count {
		if err := sh("tc", "-n", n.name(i), "qdisc", "add", "dev", "eth0", "root", "tbf", "rate", rate, "burst", "32kbit", "latency", "400ms"); err != nil {
			n.t.Skipf("slow lines: %v", err)
		}
	}
}

// multicast lets machines find each other.
func (n *networks) multicast(count int) {
	for i := range count {
		if err := sh("ip", "-n", n.name(i), "route", "add", "224.0.0.0/4", "dev", "eth0"); err != nil {
			n.t.Fatal(err)
		}
	}
}

// TestPeerNetworks: a worker that is parted from the network in the middle of an answer is
// replaced, comes back when the network is whole again and replaces the other; over slow
// lines the text is the same.
func TestPeerNetworks(t *testing.T) {
	n := newNetworks(t, 3)
	dir, home := keyed(t)
	t.Setenv("ECLAT_PEER_DIR", dir)
	var at []string
	for i := 1; i < 3; i++ {
		_, id := n.serves(i, home, "--mdns=false")
		at = append(at, fmt.Sprintf("%s@10.97.0.%d:4711", id, i+1))
	}
	args := []string{"run", "--device", "cpu", "-t", "1", "-n", "900", "-c", "1024", "--seed", "3", "--ignore-eos", "--proof", "--draft", "off"}
	text, stderr, _ := eclat(t, "", args...)
	sum := regexp.MustCompile(`sha256 [0-9a-f]{64}, rows`)
	want := sum.FindString(stderr)
	run := func(each func(read int)) {
		t.Helper()
		cmd := command(append(args, "--peers", at[0], "--standby", at[1], "--layers", "2,4")...)
		within(n.name(0), cmd)
		got, errs := answerOf(t, cmd, each)
		if p := sum.FindString(errs); p != want || got != text {
			t.Errorf("%q, alone %q; %s", p, want, errs)
		}
	}
	parted, back := false, false
	run(func(read int) {
		switch {
		case read > 100 && !parted:
			parted = true
			n.cut(1, "down")
		case read > 800 && !back:
			back = true
			n.cut(1, "up")
			n.cut(2, "down")
		}
	})
	n.cut(2, "up")
	n.slow(3, "20mbit")
	run(func(int) {})
}

// TestPeerAuto: machines on the list that the local network shows are found, others of the
// network are not asked; with nobody there it is said what to do.
func TestPeerAuto(t *testing.T) {
	n := newNetworks(t, 3)
	dir, home := keyed(t)
	t.Setenv("ECLAT_PEER_DIR", dir)
	n.multicast(3)
	var ids []string
	for i := 1; i < 3; i++ {
		_, id := n.serves(i, home)
		ids = append(ids, id)
	}
	here := func(args ...string) (string, error) {
		cmd := command(args...)
		within(n.name(0), cmd)
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	run := []string{"run", "--device", "cpu", "-t", "1", "-n", "5", "--peers", "auto", "--layers", "2,4"}
	if out, err := here(run...); err == nil || !strings.Contains(out, "eclat peer allow") {
		t.Errorf("nobody is on the list: %v, %s", err, out)
	}
	ok(t, "", "peer", "allow", ids[1], "the second")
	if out, err := here(run...); err != nil || !strings.Contains(out, "layers 2–5") {
		t.Errorf("%v, %s", err, out)
	}
	if out, err := here("peer", "status"); err != nil || !strings.Contains(out, ids[1]) || strings.Contains(out, ids[0]) {
		t.Errorf("%v, %s", err, out)
	}
}

// TestPeerAdded: a worker that comes while an answer is computed by another is found on the
// local network, and takes over when that one is told to end (SIGTERM): no token is lost, the
// text and its bits are those of one machine, and the one that left ends well and in time.
func TestPeerAdded(t *testing.T) {
	n := newNetworks(t, 3)
	dir, home := keyed(t)
	t.Setenv("ECLAT_PEER_DIR", dir)
	n.multicast(3)
	n.slow(3, "1mbit") // so that the answer takes ten seconds
	args := []string{"run", "--device", "cpu", "-t", "1", "-n", "900", "-c", "1024", "--seed", "3", "--ignore-eos", "--proof", "--draft", "off"}
	text, stderr, _ := eclat(t, "", args...)
	sum := regexp.MustCompile(`sha256 [0-9a-f]{64}, rows`)
	want := sum.FindString(stderr)
	first, id := n.serves(1, home, "--patience", "1m")
	ok(t, "", "peer", "allow", id, "the first")
	cmd := command(append(args, "--peers", "auto", "--layers", "2,4")...)
	within(n.name(0), cmd)
	added := ""
	got, said := answerOf(t, cmd, func(read int) {
		if read < 100 || added != "" {
			return
		}
		_, added = n.serves(2, home)
		ok(t, "", "peer", "allow", added, "the second")
		first.Process.Signal(syscall.SIGTERM)
	})
	if p := sum.FindString(said); p != want || got != text {
		t.Errorf("%q, alone %q; %s", p, want, said)
	}
	if !strings.Contains(said, "is leaving") || !strings.Contains(said, "takes the place of") {
		t.Errorf("nobody left, or nobody came: %s", said)
	}
	if err := first.Wait(); err != nil {
		t.Errorf("the worker that left: %v", err)
	}
}
