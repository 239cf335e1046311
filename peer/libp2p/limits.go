package libp2p

import (
	"fmt"
	"net/netip"

	"github.com/libp2p/go-libp2p"
	rcmgr "github.com/libp2p/go-libp2p/p2p/host/resource-manager"
	"github.com/libp2p/go-libp2p/x/rate"
)

// Connections of one address, which is a machine, or a network behind a NAT. go-libp2p's own
// limits are those of a public network: 8 at a time, and in the long run one in five seconds,
// which somebody meets who runs one command after the other. Here the list of who may come
// keeps others out; the limits are for those who do not say who they are.
const (
	mostConns = 64 // at a time
	connRate  = 4. // a second, beyond so many at once
)

// resources limits what a host spends: go-libp2p's limits but for the above.
func resources() (libp2p.Option, error) {
	limits := rcmgr.DefaultLimits
	libp2p.SetDefaultServiceLimits(&limits)
	subnets := func(lengths ...int) (at []rcmgr.ConnLimitPerSubnet, often []rate.SubnetLimit) {
		for i, n := range lengths { // wider ones have four times as many
			most := mostConns << (2 * i)
			at = append(at, rcmgr.ConnLimitPerSubnet{PrefixLength: n, ConnCount: most})
			often = append(often, rate.SubnetLimit{PrefixLength: n, Limit: rate.Limit{RPS: connRate * float64(int(1)<<(2*i)), Burst: most}})
		}
		return at, often
	}
	at4, often4 := subnets(32)
	at6, often6 := subnets(56, 48)
	m, err := rcmgr.NewResourceManager(rcmgr.NewFixedLimiter(limits.AutoScale()),
		rcmgr.WithLimitPerSubnet(at4, at6),
		rcmgr.WithConnRateLimiters(&rate.Limiter{
			NetworkPrefixLimits: []rate.PrefixLimit{{Prefix: netip.MustParsePrefix("127.0.0.0/8")}, {Prefix: netip.MustParsePrefix("::1/128")}},
			SubnetRateLimiter:   rate.SubnetLimiter{IPv4SubnetLimits: often4, IPv6SubnetLimits: often6},
		}))
	if err != nil {
		return nil, fmt.Errorf("libp2p: limits: %w", err)
	}
	return libp2p.ResourceManager(m), nil
}
