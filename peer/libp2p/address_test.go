package libp2p

import (
	"testing"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/multiformats/go-multiaddr"
)

// seen are a stream and its connection, as far as the address of the other side goes.
type seen struct {
	network.Stream
	conn
}

type conn struct {
	network.Conn
	at string
}

func (s seen) Conn() network.Conn                   { return s.conn }
func (c conn) RemoteMultiaddr() multiaddr.Multiaddr { return multiaddr.StringCast(c.at) }

// TestAddress: a machine is known by its IPv4 address, and not by that of the relay between:
// two streams of one machine, over a relay and directly, are no two machines.
func TestAddress(t *testing.T) {
	const relay = "/p2p/12D3KooWSxHBaRbxBBfNStyQKVMSgU5asyC3jTjECBN1USQJqdhs/p2p-circuit"
	for at, want := range map[string]string{
		"/ip4/192.168.1.20/tcp/4711":         "192.168.1.20",
		"/ip4/192.168.1.20/udp/4711/quic-v1": "192.168.1.20",
		"/ip4/192.168.1.20/tcp/4711" + relay: "",
		"/ip4/127.0.0.1/tcp/4711":            "",
		"/ip6/2001:db8::1/tcp/4711":          "",
	} {
		if got := (stream{seen{conn: conn{at: at}}}).Address(); got != want {
			t.Errorf("%s: %q, not %q", at, got, want)
		}
	}
}

// TestRelayOf: an address of a place at a relay names the relay, over TCP or QUIC, by which it is
// reached over both.
func TestRelayOf(t *testing.T) {
	const relay, peer = "12D3KooWSxHBaRbxBBfNStyQKVMSgU5asyC3jTjECBN1USQJqdhs", "12D3KooWWx5uYv3Cgq7dUWdJmkHoc6y7WJWDXLf2yVLnGZfKFXyu"
	for address, want := range map[string]string{
		"/ip4/192.0.2.1/tcp/4712/p2p/" + relay + "/p2p-circuit/p2p/" + peer:         relay + "@192.0.2.1:4712",
		"/ip4/192.0.2.1/udp/4712/quic-v1/p2p/" + relay + "/p2p-circuit/p2p/" + peer: relay + "@192.0.2.1:4712",
		"/ip6/2001:db8::1/tcp/4712/p2p/" + relay + "/p2p-circuit/p2p/" + peer:       relay + "@[2001:db8::1]:4712",
		"/dns/relay.example/tcp/4712/p2p/" + relay + "/p2p-circuit/p2p/" + peer:     relay + "@relay.example:4712",
		"/ip4/192.0.2.1/tcp/4712/p2p/" + relay:                                      "",
		"/p2p/" + relay + "/p2p-circuit/p2p/" + peer:                                "",
		"/p2p-circuit":                    "",
		"rubbish/p2p-circuit/p2p/" + peer: "",
		relay + "@192.0.2.1:4712":         "",
	} {
		got := RelayOf(address)
		if got != want {
			t.Errorf("%s: %q, not %q", address, got, want)
		}
		if _, err := Parse(got); got != "" && err != nil {
			t.Errorf("%s: %v", got, err)
		}
	}
}
