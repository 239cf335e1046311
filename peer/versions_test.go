package peer

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"eclat/engine"
	"eclat/model"
	"eclat/model/numerics"
)

// TestVersions: a worker and a coordinator of another definition of numbers, or of another
// release that writes another plan, each say so in a line before anything is computed.
func TestVersions(t *testing.T) {
	w := hostile(t)
	sum, _ := ModelSum(w.Models[0])
	for name, said := range map[string][]byte{
		"the definition of numbers is": frame(&request{Op: opHello, Hello: &hello{numerics.Version + 1, sum}}, nil),
		"both sides need the same release": append(frame(&request{Op: opHello, Hello: &hello{numerics.Version, sum}}, nil),
			frame(&request{Seq: 10, Op: opLoad, Load: &load{Stage: model.Stage{First: 4, End: 6}, Room: model.Room{Pages: 4, Seqs: 1, Chunk: 8}, Plan: "another"}}, nil)...),
	} {
		if answer := talkTo(w, said); !bytes.Contains(answer, []byte(name)) {
			t.Errorf("%s: %.600q", name, answer)
		}
	}
	l := &lan{}
	old := l.join("old")
	old.Handle(Protocol, func(s Stream) {
		f := frames{rw: s}
		var r request
		f.read(&r, nil, 0)
		f.write(&reply{Seq: r.Seq, Hello: &welcome{hello: hello{Numbers: numerics.Version - 1}}}, nil)
	})
	_, err := Find(context.Background(), Device{Net: l.join("home"), Peers: []string{"old"}})
	if err == nil || !strings.Contains(err.Error(), "no hello of the same definition of numbers") || strings.Contains(err.Error(), "\n") {
		t.Errorf("an older worker: %v", err)
	}
}

// TestKeyTwice: two programs of one machine may use its key at a time; another machine with
// the same key is told so, and the first is served as before.
func TestKeyTwice(t *testing.T) {
	l := &lan{}
	work(t, l, "a", builtIn)
	open := func(address string) (*Device, error) {
		home := l.join("home")
		home.address = address
		return Find(context.Background(), Device{Net: home, Peers: []string{"a"}})
	}
	first, err := open("10.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	e := openEngine(t, builtIn, engine.Options{Layers: []int{2, 4}, Peers: []model.Device{first}})
	want := proof(t, e, 10, nil)
	if _, err := open("10.0.0.1"); err != nil {
		t.Errorf("the same machine: %v", err)
	}
	if _, err := open("10.0.0.2"); err == nil || !strings.Contains(err.Error(), "this key is used from 10.0.0.1 too") {
		t.Errorf("another machine: %v", err)
	}
	if got := proof(t, e, 10, nil); got != want {
		t.Errorf("the first afterwards: %s, before %s", got, want)
	}
}
