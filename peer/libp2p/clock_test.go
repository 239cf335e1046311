package libp2p

import (
	"context"
	"io"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"eclat/peer"
)

// TestClockSkew: a worker whose clock is decades behind is reached as any other. Over QUIC,
// whose certificates have dates, it is not, and where that way alone is given the error says
// what may be the matter. The worker lives in a bubble, whose clock stands at the year 2000.
func TestClockSkew(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	home := newHost(t, Options{})
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	listen := free.Addr().String()
	free.Close()
	worker, done := make(chan *Host), make(chan struct{})
	ask := func(to string) error {
		s, err := home.Dial(ctx, to, "/test")
		if err != nil {
			return err
		}
		defer s.Close()
		if _, err := s.Write([]byte("x")); err != nil {
			return err
		}
		_, err = io.ReadFull(s, make([]byte, 1))
		return err
	}
	go func() {
		defer close(done)
		w, ok := <-worker
		if !ok {
			return
		}
		if err := ask(at(t, w, "/quic-v1")); err == nil || !strings.Contains(err.Error(), "Do the clocks of both machines agree") || strings.Contains(err.Error(), "\n") {
			t.Errorf("over QUIC: %v", err)
		}
		home.Forget(w.Self())
		for _, to := range []string{w.Self() + "@" + listen, at(t, w, "/tcp/")} {
			if err := ask(to); err != nil {
				t.Errorf("%s: %v", to, err)
			}
			home.Forget(w.Self())
		}
	}()
	synctest.Test(t, func(t *testing.T) {
		defer func() { close(worker); <-done }()
		if time.Now().Year() > 2000 {
			t.Fatalf("the clock says %v", time.Now())
		}
		key, err := Key(filepath.Join(t.TempDir(), "peer.key"))
		if err != nil {
			t.Fatal(err)
		}
		w, err := New(Options{Key: key, Listen: []string{listen}, Allow: func(id string) bool { return id == home.Self() }})
		if err != nil {
			t.Fatal(err)
		}
		defer w.Close()
		w.Handle("/test", func(s peer.Stream) {
			io.Copy(s, s)
			s.Close()
		})
		worker <- w
		<-done
	})
}
