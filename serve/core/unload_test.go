package core

import (
	"context"
	"errors"
	"testing"
	"time"

	"eclat/engine"
)

// TestLoadUnload: a model is loaded and unloaded on request; one in use is not unloaded,
// one that is only looked at is.
func TestLoadUnload(t *testing.T) {
	r := registry(t, &opened{}, 0, "a", "broken")
	if err := r.Load("z"); Of(err).Status != 404 {
		t.Errorf("an unknown model: %v", err)
	}
	for range 2 {
		if err := r.Load("a"); err != nil {
			t.Fatal(err)
		}
	}
	l, err := r.Acquire(context.Background(), "a")
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Unload("a"); Of(err).Status != 409 {
		t.Errorf("a model in use: %v", err)
	}
	l.Release()
	looking, look := make(chan bool), make(chan bool)
	go r.Each(func(m *Model) {
		looking <- true
		<-look
		if _, err := m.Engine.Counters(context.Background()); err != nil {
			t.Errorf("it is closed while somebody looks: %v", err)
		}
	})
	<-looking
	unloaded := make(chan error, 1)
	go func() { unloaded <- r.Unload("a") }()
	for s := ""; s != "unloaded unloaded"; s = states(r) {
		time.Sleep(time.Millisecond)
	}
	close(look)
	if err := <-unloaded; err != nil {
		t.Error(err)
	}
	if err := r.Unload("a"); err != nil {
		t.Errorf("what is not loaded: %v", err)
	}
	use(t, r, "a")
	if err := r.Load("broken"); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Acquire(context.Background(), "broken"); err == nil {
		t.Error("a broken file")
	}
	if err := r.Unload("broken"); err != nil || states(r) != "loaded unloaded" {
		t.Errorf("%v, %s", err, states(r))
	}
	r.Close()
	if err := r.Load("a"); !errors.Is(err, engine.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}
