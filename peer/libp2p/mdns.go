package libp2p

import (
	"sync"

	id "github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/discovery/mdns"
)

// service is the name by which eclat's machines find each other on a local network.
const service = "_eclat._udp"

// Found are the peers that announce themselves on the local network.
type Found struct {
	h    *Host
	end  func() error
	mu   sync.Mutex
	seen map[string]id.AddrInfo
}

// mostFound bounds what a local network can make us remember.
const mostFound = 256

// Announce tells the local network of this host, and looks for others, whose addresses
// Dial knows from then on.
func (h *Host) Announce() (*Found, error) {
	f := &Found{h: h, seen: map[string]id.AddrInfo{}}
	s := mdns.NewMdnsService(h.h, service, f)
	if err := s.Start(); err != nil {
		return nil, err
	}
	f.end = s.Close
	return f, nil
}

// HandlePeerFound implements mdns.Notifee.
func (f *Found) HandlePeerFound(p id.AddrInfo) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.seen) < mostFound {
		f.seen[p.ID.String()] = p
		f.h.h.Peerstore().AddAddrs(p.ID, p.Addrs, 10*60*1e9)
	}
}

// Peers are the ids found so far.
func (f *Found) Peers() (ids []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for p := range f.seen {
		ids = append(ids, p)
	}
	return ids
}

// Close ends it.
func (f *Found) Close() error { return f.end() }
