package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"eclat/cmd/eclat/out"
	"eclat/engine"
	"eclat/loader"
	"eclat/loader/fragment"
	"eclat/loader/manifest"
	"eclat/model"
	"eclat/model/rows"
	"eclat/peer"
	"eclat/peer/libp2p"
	"eclat/peer/place"
)

// peerFlags say which other machines compute.
type peerFlags struct {
	peers     []string
	standby   []string
	layers    []int
	checkers  []string
	pin       int
	anySpeed  bool
	rows      rowsFlag
	fragments string
	relays    []string
	dht       []string

	host  *libp2p.Host // once it is needed; open until the program ends
	found *libp2p.Found

	offered  *peer.Blobs // folders of the models that are open, or were; with host
	offering []string    // ids that --dht named
}

// rowsFlag is a format of rows.
type rowsFlag struct{ rows.Format }

func (r *rowsFlag) Set(s string) (err error) {
	r.Format, err = rows.Parse(s)
	return err
}

func (r *rowsFlag) Type() string { return "format" }

// mostOffering is how many machines the directory is asked for.
const mostOffering = 8

// lookFor is how long --peers auto waits for machines to say that they are there.
const lookFor = 2 * time.Second

func (f *peerFlags) add(cmd *cobra.Command) {
	fs := cmd.Flags()
	fs.StringSliceVar(&f.peers, "peers", nil, "other machines that compute layers after this one's, as ID@HOST:PORT, in this order; auto for those on the list that the local network shows")
	fs.StringSliceVar(&f.standby, "standby", nil, "machines that take the place of one that is lost")
	fs.StringSliceVar(&f.checkers, "check", nil, "who computes once more what the peers do: home for this machine, or other machines as ID@HOST:PORT")
	fs.IntSliceVar(&f.layers, "layers", nil, "how many layers this machine and each of the peers gets, as in 10,15,15; else they are placed by what is measured")
	fs.IntVar(&f.pin, "pin", 0, "how many of the first and of the last layers stay on this machine")
	fs.BoolVar(&f.anySpeed, "any-speed", false, fmt.Sprintf("use peers even where fewer than %d tokens a second are predicted", engine.Floor))
	fs.Var(&f.rows, "rows", "how rows travel to the peers and back: f32 for the bits of one machine, or f16 or q8_0, which round them, in a half and a quarter of the bytes")
	cmd.RegisterFlagCompletionFunc("rows", cobra.FixedCompletions([]string{"f32", "f16", "q8_0"}, cobra.ShellCompDirectiveNoFileComp))
	fs.StringSliceVar(&f.relays, "relay", nil, "relays (eclat peer relay) at which machines behind a NAT are met, as ID@HOST:PORT, beside those that addresses name")
	fs.StringSliceVar(&f.dht, "dht", nil, "machines that know who offers a manifest's id (eclat peer relay), as ID@HOST:PORT")
	fs.StringVar(&f.fragments, "fragments", "", "folder for what is fetched of a model that is named by its manifest's id (default: in the user's folder for caches)")
}

// check refuses what does not go together.
func (f *peerFlags) check() error {
	switch {
	case len(f.peers) == 0 && (len(f.standby) > 0 || len(f.layers) > 0 || len(f.checkers) > 0 || f.pin != 0 || f.anySpeed || f.rows.Format != rows.F32):
		return usagef("--standby, --check, --layers, --pin, --rows and --any-speed go with --peers")
	case f.pin < 0:
		return usagef("--pin %d is below 0", f.pin)
	case f.pin > 0 && len(f.layers) > 0:
		return usagef("--layers says all, --pin goes without it")
	}
	return nil
}

// joined lets one load at a time join the network: a server may load several models at once,
// and all of them use one host.
var joined sync.Mutex

// join joins the network, and looks for the machines of --peers auto.
func (f *peerFlags) join(ctx context.Context) error {
	joined.Lock()
	defer joined.Unlock()
	if f.host != nil {
		return nil
	}
	relays := slices.Clone(f.relays)
	for _, p := range slices.Concat(f.peers, f.standby, f.checkers) {
		if r := libp2p.RelayOf(p); r != "" && !slices.Contains(relays, r) {
			relays = append(relays, r)
		}
	}
	h, err := peerHost(joining{relays: relays, look: slices.Contains(f.peers, "auto")})
	if err != nil {
		return err
	}
	f.host, f.offered = h, &peer.Blobs{}
	h.Handle(peer.BlobProtocol, f.offered.Serve)
	if !slices.Contains(f.peers, "auto") {
		return nil
	}
	if f.found, err = h.Announce(); err != nil {
		return fmt.Errorf("--peers auto: mDNS: %w", err)
	}
	select {
	case <-time.After(lookFor):
	case <-ctx.Done():
		return ctx.Err()
	}
	f.peers = slices.DeleteFunc(f.peers, func(p string) bool { return p == "auto" })
	here, err := f.here()
	if err != nil {
		return err
	}
	if f.peers = append(f.peers, here...); len(f.peers) == 0 {
		return fmt.Errorf("%w: nobody on the list (eclat peer allow) is on the local network", engine.ErrDevice)
	}
	return nil
}

// here are the machines on the list that the local network shows and that are not used yet.
func (f *peerFlags) here() (ids []string, err error) {
	list, err := peerList()
	if err != nil {
		return nil, err
	}
	for _, id := range f.found.Peers() {
		if list.Allows(id) && !slices.ContainsFunc(append(f.peers, f.standby...), func(p string) bool { return strings.Contains(p, id) }) {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids, nil
}

// sources are the machines that fragments may be fetched from.
func (f *peerFlags) sources() (all []fragment.Source) {
	for _, p := range slices.Concat(f.peers, f.standby, f.offering) {
		all = append(all, peer.NewSource(f.host, p))
	}
	return all
}

// path is where a model is: the path itself or, of a manifest's id, the manifest once it
// is in the folder for fragments.
func (f *peerFlags) path(ctx context.Context, name string) (string, error) {
	id, ok := manifest.ParseSum(name)
	if _, err := os.Lstat(name); !ok || !errors.Is(err, fs.ErrNotExist) {
		return name, nil
	}
	dir := f.fragments
	if dir == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			return "", fmt.Errorf("no folder for fragments: %w; give --fragments", err)
		}
		dir = filepath.Join(cache, "eclat", "fragments")
	}
	var from []fragment.Source
	if len(f.peers) > 0 {
		if err := f.join(ctx); err != nil {
			return "", err
		}
		from = f.sources()
	}
	if len(f.dht) > 0 {
		who, err := f.directory(ctx, id)
		if err != nil {
			return "", err
		}
		from = append(from, who...)
	}
	return (&fragment.Fetcher{Dir: dir, Notice: out.Notice}).Manifest(ctx, id, from)
}

// directory asks the machines of --dht who offers a model.
func (f *peerFlags) directory(ctx context.Context, id manifest.Sum) (from []fragment.Source, err error) {
	if err := f.join(ctx); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	d, err := f.host.Join(ctx, f.dht, false)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	ids, err := d.Who(ctx, id, mostOffering)
	if err != nil {
		return nil, err
	}
	for _, id := range ids {
		f.offering = append(f.offering, id)
		from = append(from, peer.NewSource(f.host, id))
	}
	return from, nil
}

// open opens the model that args name, by a path or a manifest's id, or the built-in one.
func (f *peerFlags) open(ctx context.Context, args []string) (*loader.File, error) {
	if len(args) > 0 {
		path, err := f.path(ctx, args[0])
		if err != nil {
			return nil, err
		}
		args = []string{path}
	}
	return openFile(args)
}

// find asks the machines who they are, and says what the engine needs of them for a model.
// The network stays open until the program ends.
func (f *peerFlags) find(ctx context.Context, file *loader.File, o *engine.Options) error {
	if len(f.peers) == 0 {
		return nil
	}
	if err := f.join(ctx); err != nil {
		return err
	}
	d, at := peer.Device{Net: f.host, Verify: f.host.Verify, Preload: true, Rows: f.rows.Format}, &gathering{progress: o.Progress}
	if m := file.Manifest(); m != nil {
		d.Manifest = m.ID.String()
		f.offered.Add(file.Folder()) // to those it asks, who lack some
		by, from := &fragment.Fetcher{Dir: file.Folder(), Notice: out.Notice}, f.sources()
		o.Fetch = func(ctx context.Context, m *model.Model, st model.Stage, room model.Room) error {
			return peer.FetchStage(ctx, by, m, st, room, from, at.of(-1))
		}
	}
	if f.found != nil {
		d.More = func() []string { ids, _ := f.here(); return ids }
	}
	var found []*peer.Device
	for _, p := range f.peers {
		d.Peers = append([]string{p}, f.standby...)
		one, err := peer.Find(ctx, d)
		if err != nil && f.found != nil && len(f.peers) > 1 { // it was not asked for by name
			out.Notice(err.Error())
			continue
		}
		if err != nil {
			return err
		}
		found = append(found, one)
		o.Peers = append(o.Peers, one)
		if err := f.second(ctx, d, o); err != nil {
			return err
		}
	}
	if len(found) == 0 {
		return fmt.Errorf("%w: none of the machines on the local network lets this one come", engine.ErrDevice)
	}
	o.Measure = func(ctx context.Context, i int, m *model.Model, st model.Stage) (place.Far, error) {
		return found[i].Measure(ctx, m, st)
	}
	if d.Manifest != "" {
		o.Gather = func(ctx context.Context, i int, m *model.Model, st model.Stage, room model.Room) error {
			return found[i].Gather(ctx, m, st, room, at.of(i))
		}
	}
	o.Layers, o.Pin, o.AnySpeed = f.layers, f.pin, f.anySpeed
	return nil
}

// second says who computes once more what the last of o.Peers does.
func (f *peerFlags) second(ctx context.Context, d peer.Device, o *engine.Options) error {
	switch {
	case len(f.checkers) == 0:
		return nil
	case len(f.checkers) == 1 && f.checkers[0] == "home":
		o.Checks = append(o.Checks, engine.Home)
		return nil
	}
	d.Peers, d.Preload = append(slices.Clone(f.checkers), f.standby...), false
	c, err := peer.Find(ctx, d)
	o.Checks = append(o.Checks, c)
	return err
}

// gathering adds up how far several machines are that fetch at the same time.
type gathering struct {
	progress func(what string, done, total int64) // may be nil
	mu       sync.Mutex
	each     map[int][2]int64 // done and total of each machine
}

// of is told how far one machine is.
func (g *gathering) of(machine int) func(done, total int64) {
	if g.progress == nil {
		return nil
	}
	return func(done, total int64) {
		g.mu.Lock()
		defer g.mu.Unlock()
		if g.each == nil {
			g.each = map[int][2]int64{}
		}
		g.each[machine] = [2]int64{done, total}
		done, total = 0, 0
		for _, e := range g.each {
			done, total = done+e[0], total+e[1]
		}
		g.progress("fragments", done, total)
	}
}
