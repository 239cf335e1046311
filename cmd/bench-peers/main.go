// Command bench-peers measures a model over one to four machines, which are workers of this
// process on the loopback, each behind a proxy that delays what goes through it, and lets
// through so much a second. It prints a page with tokens a second, plain and drafted, beside
// what was predicted.
//
//	go run ./cmd/bench-peers > BENCHMARKS.md
package main

import (
	"context"
	"flag"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"eclat/engine"
	"eclat/loader"
	"eclat/model"
	"eclat/model/arch"
	"eclat/model/sample"
	"eclat/peer"
	"eclat/peer/delay"
	"eclat/peer/libp2p"
	"eclat/peer/place"
	"eclat/testdata"
)

var (
	tokens = flag.Int("n", 24, "tokens of each answer")
	path   = flag.String("model", "", "a model's file; the built-in one without")
	most   = flag.Int("stages", 4, "most machines that have layers")
	rates  = flag.String("mbit", "1000,100,10", "rates of limited lines in each direction, Mbit/s; empty for none")
)

func main() {
	flag.Parse()
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "bench-peers:", err)
		os.Exit(1)
	}
}

// open opens the model.
func open() (*loader.File, error) {
	if *path == "" {
		return loader.FromBytes(testdata.ModelName, testdata.Model)
	}
	return loader.Open(*path)
}

func run() error {
	limits, err := parseRates(*rates)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "bench-peers")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	home, err := join(dir, "home", nil, "")
	if err != nil {
		return err
	}
	defer home.Close()
	d, err := engine.FindDevice(engine.Options{Device: "cpu", Threads: 1})
	if err != nil {
		return err
	}
	var workers []*libp2p.Host
	for i := range *most - 1 {
		f, err := open()
		if err != nil {
			return err
		}
		m, err := arch.Open(f)
		if err != nil {
			return err
		}
		defer f.Close()
		w := &peer.Worker{Models: []*model.Model{m}, Device: d}
		h, err := join(dir, fmt.Sprint("worker", i), []string{"127.0.0.1:0"}, home.Self())
		if err != nil {
			return err
		}
		defer h.Close()
		h.Handle(peer.Protocol, w.Serve)
		workers = append(workers, h)
	}
	info := d.Info()
	fmt.Printf(head, info.Describe(), info.Kernels, runtime.Version(), *tokens)
	for _, trip := range []time.Duration{0, 2, 10, 40, 50} {
		for stages := 1; stages <= *most; stages++ {
			if stages == 1 && trip > 0 {
				continue
			}
			if err := one(home, workers[:stages-1], trip*time.Millisecond, 0); err != nil {
				return err
			}
		}
	}
	if len(limits) == 0 {
		return nil
	}
	f, err := open()
	if err != nil {
		return err
	}
	defer f.Close()
	m, err := arch.Open(f)
	if err != nil {
		return err
	}
	fmt.Printf(limited, m.Config.NEmbd*4)
	for _, mbit := range limits {
		for _, trip := range []time.Duration{2, 10} {
			for stages := 2; stages <= *most; stages++ {
				if err := one(home, workers[:stages-1], trip*time.Millisecond, mbit); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// parseRates reads rates in Mbit/s.
func parseRates(text string) (all []float64, err error) {
	for _, s := range strings.FieldsFunc(text, func(r rune) bool { return r == ',' }) {
		r, err := strconv.ParseFloat(s, 64)
		if err != nil || !(r > 0 && r < 1e6) {
			return nil, fmt.Errorf("-mbit: %q is no rate", s)
		}
		all = append(all, r)
	}
	return all, nil
}

const head = `# Several machines

Made by ` + "`make bench-peers`" + `: this process and workers on its loopback, each behind a proxy
that delays, a thread each, on %s, %s kernels, %s.
Answers of %d tokens, eight times as many with drafts, on a text that repeats itself; drafts are
guesses from the text so far, with the same tokens, several windows of them on their way. Predicted
is what the program prints before it begins, from one timed layer and timed round trips: a
token takes the stages' times and a round trip for each worker.

| stages | round trip | plain, tokens/s | predicted | off by | drafted, tokens/s | gain |
|--|--|--|--|--|--|--|
`

// limited opens the table of lines with a rate.
const limited = `
## Limited lines

The same behind lines of so many Mbit/s in each direction. A token's row is %d bytes here, and
each worker is sent one and answers one.

| Mbit/s | stages | round trip | plain, tokens/s | predicted | off by | drafted, tokens/s | gain |
|--|--|--|--|--|--|--|--|
`

// join makes a host.
func join(dir, name string, listen []string, allow string) (*libp2p.Host, error) {
	key, err := libp2p.Key(filepath.Join(dir, name))
	if err != nil {
		return nil, err
	}
	o := libp2p.Options{Key: key, Listen: listen}
	if allow != "" {
		o.Allow = func(id string) bool { return id == allow }
	}
	return libp2p.New(o)
}

// port is the HOST:PORT of a host's TCP address.
func port(h *libp2p.Host) (string, error) {
	for _, a := range h.Listening() {
		if f := strings.Split(a, "/"); len(f) > 4 && f[3] == "tcp" {
			return net.JoinHostPort(f[2], f[4]), nil
		}
	}
	return "", fmt.Errorf("%s listens nowhere", h.Self())
}

// one measures one number of stages, one round trip and one rate in Mbit/s, 0 for none, and
// prints a row.
func one(home *libp2p.Host, workers []*libp2p.Host, trip time.Duration, mbit float64) error {
	ctx := context.Background()
	f, err := open()
	if err != nil {
		return err
	}
	o := engine.Options{Device: "cpu", Threads: 1, Context: 512, Parallel: 1}
	var far []*peer.Device
	for _, w := range workers {
		to, err := port(w)
		if err != nil {
			return err
		}
		if trip > 0 || mbit > 0 {
			p, err := delay.Listen(to, delay.Options{Delay: trip / 2, Rate: mbit * 1e6 / 8})
			if err != nil {
				return err
			}
			defer p.Close()
			to = p.Addr()
		}
		address := "/ip4/127.0.0.1/tcp/" + to[strings.LastIndex(to, ":")+1:] + "/p2p/" + w.Self()
		home.Forget(w.Self())
		d, err := peer.Find(ctx, peer.Device{Net: home, Peers: []string{address}})
		if err != nil {
			return err
		}
		far = append(far, d)
		o.Peers = append(o.Peers, d)
	}
	if len(far) > 0 {
		m, err := arch.Open(f)
		if err != nil {
			return err
		}
		n, at := m.Config.NLayer, 0
		for i := range len(far) + 1 {
			end := n * (i + 1) / (len(far) + 1)
			o.Layers = append(o.Layers, end-at)
			at = end
		}
		o.Measure = func(ctx context.Context, i int, m *model.Model, st model.Stage) (place.Far, error) {
			return far[i].Measure(ctx, m, st)
		}
	}
	e, err := engine.Open(ctx, f, o)
	if err != nil {
		return err
	}
	defer e.Close()
	if _, err := measure(ctx, e, 0, "warm"); err != nil { // compiles
		return err
	}
	plain, err := measure(ctx, e, 0, "plain")
	if err != nil {
		return err
	}
	if _, err := measure(ctx, e, mostDraft, "learn"); err != nil { // what batches take
		return err
	}
	drafted, err := measure(ctx, e, mostDraft, "drafted")
	if err != nil {
		return err
	}
	predicted, off := "", ""
	if p := e.Placement(); p != nil {
		r := p.Rate()
		predicted, off = fmt.Sprintf("%.1f", r), fmt.Sprintf("%+.0f %%", 100*(plain/r-1))
	}
	if mbit > 0 {
		fmt.Printf("| %g ", mbit)
	}
	fmt.Printf("| %d | %v | %.1f | %s | %s | %.1f | %.2f |\n", len(workers)+1, trip, plain, predicted, off, drafted, drafted/plain)
	return nil
}

// mostDraft is more than several windows of guesses.
const mostDraft = 1000

// measure returns tokens a second from the first token to the last; the caller's name
// keeps answers from being found computed.
func measure(ctx context.Context, e *engine.Engine, draft int, caller string) (float64, error) {
	text := strings.Repeat("The people of the United States have a right to know the truth of it. ", 12)
	how := sample.Defaults()
	how.Temp = 0
	n := *tokens
	if draft > 0 {
		n *= 8
	}
	var at []time.Time
	r := engine.Request{Tokens: e.Prompt(text, false), Caller: caller, Settings: how, MaxTokens: n, IgnoreEOS: true, Draft: draft}
	if _, err := e.Generate(ctx, r, nil, func(int32) { at = append(at, time.Now()) }); err != nil {
		return 0, err
	}
	if len(at) < 2 {
		return 0, fmt.Errorf("%d tokens", len(at))
	}
	return float64(len(at)-1) / slices.MaxFunc(at, time.Time.Compare).Sub(at[0]).Seconds(), nil
}
