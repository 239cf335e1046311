package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// internet is what lies between machines that are namespaces: each has one line, a TUN
// device whose other end this process holds, and may have a NAT before it. It needs nothing of
// the kernel's packet filter, and each packet is counted.
type internet struct {
	t      *testing.T
	prefix string

	mu    sync.Mutex
	sites []*site
	bytes map[[2]netip.Addr]int64 // that came through, from one outer address to another
}

// site is a machine, and the NAT before it.
type site struct {
	inner, outer netip.Addr // of the machine, and as others see it; the same without a NAT
	dependent    bool       // the NAT takes another port for each destination ("symmetric")
	tcpOnly      bool       // the NAT lets no UDP out
	line         *os.File
	name         string // of the namespace

	ports map[mapping]uint16
	holes map[hole]*opening
	next  uint16
}

// mapping is what a NAT gives a port of its own to: a port of the machine, and where it is
// dependent the destination.
type mapping struct {
	proto byte
	from  uint16
	to    netip.AddrPort
}

type hole struct {
	proto byte
	port  uint16
}

// opening is a port of a NAT: whose it is, and who was written to from it. Nobody else may
// answer.
type opening struct {
	from uint16
	to   map[netip.AddrPort]bool
}

// newInternet makes one that joins sites with these inner and outer addresses, or skips.
func newInternet(t *testing.T, sites ...*site) *internet {
	t.Helper()
	n := &internet{t: t, prefix: fmt.Sprintf("eci%d", os.Getpid()%10000), sites: sites, bytes: map[[2]netip.Addr]int64{}}
	for i, s := range sites {
		s.name, s.ports, s.holes, s.next = fmt.Sprintf("%sn%d", n.prefix, i), map[mapping]uint16{}, map[hole]*opening{}, 20000
		t.Cleanup(func() { exec.Command("ip", "netns", "del", s.name).Run() })
		err := sh("ip", "netns", "add", s.name)
		if err == nil {
			s.line, err = tunIn(s.name)
		}
		for _, step := range [][]string{{"addr", "add", s.inner.String() + "/24", "dev", "tun0"}, {"link", "set", "lo", "up"},
			{"link", "set", "tun0", "up"}, {"route", "add", "default", "dev", "tun0"}} {
			if err == nil {
				err = sh(append([]string{"ip", "-n", s.name}, step...)...)
			}
		}
		if err != nil {
			t.Skipf("needs root, and iproute2 with network namespaces and TUN devices: %v", err)
		}
	}
	var all sync.WaitGroup
	for _, s := range sites {
		all.Go(func() { n.forward(s) })
	}
	t.Cleanup(func() { // before the namespaces go
		for _, s := range sites {
			s.line.Close()
		}
		all.Wait()
	})
	return n
}

// tunIn makes a TUN device in a namespace. It stays there while whoever opened it is elsewhere.
func tunIn(name string) (*os.File, error) {
	type made struct {
		f   *os.File
		err error
	}
	done := make(chan made)
	go func() {
		runtime.LockOSThread() // never given back: the thread, in that namespace, ends with this goroutine
		f, err := func() (*os.File, error) {
			ns, err := os.Open("/run/netns/" + name)
			if err != nil {
				return nil, err
			}
			defer ns.Close()
			if err := unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET); err != nil {
				return nil, fmt.Errorf("setns: %w", err)
			}
			fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
			if err != nil {
				return nil, fmt.Errorf("/dev/net/tun: %w", err)
			}
			req, err := unix.NewIfreq("tun0")
			if err == nil {
				req.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
				err = unix.IoctlIfreq(fd, unix.TUNSETIFF, req)
			}
			if err != nil {
				unix.Close(fd)
				return nil, fmt.Errorf("TUNSETIFF: %w", err)
			}
			return os.NewFile(uintptr(fd), "/dev/net/tun"), nil
		}()
		done <- made{f, err}
	}()
	m := <-done
	return m.f, m.err
}

// forward passes on what a machine sends until its line is closed.
func (n *internet) forward(from *site) {
	for buf := make([]byte, 1<<16); ; {
		k, err := from.line.Read(buf)
		if errors.Is(err, os.ErrClosed) {
			return
		}
		if err != nil {
			n.t.Errorf("the line of %s: %v", from.inner, err)
			return
		}
		if p, ok := parsePacket(buf[:k]); ok {
			if to := n.route(from, p); to != nil {
				to.line.Write(p.bytes) // one that is full loses it, as others do
			}
		}
	}
}

// route sends a packet through both NATs, and says to whom; to nobody where the second has
// no hole for it.
func (n *internet) route(from *site, p packet) *site {
	n.mu.Lock()
	defer n.mu.Unlock()
	if p.src().Addr() != from.inner || from.tcpOnly && p.proto != unix.IPPROTO_TCP {
		return nil
	}
	dst := p.dst()
	if from.inner != from.outer {
		m := mapping{proto: p.proto, from: p.src().Port()}
		if from.dependent {
			m.to = dst
		}
		port, known := from.ports[m]
		if !known {
			port = from.next
			from.next++
			from.ports[m], from.holes[hole{p.proto, port}] = port, &opening{m.from, map[netip.AddrPort]bool{}}
		}
		from.holes[hole{p.proto, port}].to[dst] = true
		p.set(12, 0, netip.AddrPortFrom(from.outer, port))
	}
	for _, to := range n.sites {
		if to.outer != dst.Addr() {
			continue
		}
		if to.inner != to.outer {
			o := to.holes[hole{p.proto, dst.Port()}]
			if o == nil || !o.to[p.src()] {
				return nil
			}
			p.set(16, 2, netip.AddrPortFrom(to.inner, o.from))
		}
		n.bytes[[2]netip.Addr{from.outer, to.outer}] += int64(len(p.bytes))
		p.sum()
		return to
	}
	return nil
}

// between is how many bytes came through from one site to another, and back.
func (n *internet) between(a, b *site) int64 {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.bytes[[2]netip.Addr{a.outer, b.outer}] + n.bytes[[2]netip.Addr{b.outer, a.outer}]
}

// packet is one of TCP or UDP over IPv4.
type packet struct {
	bytes []byte
	head  int // bytes of IP's header
	proto byte
}

func parsePacket(b []byte) (p packet, ok bool) {
	if len(b) < 20 || b[0]>>4 != 4 {
		return p, false
	}
	p = packet{b, int(b[0]&15) * 4, b[9]}
	least := map[byte]int{unix.IPPROTO_TCP: 20, unix.IPPROTO_UDP: 8}[p.proto]
	return p, least > 0 && p.head >= 20 && len(b) >= p.head+least && int(binary.BigEndian.Uint16(b[2:])) == len(b) && binary.BigEndian.Uint16(b[6:])&0x3fff == 0
}

func (p packet) src() netip.AddrPort { return p.at(12, 0) }
func (p packet) dst() netip.AddrPort { return p.at(16, 2) }

func (p packet) at(ip, port int) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte(p.bytes[ip:])), binary.BigEndian.Uint16(p.bytes[p.head+port:]))
}

func (p packet) set(ip, port int, a netip.AddrPort) {
	four := a.Addr().As4()
	copy(p.bytes[ip:], four[:])
	binary.BigEndian.PutUint16(p.bytes[p.head+port:], a.Port())
}

// sum writes the checksums anew.
func (p packet) sum() {
	put := func(b []byte, at int, start uint32) {
		b[at], b[at+1] = 0, 0
		s := start
		for i, v := range b {
			s += uint32(v) << (8 * (1 - i&1))
		}
		for s > 0xffff {
			s = s>>16 + s&0xffff
		}
		binary.BigEndian.PutUint16(b[at:], ^uint16(s))
	}
	put(p.bytes[:p.head], 10, 0)
	start := uint32(p.proto) + uint32(len(p.bytes)-p.head)
	for i := 12; i < 20; i += 2 {
		start += uint32(binary.BigEndian.Uint16(p.bytes[i:]))
	}
	put(p.bytes[p.head:], map[byte]int{unix.IPPROTO_TCP: 16, unix.IPPROTO_UDP: 6}[p.proto], start)
}
