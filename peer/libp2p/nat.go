package libp2p

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/network"
	id "github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/protocol/circuitv2/client"
	"github.com/libp2p/go-libp2p/p2p/protocol/circuitv2/relay"
	"github.com/multiformats/go-multiaddr"
)

// A machine behind a NAT is reached with the help of a relay: one of the user's own that
// all reach and that runs eclat peer relay. The machine keeps a place there; who dials it
// meets it at the relay, over which both tell each other their addresses and then connect
// directly (hole punching). No work goes through the relay, which passes on 128 KiB for two
// minutes at most: where no direct connection comes about dialling fails.

// relays are what a host knows of its relays.
type relays struct {
	all  []id.AddrInfo
	stop context.CancelFunc
	wg   sync.WaitGroup

	mu  sync.Mutex
	has map[id.ID]bool // whether this host has a place there
	err error          // why it has none
}

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

// relayOptions are those of a host that is a relay, uses some, or does neither.
func relayOptions(o *Options) []libp2p.Option {
	switch {
	case o.Relay:
		return []libp2p.Option{libp2p.DisableRelay(), libp2p.ForceReachabilityPublic(), libp2p.EnableRelayService(relay.WithACL(acl{o.Allow}))}
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

// direct waits, after a peer was met at a relay, for a connection without it: the
// addresses that the peer said are dialled, while its machine tries to come through.
func (h *Host) direct(ctx context.Context, p id.ID) error {
	net := h.h.Network()
	for tries := 0; ; tries++ {
		if net.Connectedness(p) == network.Connected {
			return nil
		}
		if tries%10 == 0 {
			force := network.WithForceDirectDial(ctx, "eclat")
			if h.h.Connect(force, id.AddrInfo{ID: p}) == nil && net.Connectedness(p) == network.Connected {
				return nil
			}
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			return errors.New("it was met at the relay, but no direct connection came about: forward a port to its machine")
		}
	}
}
