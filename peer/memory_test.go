package peer

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"
)

// lan is a network in memory. Each machine on it can be cut off.
type lan struct {
	mu       sync.Mutex
	machines map[string]*machine
	delay    time.Duration // of what is written
}

type machine struct {
	lan     *lan
	id      string
	serve   map[string]func(Stream)
	down    bool
	address string
	streams []*pipe
	meddle  func(b []byte) []byte // with what it writes; nil for nothing
}

func (l *lan) join(id string) *machine {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.machines == nil {
		l.machines = map[string]*machine{}
	}
	m := &machine{lan: l, id: id, serve: map[string]func(Stream){}}
	l.machines[id] = m
	return m
}

// kill ends a machine with its streams; wake lets it be reached again.
func (m *machine) kill() {
	m.lan.mu.Lock()
	m.down = true
	streams := m.streams
	m.streams = nil
	m.lan.mu.Unlock()
	for _, s := range streams {
		s.Reset()
	}
}

func (m *machine) wake() { m.lan.mu.Lock(); m.down = false; m.lan.mu.Unlock() }

func (m *machine) Self() string { return m.id }
func (m *machine) Close() error { m.kill(); return nil }

func (m *machine) Handle(protocol string, serve func(Stream)) {
	m.lan.mu.Lock()
	defer m.lan.mu.Unlock()
	m.serve[protocol] = serve
}

func (m *machine) Dial(ctx context.Context, peer, protocol string) (Stream, error) {
	m.lan.mu.Lock()
	defer m.lan.mu.Unlock()
	other := m.lan.machines[peer]
	if other == nil || other.down || other.serve[protocol] == nil {
		return nil, errors.New("nobody answers")
	}
	a, b := net.Pipe()
	here, there := &pipe{Conn: a, peer: peer, other: b, delay: m.lan.delay}, &pipe{Conn: b, peer: m.id, other: a, delay: m.lan.delay, address: m.address, meddle: func(b []byte) []byte {
		if other.meddle == nil {
			return b
		}
		return other.meddle(b)
	}}
	m.streams, other.streams = append(m.streams, here), append(other.streams, there)
	go other.serve[protocol](there)
	return here, nil
}

// pipe is a Stream.
type pipe struct {
	net.Conn
	peer   string
	other  net.Conn
	delay  time.Duration
	meddle func([]byte) []byte

	address string // of the other side
}

func (p *pipe) Peer() string    { return p.peer }
func (p *pipe) Address() string { return p.address }
func (p *pipe) Reset() error    { p.other.Close(); return p.Conn.Close() }

func (p *pipe) Write(b []byte) (int, error) {
	time.Sleep(p.delay)
	if p.meddle == nil {
		return p.Conn.Write(b)
	}
	said := p.meddle(append([]byte(nil), b...))
	if len(said) == 0 {
		return len(b), nil
	}
	_, err := p.Conn.Write(said)
	return len(b), err
}

func (p *pipe) SetReadDeadline(t time.Time) error  { return p.Conn.SetReadDeadline(t) }
func (p *pipe) SetWriteDeadline(t time.Time) error { return p.Conn.SetWriteDeadline(t) }
