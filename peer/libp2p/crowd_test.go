package libp2p

import (
	"context"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"

	"eclat/cpu"
	"eclat/model"
	"eclat/model/backendtest"
	"eclat/peer"
)

// TestCrowd: while a listed coordinator opens a thousand streams that say nothing, and hundreds
// of connections that say nothing, or rubbish, lie at a worker's port, a coordinator that is
// connected is served, and one that comes is soon, when those who do not say who they are have
// been dropped; when all have gone no goroutine and no session of theirs is left.
func TestCrowd(t *testing.T) {
	home, crowd, late := newHost(t, Options{}), newHost(t, Options{}), newHost(t, Options{})
	w := &peer.Worker{Models: []*model.Model{backendtest.Open(t, builtIn)}, Device: cpu.Devices(1)[0]}
	h := newHost(t, Options{Listen: []string{"127.0.0.1:0"}, Allow: func(id string) bool { return id == home.Self() || id == crowd.Self() || id == late.Self() }})
	h.Handle(peer.Protocol, w.Serve)
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	ask := func(who *Host) error {
		_, err := peer.Ask(ctx, who, at(t, h, "/tcp/"))
		return err
	}
	if err := ask(home); err != nil {
		t.Fatal(err)
	}
	gone := func() bool { n, _ := w.Sessions(); return n == 0 }
	until(t, "no session before", gone)
	before := runtime.NumGoroutine()
	m, err := multiaddr.NewMultiaddr(strings.Split(at(t, h, "/tcp/"), "/p2p/")[0])
	if err != nil {
		t.Fatal(err)
	}
	_, port, err := manet.DialArgs(m)
	if err != nil {
		t.Fatal(err)
	}
	opened := 0
	for range 1000 {
		if _, err := crowd.Dial(ctx, at(t, h, "/tcp/"), peer.Protocol); err != nil {
			break
		}
		opened++
	}
	if opened < 32 {
		t.Errorf("only %d streams could be opened", opened)
	}
	var raw []net.Conn
	for i := range 400 {
		c, err := net.Dial("tcp", port)
		if err != nil {
			continue // it takes no more
		}
		if i%2 == 1 {
			c.Write([]byte("\x13/multistream/1.0.0\n" + strings.Repeat("\xff", 200)))
		}
		raw = append(raw, c)
	}
	if len(raw) < 100 {
		t.Fatalf("only %d connections", len(raw))
	}
	if err := ask(home); err != nil {
		t.Errorf("beside %d connections and %d streams: %v", len(raw), opened, err)
	}
	t.Logf("%d connections, %d streams, %d goroutines, %d before", len(raw), opened, runtime.NumGoroutine(), before)
	until(t, "one that comes", func() bool { return ask(late) == nil })
	for _, c := range raw {
		c.Close()
	}
	crowd.Close()
	late.Close()
	until(t, "no session after", gone)
	until(t, "no goroutine after", func() bool { return runtime.NumGoroutine() <= before })
}
