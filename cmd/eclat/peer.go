package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"eclat/cmd/eclat/out"
	"eclat/engine"
	"eclat/loader"
	"eclat/model"
	"eclat/model/arch"
	"eclat/peer"
	"eclat/peer/libp2p"
)

func newPeer() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "peer",
		Short: "Let machines compute parts of one model together",
		Long: `Let machines compute parts of one model together.

Each machine is known by its key; its id follows from it. A worker serves those on
its list of ids and refuses everyone else.

  on the worker            eclat peer serve model.gguf
  on the other machine     eclat peer id
  on the worker            eclat peer allow ID
  on the other machine     eclat run model.gguf --peers ID@HOST:PORT

The key and the list lie in the folder that ECLAT_PEER_DIR names, or in eclat in the
user's folder for configuration.`,
		Example: "  eclat peer serve model.gguf",
		Args:    noArguments,
		RunE:    func(cmd *cobra.Command, args []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newPeerServe(), newPeerID(), newPeerAllow(), newPeerList())
	return cmd
}

// peerDir is where the key and the list are.
func peerDir() (string, error) {
	if dir := os.Getenv("ECLAT_PEER_DIR"); dir != "" {
		return dir, nil
	}
	dir, err := os.UserConfigDir()
	if err != nil {
		return "", fmt.Errorf("no folder for the key of this machine: %w; set ECLAT_PEER_DIR", err)
	}
	return filepath.Join(dir, "eclat"), nil
}

// peerHost joins the network. listen is empty where nobody may come.
func peerHost(listen []string, allow []string) (*libp2p.Host, error) {
	dir, err := peerDir()
	if err != nil {
		return nil, err
	}
	key, err := libp2p.Key(filepath.Join(dir, "peer.key"))
	if err != nil {
		return nil, err
	}
	list, err := peerList()
	if err != nil {
		return nil, err
	}
	o := libp2p.Options{Key: key, Listen: listen}
	if len(listen) > 0 {
		o.Allow = func(id string) bool { return slices.Contains(allow, id) || list.Allows(id) }
	}
	return libp2p.New(o)
}

func peerList() (*libp2p.Allowed, error) {
	dir, err := peerDir()
	if err != nil {
		return nil, err
	}
	return libp2p.AllowList(filepath.Join(dir, "peers.allow"))
}

func newPeerServe() *cobra.Command {
	var o struct {
		device  string
		threads int
		listen  []string
		allow   []string
		memory  int64
		mdns    bool
	}
	cmd := &cobra.Command{
		Use:   "serve MODEL…",
		Short: "Compute layers of models for other machines",
		Long: `Compute layers of models for other machines, until Ctrl-C.

Only those whose ids are on the list (eclat peer allow), or named with --allow, may come.
A worker sees rows of activations, no text: of the first layers these tell much of it, so
the machine that asks keeps those. It gets no file, path or program from anyone.`,
		Example: `  eclat peer serve model.gguf
  eclat peer serve model.gguf --listen :4711 --memory 8192 --allow ID`,
		ValidArgsFunction: completeModel,
		RunE: func(cmd *cobra.Command, args []string) error {
			if o.memory < 0 {
				return usagef("--memory %d is below 0", o.memory)
			}
			w := &peer.Worker{Limit: o.memory << 20, Log: out.Notice, Memory: engine.AvailableMemory}
			if len(args) == 0 {
				args = []string{""}
			}
			for _, path := range args {
				var of []string
				if path != "" {
					of = []string{path}
				}
				f, err := openFile(of)
				if err != nil {
					return err
				}
				defer f.Close()
				var m *model.Model
				if err := loader.Guard(func() (err error) { m, err = arch.Open(f); return err }); err != nil {
					return err
				}
				w.Models = append(w.Models, m)
			}
			d, err := engine.FindDevice(engine.Options{Device: o.device, Threads: o.threads, Notice: out.Notice})
			if err != nil {
				return err
			}
			w.Device = d
			h, err := peerHost(o.listen, o.allow)
			if err != nil {
				return err
			}
			w.Sign = h.Sign
			defer h.Close()
			h.Handle(peer.Protocol, w.Serve)
			if o.mdns {
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
			<-cmd.Context().Done()
			return nil
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.device, "device", "auto", "auto, gpu, vulkan:N, part of a GPU's name, cpu, or ref")
	f.IntVarP(&o.threads, "threads", "t", 0, "CPU threads (default: one a processor)")
	f.StringSliceVar(&o.listen, "listen", []string{":4711"}, "HOST:PORT to listen on, TCP and UDP; may be given again")
	f.StringSliceVar(&o.allow, "allow", nil, "an id that may come, beside those on the list; may be given again")
	f.Int64Var(&o.memory, "memory", 0, "most MiB for all who come; 0 for what there is")
	f.BoolVar(&o.mdns, "mdns", true, "be found on the local network")
	return cmd
}

func newPeerID() *cobra.Command {
	return &cobra.Command{
		Use: "id", Short: "Print this machine's id", Args: noArguments, Example: "  eclat peer id",
		RunE: func(cmd *cobra.Command, args []string) error {
			h, err := peerHost(nil, nil)
			if err != nil {
				return err
			}
			defer h.Close()
			out.Fprintf(stdout, "%s\n", h.Self())
			return nil
		},
	}
}

func newPeerAllow() *cobra.Command {
	return &cobra.Command{
		Use: "allow ID [NAME]", Short: "Let a machine use this one", Args: cobra.RangeArgs(1, 2), Example: "  eclat peer allow 12D3KooW… laptop",
		RunE: func(cmd *cobra.Command, args []string) error {
			list, err := peerList()
			if err != nil {
				return err
			}
			if err := list.Add(args[0], strings.Join(args[1:], " ")); err != nil {
				return usagef("%v", err)
			}
			return nil
		},
	}
}

func newPeerList() *cobra.Command {
	var wait time.Duration
	cmd := &cobra.Command{
		Use: "list", Short: "Show who may come, and who is on the local network", Args: noArguments, Example: "  eclat peer list --wait 5s",
		RunE: func(cmd *cobra.Command, args []string) error {
			list, err := peerList()
			if err != nil {
				return err
			}
			ids, err := list.List()
			if err != nil {
				return err
			}
			seen, err := lookAround(cmd.Context(), wait)
			if err != nil {
				out.Noticef("mDNS: %v", err)
			}
			all := seen
			for id := range ids {
				all = append(all, id)
			}
			slices.Sort(all)
			for _, id := range slices.Compact(all) {
				name, allowed := ids[id]
				line := id
				if allowed {
					line += "  allowed  " + out.Screen(name)
				}
				if slices.Contains(seen, id) {
					line += "  here"
				}
				out.Fprintf(stdout, "%s\n", line)
			}
			return nil
		},
	}
	cmd.Flags().DurationVar(&wait, "wait", 2*time.Second, "how long to look at the local network")
	return cmd
}

// lookAround returns the ids that announce themselves.
func lookAround(ctx context.Context, wait time.Duration) ([]string, error) {
	h, err := peerHost(nil, nil)
	if err != nil {
		return nil, err
	}
	defer h.Close()
	found, err := h.Announce()
	if err != nil {
		return nil, err
	}
	defer found.Close()
	select {
	case <-time.After(wait):
	case <-ctx.Done():
	}
	return found.Peers(), nil
}

// peerFlags say which other machines compute.
type peerFlags struct {
	peers   []string
	standby []string
	layers  []int
	check   []string
}

func (f *peerFlags) add(cmd *cobra.Command) {
	fs := cmd.Flags()
	fs.StringSliceVar(&f.peers, "peers", nil, "other machines that compute layers after this one's, as ID@HOST:PORT, in this order")
	fs.StringSliceVar(&f.standby, "standby", nil, "machines that take the place of one that is lost")
	fs.StringSliceVar(&f.check, "check", nil, "who computes once more what the peers do: home for this machine, or other machines as ID@HOST:PORT")
	fs.IntSliceVar(&f.layers, "layers", nil, "how many layers this machine and each of the peers gets, as in 10,15,15")
}

// find asks the machines who they are. The network stays open until the program ends.
func (f *peerFlags) find(ctx context.Context, o *engine.Options) error {
	if len(f.peers) == 0 {
		if len(f.standby) > 0 || len(f.layers) > 0 || len(f.check) > 0 {
			return usagef("--standby, --check and --layers go with --peers")
		}
		return nil
	}
	h, err := peerHost(nil, nil)
	if err != nil {
		return err
	}
	for _, p := range f.peers {
		d, err := peer.Find(ctx, peer.Device{Net: h, Verify: h.Verify, Peers: append([]string{p}, f.standby...), Preload: true})
		if err != nil {
			h.Close()
			return err
		}
		o.Peers = append(o.Peers, d)
		switch {
		case len(f.check) == 0:
			continue
		case len(f.check) == 1 && f.check[0] == "home":
			o.Checks = append(o.Checks, engine.Home)
			continue
		}
		c, err := peer.Find(ctx, peer.Device{Net: h, Verify: h.Verify, Peers: append(slices.Clone(f.check), f.standby...)})
		if err != nil {
			h.Close()
			return err
		}
		o.Checks = append(o.Checks, c)
	}
	o.Layers = f.layers
	return nil
}

// showPeers tells, beside a proof, how often the place of another machine was taken, with
// the proof that it made no difference, and what was checked.
func showPeers(st engine.Stats) {
	for _, r := range st.Replays {
		out.Messagef("replay   %s\n", r)
	}
	if st.Checked > 0 {
		out.Messagef("checked  %d rows of other machines, computed once more with the same bits\n", st.Checked)
	}
}
