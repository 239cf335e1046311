package libp2p

import (
	"context"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"eclat/cpu"
	"eclat/engine"
	"eclat/loader"
	"eclat/model"
	"eclat/model/backendtest"
	"eclat/peer"
)

const builtIn = "../../testdata/sotu-8m-q4_k_m.gguf"

func newHost(t *testing.T, o Options) *Host {
	t.Helper()
	key, err := Key(filepath.Join(t.TempDir(), "peer.key"))
	if err != nil {
		t.Fatal(err)
	}
	o.Key = key
	h, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close() })
	return h
}

// newWorker serves the built-in model to one peer.
func newWorker(t *testing.T, who string) *Host {
	t.Helper()
	w := &peer.Worker{Models: []*model.Model{backendtest.Open(t, builtIn)}, Device: cpu.Devices(1)[0]}
	h := newHost(t, Options{Listen: []string{"127.0.0.1:0"}, Allow: func(id string) bool { return id == who }})
	w.Sign = h.Sign
	h.Handle(peer.Protocol, w.Serve)
	return h
}

// at is a host's address of a kind.
func at(t *testing.T, h *Host, kind string) string {
	t.Helper()
	for _, a := range h.Listening() {
		if strings.Contains(a, kind) {
			return a
		}
	}
	t.Fatalf("no %s among %q", kind, h.Listening())
	return ""
}

// TestNetwork: a model over two machines has the bits of one, over TCP and over QUIC; a
// machine that ends in the middle of an answer is replaced.
func TestNetwork(t *testing.T) {
	home := newHost(t, Options{})
	open := func(peers ...model.Device) *engine.Engine {
		f, err := loader.Open(builtIn)
		if err != nil {
			t.Fatal(err)
		}
		o := engine.Options{Device: "cpu", Threads: 1, Context: 256, Peers: peers}
		if len(peers) > 0 {
			o.Layers = []int{2, 4}
		}
		e, err := engine.Open(context.Background(), f, o)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { e.Close() })
		return e
	}
	proof := func(e *engine.Engine, each func(i int)) engine.Proof {
		i := 0
		st, err := e.Generate(context.Background(), engine.Request{Tokens: e.Prompt("Fellow citizens", false), MaxTokens: 30, IgnoreEOS: true, Proof: true},
			nil, func(int32) { i++; each(i) })
		if err != nil {
			t.Fatal(err)
		}
		return st.Proof
	}
	want := proof(open(), func(int) {})
	for _, kind := range []string{"/tcp/", "/quic"} {
		a, b := newWorker(t, home.Self()), newWorker(t, home.Self())
		d, err := peer.Find(context.Background(), peer.Device{Net: home, Verify: home.Verify, Preload: true, Peers: []string{at(t, a, kind), at(t, b, kind)}})
		if err != nil {
			t.Fatal(err)
		}
		e := open(d)
		got := proof(e, func(i int) {
			if i == 11 {
				a.Close()
			}
		})
		if got != want || e.Losses() != 1 {
			t.Errorf("%s: %s after %d losses, alone %s", kind, got, e.Losses(), want)
		}
	}
}

// TestSign: what a key signed is of that key, as a peer is named by an id or an address,
// and of no other, and of that text alone.
func TestSign(t *testing.T) {
	a, b := newHost(t, Options{}), newHost(t, Options{})
	text := []byte("eclat receipt 1: rows 32")
	sig, err := a.Sign(text)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{a.Self(), a.Self() + "@127.0.0.1:4711", "/ip4/127.0.0.1/tcp/4711/p2p/" + a.Self()} {
		if !b.Verify(name, text, sig) {
			t.Errorf("%s: not its signature", name)
		}
	}
	for name, wrong := range map[string]bool{
		"another key":     b.Verify(b.Self(), text, sig),
		"another text":    b.Verify(a.Self(), text[1:], sig),
		"a short one":     b.Verify(a.Self(), text, sig[1:]),
		"none":            b.Verify(a.Self(), text, nil),
		"nobody":          b.Verify("nobody", text, sig),
		"the empty name":  b.Verify("", text, sig),
		"another's again": a.Verify(b.Self(), text, sig),
	} {
		if wrong {
			t.Errorf("%s: taken for the signature", name)
		}
	}
}

// TestRefused: a machine whose id is not on the list, an address with another's id, and an
// address that nobody has: one line each, that says so.
func TestRefused(t *testing.T) {
	home, other := newHost(t, Options{}), newHost(t, Options{})
	w := newWorker(t, home.Self())
	for says, c := range map[string]struct {
		from *Host
		to   string
	}{
		"eclat peer allow": {other, at(t, w, "/tcp/")},
		"another key":      {home, strings.Replace(at(t, w, "/tcp/"), w.Self(), other.Self(), 1)},
		"nobody ":          {home, w.Self() + "@127.0.0.1:1"},
		"no peer":          {home, "hello"},
		"is no peer's id":  {home, "hello@127.0.0.1:1"},
	} {
		_, err := peer.Find(context.Background(), peer.Device{Net: c.from, Peers: []string{c.to}})
		if err == nil || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", says, err)
		}
	}
}

// TestKey: a key is made once, and refused where others may read it or where it is none.
func TestKey(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sub", "peer.key")
	a, err := Key(path)
	if err != nil {
		t.Fatal(err)
	}
	b, err := Key(path)
	if err != nil || !a.Equals(b) {
		t.Errorf("another key the second time: %v", err)
	}
	if runtime.GOOS != "windows" {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("mode %v, %v", info.Mode(), err)
		}
		os.Chmod(path, 0o644)
		if _, err := Key(path); err == nil || !strings.Contains(err.Error(), "others may read") {
			t.Errorf("a key that others may read: %v", err)
		}
	}
	os.WriteFile(path, []byte("no key"), 0o600)
	os.Chmod(path, 0o600)
	if _, err := Key(path); err == nil || !strings.Contains(err.Error(), "no key") {
		t.Errorf("no key: %v", err)
	}
}

// TestAllowList: ids are added and read again when the file changes; a list that is none
// allows nobody.
func TestAllowList(t *testing.T) {
	path := filepath.Join(t.TempDir(), "peers.allow")
	a, err := AllowList(path)
	if err != nil {
		t.Fatal(err)
	}
	who := newHost(t, Options{}).Self()
	if a.Allows(who) {
		t.Error("an empty list allows")
	}
	if err := a.Add(who, "laptop"); err != nil || !a.Allows(who) {
		t.Errorf("added: %v", err)
	}
	if err := a.Add("nobody", ""); err == nil {
		t.Error("no id is added")
	}
	if err := a.Add(who, "a\nb"); err == nil {
		t.Error("a name of two lines is added")
	}
	os.WriteFile(path, []byte("# all\n\nrubbish here\n"), 0o600)
	if a.Allows(who) {
		t.Error("a broken list allows")
	}
	if _, err := AllowList(path); err == nil || !strings.Contains(err.Error(), "line 3") {
		t.Errorf("a broken list: %v", err)
	}
}
