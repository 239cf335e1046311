package libp2p

import (
	"context"
	"net"
	"testing"
	"time"

	"eclat/peer"
)

// TestMany: who comes from one address as often as a script that runs one command after the
// other, or as many machines behind one NAT, is served. Loopback has no such limits, so the
// machine speaks to itself by an address of its own.
func TestMany(t *testing.T) {
	all, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	own := ""
	for _, a := range all {
		if n, ok := a.(*net.IPNet); ok && n.IP.To4() != nil && n.IP.IsGlobalUnicast() {
			own = n.IP.String()
		}
	}
	if own == "" {
		t.Skip("needs an IPv4 address of this machine that is not loopback")
	}
	w := newHost(t, Options{Listen: []string{own + ":0"}, Allow: func(string) bool { return true }})
	w.Handle("/test", func(s peer.Stream) { s.Close() })
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for _, kind := range []string{"/tcp/", "/quic"} {
		home := newHost(t, Options{})
		for i := range 24 { // one after the other
			s, err := home.Dial(ctx, at(t, w, kind), "/test")
			if err != nil {
				t.Fatalf("%s: the %d. connection: %v", kind, i+1, err)
			}
			s.Close()
			home.Forget(w.Self())
		}
	}
	for i := range 12 { // at a time
		if _, err := newHost(t, Options{}).Dial(ctx, at(t, w, "/tcp/"), "/test"); err != nil {
			t.Fatalf("the %d. of those who stay: %v", i+1, err)
		}
	}
}
