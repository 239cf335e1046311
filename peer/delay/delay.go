// Package delay is a TCP proxy that makes a loopback as slow as a network: what goes
// through it comes out later, and at a rate. Tests and benchmarks of several machines on
// one use it. A Proxy serves any number of connections, each with a goroutine to read and
// one to write in each direction.
package delay

import (
	"net"
	"sync"
	"time"
)

// Proxy forwards connections.
type Proxy struct {
	l    net.Listener
	to   string
	o    Options
	mu   sync.Mutex
	open map[net.Conn]bool
	over bool
	gate *sync.Cond // of what waits while it is parted
	cut  bool
	wg   sync.WaitGroup
}

// Options say how slow it is.
type Options struct {
	Delay time.Duration // in each direction
	Rate  float64       // bytes a second in each direction; 0 for no limit
}

// Listen forwards what comes to a port of the loopback.
func Listen(to string, o Options) (*Proxy, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &Proxy{l: l, to: to, o: o, open: map[net.Conn]bool{}}
	p.gate = sync.NewCond(&p.mu)
	p.wg.Go(p.accept)
	return p, nil
}

// Addr is the HOST:PORT to connect to.
func (p *Proxy) Addr() string { return p.l.Addr().String() }

// Part parts the two sides, or joins them again: meanwhile connections stay, new ones are
// taken, and nothing comes through, as behind a cable that was pulled.
func (p *Proxy) Part(cut bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cut = cut
	p.gate.Broadcast()
}

// pass waits until the two sides are joined.
func (p *Proxy) pass() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.cut && !p.over {
		p.gate.Wait()
	}
}

// Close ends all connections.
func (p *Proxy) Close() error {
	err := p.l.Close()
	p.mu.Lock()
	p.over = true
	p.gate.Broadcast()
	for c := range p.open {
		c.Close()
	}
	p.mu.Unlock()
	p.wg.Wait()
	return err
}

func (p *Proxy) accept() {
	for {
		from, err := p.l.Accept()
		if err != nil {
			return
		}
		to, err := net.Dial("tcp", p.to)
		if err != nil || !p.keep(from, to) {
			from.Close()
			if to != nil {
				to.Close()
			}
			continue
		}
		p.wg.Go(func() {
			var both sync.WaitGroup
			both.Go(func() { p.forward(from, to) })
			both.Go(func() { p.forward(to, from) })
			both.Wait()
			p.drop(from, to)
		})
	}
}

// keep notes connections, to be closed.
func (p *Proxy) keep(conns ...net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range conns {
		if p.over {
			return false
		}
		p.open[c] = true
	}
	return true
}

// drop closes connections that are done.
func (p *Proxy) drop(conns ...net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range conns {
		c.Close()
		delete(p.open, c)
	}
}

// late is what was read, and when it is to be written.
type late struct {
	data []byte
	due  time.Time
}

// forward copies one direction, to its end.
func (p *Proxy) forward(from, to net.Conn) {
	queue, written := make(chan late, 1<<12), make(chan struct{})
	defer func() { close(queue); <-written }()
	go func() {
		defer close(written)
		for l := range queue {
			sleep(time.Until(l.due))
			p.pass()
			if _, err := to.Write(l.data); err != nil {
				from.Close()
			}
		}
		if c, ok := to.(*net.TCPConn); ok {
			c.CloseWrite()
		}
	}()
	var free time.Time // when the line is free again
	for {
		buf := make([]byte, 32<<10)
		n, err := from.Read(buf)
		if n > 0 {
			now := time.Now()
			if free.Before(now) {
				free = now
			}
			if p.o.Rate > 0 {
				free = free.Add(time.Duration(float64(n) / p.o.Rate * 1e9))
			}
			queue <- late{buf[:n], free.Add(p.o.Delay)}
		}
		if err != nil {
			return
		}
	}
}
