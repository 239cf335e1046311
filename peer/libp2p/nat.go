package libp2p

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/network"
	id "github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/protocol/circuitv2/client"
	"github.com/libp2p/go-libp2p/p2p/protocol/circuitv2/relay"
	"github.com/libp2p/go-libp2p/p2p/protocol/holepunch"
	"github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"
)

// A machine behind a NAT is reached with the help of a relay: one of the user's own that
// all reach and that runs eclat peer relay. The machine keeps a place there; who dials it
// meets it at the relay, over which both tell each other their addresses and then connect
// directly (hole punching). Where no direct connection comes about, as between two NATs that
// take another port for each destination, a relay that carries passes on what they say: it
// sees how much that is and when, for Noise lies between the two. One that does not carry
// passes on 128 KiB for two minutes at most, and dialling fails.

// relays are what a host knows of its relays.
type relays struct {
	all  []id.AddrInfo
	stop context.CancelFunc
	wg   sync.WaitGroup

	mu  sync.Mutex
	has map[id.ID]bool // whether this host has a place there
	err error          // why it has none

	carried map[id.ID]string // the connection, over a relay, of a peer that no direct one came about to
	told    map[id.ID]bool   // whether a peer is reached directly, as Host.notice was told
}

// What a relay that carries passes on for two machines, and for how long: no bound that an
// answer meets. Who may have it is bounded by the list, and each by 16 connections.
const (
	mostCarried   = 1 << 50 // bytes
	longestCarry  = 30 * 24 * time.Hour
	enoughCarried = 1 << 40  // bytes, of a relay that is taken to carry
	carryBuffer   = 64 << 10 // bytes, twice a connection
)

// preparing is how long this host may take to learn, from a relay, by which address its NAT
// shows it: it looks a quarter of a second after it began, and again half a second later.
const preparing = 3 * time.Second

// punching is how long a direct connection is waited for. It takes some round trips where it
// comes about; dialling a peer has ten seconds in all.
const punching = 6 * time.Second

// parseRelays reads the addresses of relays.
func parseRelays(names []string) (all []id.AddrInfo, err error) {
	for _, r := range names {
		info, err := Parse(r)
		if err != nil {
			return nil, err
		}
		if len(info.Addrs) == 0 {
			return nil, fmt.Errorf("libp2p: a relay needs an address: %.120q", r)
		}
		all = append(all, info)
	}
	return all, nil
}

// RelayOf is the relay, as ID@HOST:PORT, at which an address says that a peer is met; "" where
// it names none.
func RelayOf(address string) string {
	at, _, ok := strings.Cut(address, "/p2p-circuit")
	if !ok {
		return ""
	}
	info, err := id.AddrInfoFromString(at)
	if err != nil || len(info.Addrs) == 0 || len(info.Addrs[0]) < 2 {
		return ""
	}
	return info.ID.String() + "@" + net.JoinHostPort(info.Addrs[0][0].Value(), info.Addrs[0][1].Value())
}

// relayOptions are those of a host that is a relay, uses some, or does neither.
func relayOptions(o *Options) []libp2p.Option {
	switch {
	case o.Relay:
		r := relay.DefaultResources()
		if o.Carry {
			r.Limit, r.BufferSize = &relay.RelayLimit{Duration: longestCarry, Data: mostCarried}, carryBuffer
		}
		return []libp2p.Option{libp2p.DisableRelay(), libp2p.ForceReachabilityPublic(), libp2p.EnableRelayService(relay.WithACL(acl{o.Allow}), relay.WithResources(r))}
	case len(o.Relays) > 0:
		return []libp2p.Option{libp2p.EnableRelay(), libp2p.EnableHolePunching()}
	}
	return []libp2p.Option{libp2p.DisableRelay()}
}

// acl lets those who may come keep a place, and meet each other.
type acl struct{ allow func(string) bool }

func (a acl) AllowReserve(p id.ID, _ multiaddr.Multiaddr) bool {
	return a.allow != nil && a.allow(p.String())
}

func (a acl) AllowConnect(from id.ID, _ multiaddr.Multiaddr, to id.ID) bool {
	return a.allow != nil && a.allow(from.String()) && a.allow(to.String())
}

// A place at a relay lasts an hour by the relay's clock; it is asked for again long before,
// and soon after the connection broke.
const (
	again = 20 * time.Minute
	soon  = 5 * time.Second
)

// keepPlaces keeps a place at each relay until stop is called.
func (h *Host) keepPlaces() {
	ctx, stop := context.WithCancel(context.Background())
	h.relays.stop = stop
	for _, r := range h.relays.all {
		h.relays.wg.Go(func() {
			var asked time.Time
			for ctx.Err() == nil {
				if time.Since(asked) > again || h.h.Network().Connectedness(r.ID) != network.Connected {
					asked = time.Now()
					if h.place(ctx, r) != nil {
						asked = time.Time{}
					}
				}
				select {
				case <-time.After(soon):
				case <-ctx.Done():
				}
			}
		})
	}
}

// place asks a relay for a place.
func (h *Host) place(ctx context.Context, r id.AddrInfo) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	err := h.h.Connect(ctx, r)
	if err == nil {
		_, err = client.Reserve(ctx, h.h, r)
	} else {
		err = plain(ctx, r.ID.String(), err)
	}
	h.relays.mu.Lock()
	defer h.relays.mu.Unlock()
	h.relays.has[r.ID], h.relays.err = err == nil, err
	return err
}

// Relayed are the addresses at relays by which others meet this host; where it has a place
// at none the error says why.
func (h *Host) Relayed() (all []string, err error) {
	h.relays.mu.Lock()
	defer h.relays.mu.Unlock()
	for _, r := range h.relays.all {
		if h.relays.has[r.ID] {
			all = append(all, fmt.Sprintf("%s/p2p/%s/p2p-circuit/p2p/%s", r.Addrs[0], r.ID, h.Self()))
		}
	}
	if len(all) == 0 {
		err = h.relays.err
	}
	return all, err
}

// relayed reports whether an address leads over a relay.
func relayed(a multiaddr.Multiaddr) bool { return strings.Contains(a.String(), "/p2p-circuit") }

// prepare makes this host ready to be come through to, before it meets a peer at a relay: the
// peer's machine asks once, as soon as they meet, and finds nobody who speaks of holes unless
// this host knows its own address by then. A relay that is on a local network shows none.
func (h *Host) prepare(ctx context.Context, circuit multiaddr.Multiaddr) {
	at, _ := multiaddr.SplitFunc(circuit, func(c multiaddr.Component) bool { return c.Protocol().Code == multiaddr.P_CIRCUIT })
	r, err := id.AddrInfoFromP2pAddr(at)
	if err != nil || !manet.IsPublicAddr(at) {
		return
	}
	for _, known := range h.relays.all { // over QUIC too, where the address is of TCP alone
		if known.ID == r.ID {
			r.Addrs = known.Addrs
		}
	}
	ctx, cancel := context.WithTimeout(ctx, preparing)
	defer cancel()
	if h.h.Connect(ctx, *r) != nil {
		return // as meeting there will
	}
	for ctx.Err() == nil && !slices.Contains(h.h.Mux().Protocols(), holepunch.Protocol) {
		select {
		case <-time.After(10 * time.Millisecond):
		case <-ctx.Done():
		}
	}
}

// direct waits, after a peer was met at a relay, for a connection without it: the
// addresses that the peer said are dialled, while its machine tries to come through. It
// reports whether there is one; where there is none and the relay does not carry that is an
// error. A connection over a relay that was waited for once is not waited for again.
func (h *Host) direct(ctx context.Context, p id.ID) (bool, error) {
	end := time.Now().Add(punching)
	for tries := 0; ; tries++ {
		if h.connected(p) {
			h.tell(p, true)
			return true, nil
		}
		carries := h.carrying(p)
		h.relays.mu.Lock()
		waited := carries != "" && h.relays.carried[p] == carries
		if carries != "" && time.Now().After(end) {
			h.relays.carried[p], waited = carries, true
		}
		h.relays.mu.Unlock()
		if waited {
			h.tell(p, false)
			return false, nil
		}
		if tries%10 == 0 {
			force, cancel := context.WithDeadline(network.WithForceDirectDial(ctx, "eclat"), end)
			h.h.Connect(force, id.AddrInfo{ID: p})
			cancel()
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
		}
		if ctx.Err() != nil || carries == "" && time.Now().After(end) {
			return false, errors.New("it was met at the relay, but no direct connection came about: forward a port to its machine, or let the relay carry")
		}
	}
}

// connected reports whether there is a direct connection to a peer.
func (h *Host) connected(p id.ID) bool { return h.h.Network().Connectedness(p) == network.Connected }

// carrying is the connection to a peer over a relay that carries; "" for none.
func (h *Host) carrying(p id.ID) string {
	for _, c := range h.h.Network().ConnsToPeer(p) {
		if most, _ := c.Stat().Extra[client.StatLimitData].(uint64); relayed(c.RemoteMultiaddr()) && most >= enoughCarried {
			return c.ID()
		}
	}
	return ""
}

// tell says how a peer is reached, when it is known and whenever it changes.
func (h *Host) tell(p id.ID, direct bool) {
	h.relays.mu.Lock()
	was, known := h.relays.told[p]
	h.relays.told[p] = direct
	h.relays.mu.Unlock()
	switch {
	case h.notice == nil || known && was == direct:
	case direct:
		h.notice(fmt.Sprintf("peer %s was met at a relay and is connected directly", p))
	default:
		h.notice(fmt.Sprintf("peer %s: no direct connection came about, a relay carries all of it", p))
	}
}
