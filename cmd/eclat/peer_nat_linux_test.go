package main

import (
	"fmt"
	"net/netip"
	"regexp"
	"strings"
	"testing"
)

// TestPeerNAT: a worker and a coordinator behind a NAT each, which lets in only what answers,
// meet at a relay outside and then compute over a direct connection, QUIC's or where no UDP is
// let out TCP's: hardly a byte of it goes through the relay. Where a NAT takes another port for
// each destination nothing comes through directly, the relay carries all of it, and the program
// says so; one that does not carry leaves a clear error. Text and bits are those of one machine.
func TestPeerNAT(t *testing.T) {
	args := []string{"run", "--device", "cpu", "-t", "1", "-n", "150", "--seed", "3", "--ignore-eos", "--proof", "--draft", "off"}
	text, stderr, _ := eclat(t, "", args...)
	proof := regexp.MustCompile(`sha256 [0-9a-f]{64}, rows`)
	want := proof.FindString(stderr)
	for _, c := range []struct {
		name                      string
		dependent, tcpOnly, carry bool
		says                      string
	}{
		{"endpoint-independent", false, false, true, "was met at a relay and is connected directly"},
		{"no UDP", false, true, true, "was met at a relay and is connected directly"},
		{"symmetric", true, false, true, "no direct connection came about, a relay carries all of it"},
		{"one symmetric, no carry", true, false, false, "let the relay carry"},
	} {
		t.Run(c.name, func(t *testing.T) {
			outside := func(last byte) netip.Addr { return netip.AddrFrom4([4]byte{8, 97, 0, last}) } // addresses that count as public
			inside := netip.AddrFrom4([4]byte{192, 168, 1, 2})                                        // both have the same, as at home
			relay, worker, home := &site{inner: outside(1), outer: outside(1)},
				&site{inner: inside, outer: outside(2), dependent: c.dependent, tcpOnly: c.tcpOnly}, &site{inner: inside, outer: outside(3), dependent: c.dependent && c.carry, tcpOnly: c.tcpOnly}
			n := newInternet(t, relay, worker, home)
			rdir, rid := keyed(t)
			wdir, wid := keyed(t)
			hdir, hid := keyed(t)
			says(t, relay.name, rdir, false, "/tcp/4712/", "peer", "relay", "--allow", wid, "--allow", hid, fmt.Sprint("--carry=", c.carry))
			at := rid + "@" + relay.outer.String() + ":4712"
			_, met := says(t, worker.name, wdir, true, "met at ", "peer", "serve", "--device", "cpu", "-t", "1", "--mdns=false", "--allow", hid, "--relay", at)
			met = met[strings.Index(met, "met at ")+len("met at "):]
			cmd := command(append(args, "--layers", "2,4", "--peers", met)...)
			cmd.Env = append(cmd.Env, "ECLAT_PEER_DIR="+hdir)
			within(home.name, cmd)
			var got, errs strings.Builder
			cmd.Stdout, cmd.Stderr = &got, &errs
			err := cmd.Run()
			if (err == nil) != c.carry || !strings.Contains(errs.String(), c.says) {
				t.Errorf("%v: %s", err, errs.String())
			}
			direct, through := n.between(worker, home), n.between(home, relay)
			t.Logf("%d bytes came through directly, %d between coordinator and relay", direct, through)
			if !c.carry {
				return
			}
			if p := proof.FindString(errs.String()); p != want || got.String() != text {
				t.Errorf("%q, alone %q", p, want)
			}
			rows := int64(150 * 2 * 4 * 384) // of a token each, there and back
			switch {
			case c.dependent && (direct > 0 || through < rows):
				t.Errorf("%d bytes came through symmetric NATs, %d by the relay", direct, through)
			case !c.dependent && (direct < rows || through > rows/4):
				t.Errorf("%d bytes came through directly and %d by the relay, of %d", direct, through, rows)
			}
		})
	}
}
