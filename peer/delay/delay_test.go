package delay

import (
	"bytes"
	"io"
	"math/rand/v2"
	"net"
	"testing"
	"time"
)

// echoing listens and sends back what comes.
func echoing(t *testing.T) net.Listener {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { io.Copy(c, c); c.Close() }()
		}
	}()
	return l
}

// TestPart: while the two sides are parted nothing comes through, and who connects hears
// nothing; what waited comes when they are joined. Close ends what waits.
func TestPart(t *testing.T) {
	p, err := Listen(echoing(t).Addr().String(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	var conns []net.Conn
	dial := func() net.Conn {
		c, err := net.Dial("tcp", p.Addr())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		conns = append(conns, c)
		return c
	}
	buf := make([]byte, 1)
	first := dial()
	first.Write(buf)
	if _, err := first.Read(buf); err != nil {
		t.Fatal(err)
	}
	p.Part(true)
	dial()
	for i, c := range conns {
		c.Write(buf)
		c.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
		if n, err := c.Read(buf); n > 0 || err == nil {
			t.Errorf("parted, connection %d hears %d bytes, %v", i, n, err)
		}
	}
	p.Part(false)
	for i, c := range conns {
		c.SetReadDeadline(time.Now().Add(time.Minute))
		if _, err := c.Read(buf); err != nil {
			t.Errorf("joined, connection %d hears %v", i, err)
		}
	}
	p.Part(true)
	first.Write(buf)
	if err := p.Close(); err != nil {
		t.Error(err)
	}
}

// TestProxy: what goes through comes out whole and in order, in both directions, and no
// sooner than the delay.
func TestProxy(t *testing.T) {
	const delay = 20 * time.Millisecond
	p, err := Listen(echoing(t).Addr().String(), Options{Delay: delay, Rate: 50e6})
	if err != nil {
		t.Fatal(err)
	}
	c, err := net.Dial("tcp", p.Addr())
	if err != nil {
		t.Fatal(err)
	}
	want := make([]byte, 1<<20)
	r := rand.New(rand.NewPCG(1, 2))
	for i := range want {
		want[i] = byte(r.Uint32())
	}
	start := time.Now()
	go func() { c.Write(want); c.(*net.TCPConn).CloseWrite() }()
	got, err := io.ReadAll(c)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("%d bytes of %d came back: %v", len(got), len(want), err)
	}
	if took := time.Since(start); took < 2*delay {
		t.Errorf("there and back in %v", took)
	}
	c.Close()
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	if _, err := net.Dial("tcp", p.Addr()); err == nil {
		t.Error("a closed proxy is connected to")
	}
}
