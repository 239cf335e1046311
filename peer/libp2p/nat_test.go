package libp2p

import (
	"context"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"eclat/cpu"
	"eclat/engine"
	"eclat/loader"
	"eclat/loader/manifest"
	"eclat/model"
	"eclat/model/backendtest"
	"eclat/peer"
)

// until waits for something that takes the network's time.
func until(t *testing.T, what string, is func() bool) {
	t.Helper()
	for range 600 {
		if is() {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Fatalf("%s: not in a minute", what)
}

// allowList is a list that grows while it is asked.
type allowList struct {
	mu  sync.Mutex
	ids []string
}

func (a *allowList) add(id string) { a.mu.Lock(); defer a.mu.Unlock(); a.ids = append(a.ids, id) }
func (a *allowList) has(id string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Contains(a.ids, id)
}

// TestRelay: a worker that is known by its place at a relay alone is met there, and then
// computes over a direct connection; who is not on the relay's list gets no place and meets
// nobody.
func TestRelay(t *testing.T) {
	var allowed allowList
	r := newHost(t, Options{Listen: []string{"127.0.0.1:0"}, Relay: true, Allow: allowed.has})
	relay := at(t, r, "/tcp/")
	home := newHost(t, Options{Relays: []string{relay}})
	other := newHost(t, Options{Relays: []string{relay}})
	w := &peer.Worker{Models: []*model.Model{backendtest.Open(t, builtIn)}, Device: cpu.Devices(1)[0]}
	behind := func(listed bool) *Host { // on the relay's list before it asks there
		path := filepath.Join(t.TempDir(), "peer.key")
		key, err := Key(path)
		if err != nil {
			t.Fatal(err)
		}
		if id, _ := ID(key); listed {
			allowed.add(id)
		}
		h, err := New(Options{Key: key, Listen: []string{"127.0.0.1:0"}, Relays: []string{relay}, Allow: func(id string) bool { return id == home.Self() }})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { h.Close() })
		h.Handle(peer.Protocol, w.Serve)
		return h
	}
	allowed.add(home.Self())
	listed, unlisted := behind(true), behind(false)
	until(t, "a place at the relay", func() bool { all, _ := listed.Relayed(); return len(all) > 0 })
	until(t, "a refusal", func() bool { _, err := unlisted.Relayed(); return err != nil })
	if all, err := unlisted.Relayed(); len(all) > 0 || strings.Contains(err.Error(), "\n") {
		t.Errorf("who is not on the relay's list has a place: %v, %v", all, err)
	}
	met, _ := listed.Relayed()
	address := met[0]
	d, err := peer.Find(context.Background(), peer.Device{Net: home, Peers: []string{address}})
	if err != nil {
		t.Fatal(err)
	}
	f, err := loader.Open(builtIn)
	if err != nil {
		t.Fatal(err)
	}
	e, err := engine.Open(context.Background(), f, engine.Options{Device: "cpu", Threads: 1, Context: 256, Peers: []model.Device{d}, Layers: []int{2, 4}})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	if _, err := e.Generate(context.Background(), engine.Request{Tokens: e.Prompt("Fellow citizens", false), MaxTokens: 10, IgnoreEOS: true}, nil, nil); err != nil {
		t.Error(err)
	}
	if _, err := peer.Find(context.Background(), peer.Device{Net: other, Peers: []string{address}}); err == nil || strings.Contains(err.Error(), "\n") {
		t.Errorf("who is not on the relay's list: %v", err)
	}
	if _, err := New(Options{Key: nil, Relays: []string{"hello"}}); err == nil {
		t.Error("a relay that is none")
	}
}

// TestDirectory: a manifest's id leads to who offers it, among machines that let each other
// come; one that nobody offers leads nowhere.
func TestDirectory(t *testing.T) {
	all := func(string) bool { return true }
	r := newHost(t, Options{Listen: []string{"127.0.0.1:0"}, Allow: all})
	worker := newHost(t, Options{Listen: []string{"127.0.0.1:0"}, Allow: all})
	home := newHost(t, Options{})
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	known := []string{at(t, r, "/tcp/")}
	join := func(h *Host, known []string, serve bool) *Directory {
		d, err := h.Join(ctx, known, serve)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { d.Close() })
		return d
	}
	join(r, nil, true)
	offers, asks := join(worker, known, true), join(home, known, false)
	id := manifest.Sum{1, 2, 3}
	until(t, "an offer", func() bool { return offers.Offer(ctx, id) == nil })
	var who []string
	until(t, "an answer", func() bool {
		var err error
		who, err = asks.Who(ctx, id, 4)
		return err == nil && len(who) > 0
	})
	if len(who) != 1 || who[0] != worker.Self() {
		t.Errorf("%v offer it, it is %s", who, worker.Self())
	}
	if s, err := home.Dial(ctx, who[0], "/none"); err == nil || !strings.Contains(err.Error(), "no eclat of this release") {
		t.Errorf("its address is not known: %v, %v", s, err)
	}
	if who, err := asks.Who(ctx, manifest.Sum{9}, 4); err != nil || len(who) > 0 {
		t.Errorf("nobody offers it: %v, %v", who, err)
	}
	if _, err := home.Join(ctx, []string{newHost(t, Options{}).Self() + "@127.0.0.1:1"}, false); err == nil || !strings.Contains(err.Error(), "none of the 1 machines") {
		t.Errorf("nobody knows the directory: %v", err)
	}
}
