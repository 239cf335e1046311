package libp2p

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/control"
	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	id "github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/peerstore"
	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/libp2p/go-libp2p/p2p/security/noise"
	quic "github.com/libp2p/go-libp2p/p2p/transport/quic"
	"github.com/libp2p/go-libp2p/p2p/transport/tcp"
	"github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"

	"eclat/peer"
)

// Host is a peer.Network.
type Host struct {
	h      host.Host
	gate   *gate
	notice func(string)
	relays relays
}

// Options say how a Host is reached.
type Options struct {
	Key    crypto.PrivKey
	Listen []string          // host:port, each for TCP and for QUIC; none where nobody may come
	Allow  func(string) bool // whether a peer's id may come; nil for nobody
	Relays []string          // where this host is met, or meets others; none unless it is behind a NAT
	Relay  bool              // be a relay for those who may come, and no more
	Carry  bool              // as a relay, pass on all that two machines say who cannot connect directly
	Notice func(string)      // told how a peer is reached that was met at a relay; may be nil
	Look   bool              // have an address though nobody may come: without one mDNS finds nobody
}

// New makes a Host.
func New(o Options) (*Host, error) {
	var listen []multiaddr.Multiaddr
	for _, at := range o.Listen {
		both, err := addresses(at)
		if err != nil {
			return nil, err
		}
		listen = append(listen, both...)
	}
	met, err := parseRelays(o.Relays)
	if err != nil {
		return nil, err
	}
	if len(listen) == 0 && (o.Look || len(met) > 0) { // a hole is punched from both sides
		if listen, err = addresses(":0"); err != nil {
			return nil, err
		}
	}
	bounds, err := resources()
	if err != nil {
		return nil, err
	}
	g := &gate{allow: o.Allow, dialled: map[id.ID]bool{}, meets: len(met) > 0}
	options := append(relayOptions(&o),
		libp2p.Identity(o.Key),
		libp2p.Security(noise.ID, noise.New),
		libp2p.Transport(tcp.NewTCPTransport),
		libp2p.Transport(quic.NewTransport),
		libp2p.ConnectionGater(g),
		bounds,
		libp2p.DisableMetrics(),
		libp2p.UserAgent("eclat"),
	)
	if len(listen) == 0 {
		options = append(options, libp2p.NoListenAddrs)
	} else {
		options = append(options, libp2p.ListenAddrs(listen...))
	}
	h, err := libp2p.New(options...)
	if err != nil {
		return nil, fmt.Errorf("libp2p: %w", err)
	}
	host := &Host{h: h, gate: g, notice: o.Notice, relays: relays{all: met, has: map[id.ID]bool{}, carried: map[id.ID]string{}, told: map[id.ID]bool{}}}
	if o.Allow != nil {
		host.keepPlaces()
	}
	return host, nil
}

// addresses are those of a host and a port, over TCP and over QUIC.
func addresses(at string) ([]multiaddr.Multiaddr, error) {
	name, port, err := net.SplitHostPort(at)
	if err != nil {
		return nil, fmt.Errorf("libp2p: address %.80q: give HOST:PORT", at)
	}
	kind := "dns"
	if ip := net.ParseIP(name); ip != nil && ip.To4() != nil {
		kind = "ip4"
	} else if ip != nil {
		kind = "ip6"
	} else if name == "" {
		kind, name = "ip4", "0.0.0.0"
	}
	var both []multiaddr.Multiaddr
	for _, over := range []string{"/tcp/%s", "/udp/%s/quic-v1"} {
		a, err := multiaddr.NewMultiaddr("/" + kind + "/" + name + fmt.Sprintf(over, port))
		if err != nil {
			return nil, fmt.Errorf("libp2p: address %.80q: %w", at, err)
		}
		both = append(both, a)
	}
	return both, nil
}

// Parse reads ID@HOST:PORT, a multiaddress that ends with /p2p/ID, or an ID alone, which
// is looked for among those that mDNS has found.
func Parse(text string) (id.AddrInfo, error) {
	if name, at, ok := strings.Cut(text, "@"); ok {
		p, err := id.Decode(name)
		if err != nil {
			return id.AddrInfo{}, fmt.Errorf("libp2p: %.80q is no peer's id: %w", name, err)
		}
		both, err := addresses(at)
		return id.AddrInfo{ID: p, Addrs: both}, err
	}
	if strings.HasPrefix(text, "/") {
		info, err := id.AddrInfoFromString(text)
		if err != nil {
			return id.AddrInfo{}, fmt.Errorf("libp2p: address %.120q: %w", text, err)
		}
		return *info, nil
	}
	p, err := id.Decode(text)
	if err != nil {
		return id.AddrInfo{}, fmt.Errorf("libp2p: %.120q is no peer: give ID@HOST:PORT", text)
	}
	return id.AddrInfo{ID: p}, nil
}

// Self implements peer.Network.
func (h *Host) Self() string { return h.h.ID().String() }

// Listening are the addresses, with the id, by which others reach this host.
func (h *Host) Listening() (all []string) {
	for _, a := range h.h.Addrs() {
		all = append(all, a.String()+"/p2p/"+h.Self())
	}
	return all
}

// Dial implements peer.Network.
func (h *Host) Dial(ctx context.Context, to, name string) (peer.Stream, error) {
	info, err := Parse(to)
	if err != nil {
		return nil, err
	}
	if info.ID == h.h.ID() {
		return nil, fmt.Errorf("%.80s is this machine", to)
	}
	overRelay := len(info.Addrs) > 0 && relayed(info.Addrs[0])
	if overRelay {
		if len(h.relays.all) == 0 {
			return nil, fmt.Errorf("%.80s is met at a relay, and this machine uses none", to)
		}
		h.gate.expect(info.ID)
	}
	s, err := h.open(ctx, info, name, overRelay)
	over := overTCP(info.Addrs)
	if err != nil && !overRelay && len(over) > 0 && len(over) < len(info.Addrs) && ctx.Err() == nil && h.h.Network().Connectedness(info.ID) != network.Connected {
		// Over QUIC who is not believed is told so when the connection stands already, and TCP
		// is not tried any more: as where a clock is an hour behind, for certificates have dates.
		h.h.Peerstore().ClearAddrs(info.ID)
		info.Addrs = over
		if again, fault := h.open(ctx, info, name, false); fault == nil {
			s, err = again, nil
		}
	}
	if err != nil {
		return nil, plain(ctx, to, err)
	}
	return stream{s}, nil
}

// open connects to a peer, where it is not, and opens a stream.
func (h *Host) open(ctx context.Context, info id.AddrInfo, name string, overRelay bool) (network.Stream, error) {
	if overRelay {
		h.prepare(ctx, info.Addrs[0])
	}
	if len(info.Addrs) > 0 {
		// Longer than Connect would: what it keeps is dropped where an earlier connection to
		// the same machine is being closed meanwhile, and then there are no addresses to dial.
		h.h.Peerstore().AddAddrs(info.ID, info.Addrs, peerstore.AddressTTL)
		if err := h.h.Connect(ctx, info); err != nil {
			return nil, err
		}
	}
	if overRelay {
		direct, err := h.direct(ctx, info.ID)
		if err != nil {
			return nil, notDirect{err}
		}
		if !direct {
			ctx = network.WithAllowLimitedConn(ctx, "eclat")
		}
	}
	return h.h.NewStream(ctx, info.ID, protocol.ID(name))
}

// notDirect is an error that says already what is the matter.
type notDirect struct{ error }

// overTCP are those of some addresses that are of TCP.
func overTCP(all []multiaddr.Multiaddr) (tcp []multiaddr.Multiaddr) {
	for _, a := range all {
		if _, err := a.ValueForProtocol(multiaddr.P_TCP); err == nil {
			tcp = append(tcp, a)
		}
	}
	return tcp
}

// plain says in one line why a peer was not reached. One that refuses this machine's key
// ends the connection without a word.
func plain(ctx context.Context, to string, err error) error {
	text := strings.Join(strings.Fields(err.Error()), " ")
	var said notDirect
	switch {
	case errors.As(err, &said):
		return said.error
	case ctx.Err() != nil, strings.Contains(text, "deadline exceeded"), strings.Contains(text, "no addresses"):
		return fmt.Errorf("nobody answers at %.80s", to)
	case strings.Contains(text, "connection refused"):
		return fmt.Errorf("nobody listens at %.80s", to)
	case strings.Contains(text, "peer id mismatch"):
		return fmt.Errorf("the machine at %.80s has another key", to)
	case strings.Contains(text, "protocols not supported"):
		return fmt.Errorf("it is no eclat of this release")
	}
	clocks := ""
	if strings.Contains(to, "/quic") {
		clocks = " Do the clocks of both machines agree, as QUIC needs?"
	}
	return fmt.Errorf("it ended the connection: is the id of this machine (eclat peer id) on its list (eclat peer allow)?%s", clocks)
}

// Forget ends the connections to a peer and knows its addresses no more.
func (h *Host) Forget(peer string) {
	if p, err := id.Decode(peer); err == nil {
		h.h.Network().ClosePeer(p)
		h.h.Peerstore().ClearAddrs(p)
	}
}

// Handle implements peer.Network.
func (h *Host) Handle(name string, serve func(peer.Stream)) {
	h.h.SetStreamHandler(protocol.ID(name), func(s network.Stream) { serve(stream{s}) })
}

// Sign signs a text with the host's key.
func (h *Host) Sign(text []byte) ([]byte, error) {
	return h.h.Peerstore().PrivKey(h.h.ID()).Sign(text)
}

// Verify reports whether a peer's key signed a text. The peer is named as for Dial.
func (h *Host) Verify(peer string, text, sig []byte) bool {
	info, err := Parse(peer)
	if err != nil {
		return false
	}
	key, err := info.ID.ExtractPublicKey()
	if err != nil {
		return false
	}
	ok, err := key.Verify(text, sig)
	return err == nil && ok
}

// Close implements peer.Network.
func (h *Host) Close() error {
	if h.relays.stop != nil {
		h.relays.stop()
		h.relays.wg.Wait()
	}
	return h.h.Close()
}

type stream struct{ network.Stream }

func (s stream) Peer() string { return s.Conn().RemotePeer().String() }

// Address implements peer.Stream. Only IPv4 tells machines apart: of IPv6 each has several,
// and its own loopback beside them. Over a relay it is the relay's that is seen.
func (s stream) Address() string {
	remote := s.Conn().RemoteMultiaddr()
	at, err := manet.ToIP(remote)
	if relayed(remote) || err != nil || at.To4() == nil || at.IsLoopback() {
		return ""
	}
	return at.String()
}

// gate lets in who is allowed, and out to anyone: the address names the key. Who was
// dialled over a relay may come too: that is how a hole in a NAT is punched.
type gate struct {
	allow func(string) bool
	meets bool // others at relays

	mu      sync.Mutex
	dialled map[id.ID]bool
}

func (g *gate) expect(p id.ID) { g.mu.Lock(); g.dialled[p] = true; g.mu.Unlock() }

func (g *gate) expected(p id.ID) bool { g.mu.Lock(); defer g.mu.Unlock(); return g.dialled[p] }

func (g *gate) InterceptPeerDial(id.ID) bool                      { return true }
func (g *gate) InterceptAddrDial(id.ID, multiaddr.Multiaddr) bool { return true }
func (g *gate) InterceptAccept(network.ConnMultiaddrs) bool       { return g.allow != nil || g.meets }
func (g *gate) InterceptUpgraded(network.Conn) (bool, control.DisconnectReason) {
	return true, 0
}

func (g *gate) InterceptSecured(way network.Direction, p id.ID, _ network.ConnMultiaddrs) bool {
	return way == network.DirOutbound || g.allow != nil && g.allow(p.String()) || g.expected(p)
}
