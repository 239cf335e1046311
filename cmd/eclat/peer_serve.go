package main

import (
	"context"
	"errors"
	"os"
	"time"

	"github.com/spf13/cobra"

	"eclat/cmd/eclat/out"
	"eclat/engine"
	"eclat/loader"
	"eclat/loader/fragment"
	"eclat/model"
	"eclat/model/arch"
	"eclat/peer"
	"eclat/peer/libp2p"
)

// peerServe are the flags of peer serve.
type peerServe struct {
	device    string
	threads   int
	listen    []string
	allow     []string
	memory    int64
	disk      int64
	mdns      bool
	fragments string
	sources   []string
	patience  time.Duration
	relays    []string
	dht       []string
}

func newPeerServe() *cobra.Command {
	var f peerServe
	cmd := &cobra.Command{
		Use:   "serve MODEL…",
		Short: "Compute layers of models for other machines",
		Long: `Compute layers of models for other machines, until Ctrl-C.

Only those whose ids are on the list (eclat peer allow), or named with --allow, may come.
A worker sees rows of activations, no text: of the first layers these tell much of it, so
the machine that asks keeps those. It gets no path or program from anyone, and no file
but fragments, with --fragments.

That folder holds models that eclat fragment cut up: they are offered, and their fragments
given to those who may come. Of a model that is not there it fetches what its layers
take, from --source and from the machine that asks; nothing is used whose sum is wrong.

Ctrl-C, or SIGTERM, lets another worker take over: answers go on there (--patience). A
second one ends it at once.`,
		Example: `  eclat peer serve model.gguf
  eclat peer serve model.gguf --listen :4711 --memory 8192 --allow ID
  eclat peer serve --fragments fragments --source ID@192.168.1.21:4711`,
		ValidArgsFunction: completeModel,
		RunE:              func(cmd *cobra.Command, args []string) error { return f.run(cmd.Context(), args) },
	}
	fs := cmd.Flags()
	fs.StringVar(&f.device, "device", "auto", "auto, gpu, vulkan:N, part of a GPU's name, cpu, or ref")
	fs.IntVarP(&f.threads, "threads", "t", 0, "CPU threads (default: one a processor)")
	fs.StringSliceVar(&f.listen, "listen", []string{":4711"}, "HOST:PORT to listen on, TCP and UDP; may be given again")
	fs.StringSliceVar(&f.allow, "allow", nil, "an id that may come, beside those on the list; may be given again")
	fs.Int64Var(&f.memory, "memory", 0, "most MiB for all who come, weights too; 0 for what there is")
	fs.BoolVar(&f.mdns, "mdns", true, "be found on the local network")
	fs.StringVar(&f.fragments, "fragments", "", "folder of fragments to offer, and to fetch missing ones into")
	fs.Int64Var(&f.disk, "disk", 0, "most MiB of fragments to keep; 0 for no limit")
	fs.StringSliceVar(&f.sources, "source", nil, "a machine to fetch fragments from, as ID@HOST:PORT; may be given again")
	fs.StringSliceVar(&f.relays, "relay", nil, "relays (eclat peer relay) where this machine is met from outside its NAT, as ID@HOST:PORT")
	fs.StringSliceVar(&f.dht, "dht", nil, "machines that are told which manifests are offered here (eclat peer relay), as ID@HOST:PORT")
	fs.DurationVar(&f.patience, "patience", 10*time.Second, "how long who is served has to go elsewhere after Ctrl-C")
	return cmd
}

func (f *peerServe) run(ctx context.Context, args []string) error {
	switch {
	case f.memory < 0:
		return usagef("--memory %d is below 0", f.memory)
	case f.disk < 0:
		return usagef("--disk %d is below 0", f.disk)
	case f.patience < 0:
		return usagef("--patience %v is below 0", f.patience)
	case (len(f.sources) > 0 || len(f.dht) > 0) && f.fragments == "":
		return usagef("--source and --dht go with --fragments")
	}
	w := &peer.Worker{Limit: f.memory << 20, Log: out.Notice, Memory: engine.AvailableMemory}
	if len(args) == 0 && f.fragments == "" {
		args = []string{""}
	}
	for _, path := range args {
		m, err := openHeader(path)
		if err != nil {
			return err
		}
		defer m.File.Close()
		w.Models = append(w.Models, m)
	}
	d, err := engine.FindDevice(engine.Options{Device: f.device, Threads: f.threads, Notice: out.Notice})
	if err != nil {
		return err
	}
	w.Device = d
	h, err := peerHost(joining{listen: f.listen, allow: f.allow, relays: f.relays})
	if err != nil {
		return err
	}
	w.Sign = h.Sign
	defer h.Close()
	if f.fragments != "" {
		if err := f.stock(h, w); err != nil {
			return err
		}
		defer w.Stock.Close()
	}
	h.Handle(peer.Protocol, w.Serve)
	if f.mdns {
		found, err := h.Announce()
		if err != nil {
			out.Noticef("mDNS: %v; others need this machine's address", err)
		} else {
			defer found.Close()
		}
	}
	info := d.Info()
	out.Noticef("peer %s on %s", h.Self(), info.Describe())
	for _, a := range h.Listening() {
		out.Fprintf(stdout, "%s\n", a)
	}
	if err := stdout.Flush(); err != nil {
		return err
	}
	if len(f.relays) > 0 {
		go tellRelayed(ctx, h)
	}
	if len(f.dht) > 0 {
		go f.offer(ctx, h, w.Stock)
	}
	service.Store(int64(f.patience + 10*time.Second)) // the rest is for closing devices
	<-ctx.Done()
	last, cancel := context.WithTimeout(context.Background(), f.patience)
	defer cancel()
	if n := w.Drain(last); n > 0 {
		out.Noticef("%d sessions were cut off", n)
	}
	return nil
}

// openHeader opens a model of which nothing is computed yet; "" is the built-in one.
func openHeader(path string) (*model.Model, error) {
	var of []string
	if path != "" {
		of = []string{path}
	}
	f, err := openFile(of)
	if err != nil {
		return nil, err
	}
	var m *model.Model
	if err := loader.Guard(func() (err error) { m, err = arch.Open(f); return err }); err != nil {
		f.Close()
		return nil, err
	}
	return m, nil
}

// stock opens the folder of fragments, and offers it.
func (f *peerServe) stock(h *libp2p.Host, w *peer.Worker) error {
	if err := os.MkdirAll(f.fragments, 0o777); err != nil {
		return err
	}
	w.Stock = &peer.Stock{Net: h, Fetcher: fragment.Fetcher{Dir: f.fragments, Most: f.disk << 20, Notice: out.Notice}}
	for _, s := range f.sources {
		if _, err := libp2p.Parse(s); err != nil {
			return usageError{err}
		}
		w.Stock.Sources = append(w.Stock.Sources, peer.NewSource(h, s))
	}
	err := w.Stock.Offer()
	var format *loader.FormatError
	if err != nil && !errors.As(err, &format) { // an empty folder has nothing to offer yet
		return err
	}
	var offered peer.Blobs
	offered.Add(f.fragments)
	h.Handle(peer.BlobProtocol, offered.Serve)
	return nil
}

// tellRelayed says by which addresses this machine is met at relays, once it has a place.
func tellRelayed(ctx context.Context, h *libp2p.Host) {
	told := false
	for {
		all, err := h.Relayed()
		for _, a := range all {
			out.Noticef("met at %s", a)
		}
		if len(all) > 0 {
			return
		}
		if err != nil && !told {
			told = true
			out.Noticef("no place at a relay yet: %v", err)
		}
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
			return
		}
	}
}

// offering is how often the directory is told again, which forgets in two days.
const offering = 12 * time.Hour

// offer tells the directory which manifests are offered here.
func (f *peerServe) offer(ctx context.Context, h *libp2p.Host, stock *peer.Stock) {
	d, err := h.Join(ctx, f.dht, true)
	if err != nil {
		out.Noticef("%v; manifests are not found by their ids", err)
		return
	}
	defer d.Close()
	for {
		for _, id := range stock.IDs() {
			if err := d.Offer(ctx, id); err != nil && ctx.Err() == nil {
				out.Noticef("the directory was not told of %.16s…: %v", id, err)
			}
		}
		select {
		case <-time.After(offering):
		case <-ctx.Done():
			return
		}
	}
}

func newPeerRelay() *cobra.Command {
	var listen, allow []string
	var carry bool
	cmd := &cobra.Command{
		Use: "relay", Short: "Help machines behind NATs find each other",
		Long: `Help machines behind NATs find each other, until Ctrl-C. It runs on a machine that all of
them reach, and serves those on its list of ids alone.

Workers name it with --relay, to be met here; who asks them then connects directly. What
those compute that cannot connect directly passes through it, encrypted from one to the
other (--carry). With --dht they tell it which manifests they offer, and ask it.`,
		Example: "  eclat peer relay --listen :4712", Args: noArguments,
		RunE: func(cmd *cobra.Command, args []string) error {
			h, err := peerHost(joining{listen: listen, allow: allow, relay: true, carry: carry})
			if err != nil {
				return err
			}
			defer h.Close()
			d, err := h.Join(cmd.Context(), nil, true)
			if err != nil {
				return err
			}
			defer d.Close()
			for _, a := range h.Listening() {
				out.Fprintf(stdout, "%s\n", a)
			}
			if err := stdout.Flush(); err != nil {
				return err
			}
			service.Store(int64(10 * time.Second))
			<-cmd.Context().Done()
			return nil
		},
	}
	cmd.Flags().StringSliceVar(&listen, "listen", []string{":4712"}, "HOST:PORT to listen on, TCP and UDP; may be given again")
	cmd.Flags().StringSliceVar(&allow, "allow", nil, "an id that may come, beside those on the list; may be given again")
	cmd.Flags().BoolVar(&carry, "carry", true, "pass on what machines compute that cannot connect directly; false for messages on how to connect alone")
	return cmd
}
