package libp2p

import (
	"context"
	"fmt"
	"time"

	"github.com/ipfs/go-cid"
	dht "github.com/libp2p/go-libp2p-kad-dht"
	id "github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multihash"

	"eclat/loader/manifest"
)

// dhtPrefix is what the streams of eclat's directory are named after. They are spoken with
// machines of the users' own alone; the public directory has another prefix.
const dhtPrefix = "/eclat"

// Directory is a distributed table of which machine offers which model, by the manifest's
// id, among machines that let each other come.
type Directory struct {
	h *Host
	d *dht.IpfsDHT
}

// Join takes part in the directory that some machines keep. serve says that this one keeps
// a part of it too.
func (h *Host) Join(ctx context.Context, known []string, serve bool) (*Directory, error) {
	var all []id.AddrInfo
	for _, k := range known {
		info, err := Parse(k)
		if err != nil {
			return nil, err
		}
		all = append(all, info)
	}
	mode := dht.ModeClient
	if serve {
		mode = dht.ModeServer
	}
	d, err := dht.New(h.h, dht.ProtocolPrefix(dhtPrefix), dht.Mode(mode), dht.BootstrapPeers(all...), dht.DisableValues())
	if err != nil {
		return nil, fmt.Errorf("libp2p: the directory: %w", err)
	}
	reached := 0
	for _, info := range all {
		ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
		if h.h.Connect(ctx, info) == nil {
			reached++
		}
		cancel()
	}
	if len(all) > 0 && reached == 0 {
		d.Close()
		return nil, fmt.Errorf("none of the %d machines that know the directory answers", len(all))
	}
	if err := d.Bootstrap(ctx); err != nil {
		d.Close()
		return nil, fmt.Errorf("libp2p: the directory: %w", err)
	}
	return &Directory{h, d}, nil
}

// name is a manifest's id as the directory has it.
func name(m manifest.Sum) (cid.Cid, error) {
	h, err := multihash.Encode(m[:], multihash.SHA2_256)
	return cid.NewCidV1(cid.Raw, h), err
}

// Offer says that this machine offers a model.
func (d *Directory) Offer(ctx context.Context, m manifest.Sum) error {
	c, err := name(m)
	if err != nil {
		return err
	}
	return d.d.Provide(ctx, c, true)
}

// Who offers a model: ids that Dial knows the addresses of from now on, at most so many.
func (d *Directory) Who(ctx context.Context, m manifest.Sum, most int) (ids []string, err error) {
	c, err := name(m)
	if err != nil {
		return nil, err
	}
	for info := range d.d.FindProvidersAsync(ctx, c, most) {
		if info.ID == d.h.h.ID() {
			continue
		}
		d.h.h.Peerstore().AddAddrs(info.ID, info.Addrs, time.Hour)
		ids = append(ids, info.ID.String())
	}
	return ids, ctx.Err()
}

// Close leaves the directory.
func (d *Directory) Close() error { return d.d.Close() }
