package main

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"eclat/peer/delay"
)

// killed is a way in which a worker is lost.
type killed struct {
	name string
	do   func(w *worker, line *delay.Proxy)
}

var kills = []killed{
	{"killed", func(w *worker, _ *delay.Proxy) { w.cmd.Process.Signal(syscall.SIGKILL) }},
	{"stopped", func(w *worker, _ *delay.Proxy) { w.cmd.Process.Signal(syscall.SIGSTOP) }},
	{"parted", func(_ *worker, line *delay.Proxy) { line.Part(true) }},
}

// killSeeds are those that run: the first ones, two of each kind, or FIRST-LAST of
// ECLAT_TEST_KILLS.
func killSeeds(t *testing.T) (first, last uint64) {
	const variable = "ECLAT_TEST_KILLS"
	text := os.Getenv(variable)
	if text == "" {
		t.Run("the_others", func(t *testing.T) { t.Skipf("%s=0-99 loses a worker a hundred times", variable) })
		return 0, uint64(2*len(kills) - 1)
	}
	if _, err := fmt.Sscanf(text, "%d-%d", &first, &last); err != nil || last < first {
		t.Fatalf("%s is %q, no range like 0-99", variable, text)
	}
	return first, last
}

// behind is a worker's address by way of a proxy.
func behind(t *testing.T, w *worker) (address string, line *delay.Proxy) {
	t.Helper()
	at := regexp.MustCompile(`^/ip4/([0-9.]+)/tcp/([0-9]+)/p2p/(.+)$`).FindStringSubmatch(w.address)
	if at == nil {
		t.Fatalf("a worker's address is %q", w.address)
	}
	line, err := delay.Listen(net.JoinHostPort(at[1], at[2]), delay.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { line.Close() })
	return at[3] + "@" + line.Addr(), line
}

// TestPeerKills: one of two workers is killed, stopped or parted from the network at a
// random place of an answer, drafted or plain, however the model is cut, with one that
// stands by: the answer is complete, and its tokens and logits have the hash of one machine.
func TestPeerKills(t *testing.T) {
	t.Setenv("ECLAT_PEER_DIR", t.TempDir())
	home := strings.TrimSpace(ok(t, "", "peer", "id"))
	args := []string{"run", "--device", "cpu", "-t", "1", "-n", "300", "--seed", "3", "--ignore-eos", "--proof"}
	sum := regexp.MustCompile(`sha256 [0-9a-f]{64}, rows`)
	text, stderr, _ := eclat(t, "", append(args, "--draft", "off")...)
	want := sum.FindString(stderr)
	if want == "" {
		t.Fatalf("no proof in %q", stderr)
	}
	longest := map[string]time.Duration{}
	first, last := killSeeds(t)
	noticed := 0
	for seed := first; seed <= last; seed++ {
		r := rand.New(rand.NewPCG(seed, 14))
		how := kills[seed%uint64(len(kills))]
		own, far := r.IntN(5), 1
		far += r.IntN(6 - own - 1)
		drafts := []string{"off", "auto"}[r.IntN(2)]
		at, victim := 1+r.IntN(len(text)*3/4), r.IntN(2)
		t.Run(fmt.Sprintf("%d_%s", seed, how.name), func(t *testing.T) {
			var workers []*worker
			var addresses []string
			var lines []*delay.Proxy
			for range 3 {
				w := newWorker(t, home)
				address, line := behind(t, w)
				workers, addresses, lines = append(workers, w), append(addresses, address), append(lines, line)
			}
			cmd := command(append(args, "--draft", drafts, "--peers", addresses[0]+","+addresses[1], "--standby", addresses[2],
				"--layers", fmt.Sprintf("%d,%d,%d", own, far, 6-own-far))...)
			var lost, heard time.Time
			var gap time.Duration
			got, said := answerOf(t, cmd, func(read int) {
				now := time.Now()
				if !lost.IsZero() {
					gap = max(gap, now.Sub(heard))
				}
				if heard = now; read >= at && lost.IsZero() {
					lost = now
					how.do(workers[victim], lines[victim])
				}
			})
			if p := sum.FindString(said); p != want || got != text {
				t.Errorf("worker %d at byte %d, %d and %d layers, drafts %s: %s, alone %s; %q, alone %q; %s", victim, at, own, far, drafts, p, want, got, text, said)
			}
			taken := strings.Contains(said, "takes the place of")
			if taken != strings.Contains(said, "replay   layers") {
				t.Errorf("a place was taken: %v, and is there a replay? %s", taken, said)
			}
			if taken {
				noticed++
				longest[how.name] = max(longest[how.name], gap)
			}
			t.Logf("worker %d at byte %d of %d, cut as %d, %d, drafts %s: noticed %v, silent for %v", victim, at, len(text), own, far, drafts, taken, gap.Round(time.Millisecond))
		})
	}
	if all := int(last - first + 1); noticed < (all+1)/2 {
		t.Errorf("of %d losses %d came while the answer did", all, noticed)
	}
	t.Logf("%d of %d losses came while the answer did; the longest silence of each kind: %v", noticed, last-first+1, longest)
}
