package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"eclat/cmd/eclat/out"
	"eclat/engine"
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
	cmd.AddCommand(newPeerServe(), newPeerID(), newPeerAllow(), newPeerList(), newPeerStatus(), newPeerRelay())
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

// joining says how a machine joins the network. listen is empty where nobody may come.
type joining struct {
	listen, allow, relays []string
	relay, carry          bool // be one; pass on what is computed too
	look                  bool // for others on the local network
}

// peerHost joins the network.
func peerHost(j joining) (*libp2p.Host, error) {
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
	o := libp2p.Options{Key: key, Listen: j.listen, Relays: j.relays, Relay: j.relay, Carry: j.carry, Look: j.look, Notice: out.Notice}
	if len(j.listen) > 0 {
		o.Allow = func(id string) bool { return slices.Contains(j.allow, id) || list.Allows(id) }
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

func newPeerID() *cobra.Command {
	return &cobra.Command{
		Use: "id", Short: "Print this machine's id", Args: noArguments, Example: "  eclat peer id",
		RunE: func(cmd *cobra.Command, args []string) error {
			h, err := peerHost(joining{})
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
	h, err := peerHost(joining{look: true})
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

func newPeerStatus() *cobra.Command {
	return &cobra.Command{
		Use: "status [ID@HOST:PORT…]", Short: "Show what workers are at: their models, sessions and memory",
		Long: `Show what workers are at: their models, sessions and memory. Without an address those
on the list that the local network shows are asked.`,
		Example: "  eclat peer status 12D3KooW…@192.168.1.20:4711",
		RunE: func(cmd *cobra.Command, args []string) error {
			f := peerFlags{peers: args}
			if len(args) == 0 {
				f.peers = []string{"auto"}
			}
			if err := f.join(cmd.Context()); err != nil {
				return err
			}
			defer f.host.Close()
			var failed error
			for _, p := range f.peers {
				s, err := peer.Ask(cmd.Context(), f.host, p)
				if err != nil {
					failed = errors.Join(failed, err)
					continue
				}
				state := ""
				if s.Leaving {
					state = ", leaving"
				}
				left := ""
				if s.Left > 0 {
					left = out.Sprintf(", %d MiB are left", s.Left>>20)
				}
				out.Fprintf(stdout, "%s\n  %s, numbers %d%s\n  %d sessions with %d MiB%s\n", p, out.Screen(s.Device), s.Numbers, state, s.Sessions, s.Held>>20, left)
				for _, m := range s.Models {
					out.Fprintf(stdout, "  has %s\n", out.Screen(m))
				}
			}
			return failed
		},
	}
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
