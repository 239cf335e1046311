package peer

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"eclat/cpu"
	"eclat/engine"
	"eclat/model"
	"eclat/model/backendtest"
	"eclat/model/sample"
)

// floor counts runs, and those that began while another machine's went on.
type floor struct {
	mu                  sync.Mutex
	busy, runs, overlap int
}

// slow is a device whose runs take a second of the simulated clock.
type slow struct {
	model.Device
	chunk int
	floor *floor
}

func (d *slow) Info() model.DeviceInfo {
	info := d.Device.Info()
	info.Chunk = d.chunk
	return info
}

func (d *slow) Open(ctx context.Context, o model.OpenOptions) (model.Backend, error) {
	b, err := d.Device.Open(ctx, o)
	return backendtest.Around(b, err, d.floor.run)
}

func (f *floor) run(ctx context.Context, p model.Program, b *model.Batch, out *model.Outputs) error {
	f.mu.Lock()
	if f.runs++; f.busy > 0 {
		f.overlap++
	}
	f.busy++
	f.mu.Unlock()
	time.Sleep(time.Second)
	f.mu.Lock()
	f.busy--
	f.mu.Unlock()
	return p.Run(ctx, b, out)
}

// TestChunksOverlap: a prompt's next chunk is computed by a stage while the next stage
// computes the one before, in chunks of 1, of 7, and of as many as a processor takes, and the bits
// are those of one machine.
func TestChunksOverlap(t *testing.T) {
	for _, at := range []struct{ chunk, tokens int }{{1, 24}, {7, 90}, {512, 900}} {
		synctest.Test(t, func(t *testing.T) {
			l, f := &lan{}, &floor{}
			m := backendtest.Open(t, builtIn)
			for _, id := range []string{"a", "b"} {
				d := &slow{cpu.Devices(1)[0], at.chunk, f}
				l.join(id).Handle(Protocol, (&Worker{Models: []*model.Model{m}, Device: d}).Serve)
			}
			ask := func(e *engine.Engine) engine.Proof {
				r := asked(e, 3)
				r.Tokens = e.Prompt(strings.Repeat("The Congress of the United States, in its wisdom. ", 1+at.tokens/8), false)[:at.tokens]
				st, err := e.Generate(context.Background(), r, nil, nil)
				if err != nil {
					t.Fatal(err)
				}
				return st.Proof
			}
			alone := openEngine(t, builtIn, engine.Options{Context: 4096})
			want := ask(alone)
			alone.Close()
			e := openEngine(t, builtIn, engine.Options{Context: 4096, Layers: []int{2, 2, 2}, Peers: []model.Device{find(t, l, "a"), find(t, l, "b")}})
			if most := cpu.Devices(1)[0].Info(); e.Chunk != min(at.chunk, most.Chunk) { // the embedding and the head are here
				t.Errorf("chunks of %d, want %d", e.Chunk, at.chunk)
			}
			if got := ask(e); got != want {
				t.Errorf("chunks of %d: %s, alone %s", at.chunk, got, want)
			}
			// Chunks whose answer nobody waits for: of n of them on their way over two
			// machines, n − 1 begin beside another, and at most six are.
			chunks := (at.tokens - 1) / e.Chunk
			if f.overlap*3 < chunks*2 || at.chunk > 7 && f.overlap < chunks-2 {
				t.Errorf("chunks of %d: of %d runs of %d chunks %d began beside another", at.chunk, f.runs, chunks, f.overlap)
			}
			t.Logf("chunks of %d: of %d runs of %d chunks %d began beside another", at.chunk, f.runs, chunks, f.overlap)
			e.Close()
			for _, m := range l.machines {
				m.kill()
			}
			synctest.Wait()
		})
	}
}

// TestWindows: a text that repeats one token for ever has several windows of guesses on their
// way at once, and the tokens and logits of plain running.
func TestWindows(t *testing.T) {
	m := backendtest.Open(t, builtIn)
	synctest.Test(t, func(t *testing.T) {
		l := &lan{delay: 25 * time.Millisecond}
		for _, id := range []string{"a", "b"} {
			w := &Worker{Models: []*model.Model{m}, Device: cpu.Devices(1)[0]}
			l.join(id).Handle(Protocol, w.Serve)
		}
		e := openEngine(t, builtIn, engine.Options{Context: 1024, Layers: []int{2, 2, 2}, Peers: []model.Device{find(t, l, "a"), find(t, l, "b")}})
		ask := func(draft int) (engine.Stats, int) {
			before, err := e.Counters(context.Background())
			if err != nil {
				t.Fatal(err)
			}
			r := engine.Request{Tokens: e.Prompt("The people of the United States", false), Settings: sample.Defaults(), MaxTokens: 600, IgnoreEOS: true, Draft: draft, Proof: true}
			r.Settings.Bias = []sample.Bias{{ID: r.Tokens[1], Add: 100}}
			st, err := e.Generate(context.Background(), r, nil, nil)
			if err != nil {
				t.Fatal(err)
			}
			after, err := e.Counters(context.Background())
			if err != nil {
				t.Fatal(err)
			}
			return st, after.Flown - before.Flown
		}
		ask(0) // what a token takes is known then, and the prompt
		plain, _ := ask(0)
		drafted, windows := ask(1000)
		if drafted.Proof != plain.Proof || windows < 20 || e.Losses() != 0 {
			t.Errorf("%s, plain %s; %d windows behind another, of %d guesses %d were right; %d losses", drafted.Proof, plain.Proof, windows, drafted.Drafted, drafted.Accepted, e.Losses())
		}
		t.Logf("%d windows behind another, of %d guesses %d were right", windows, drafted.Drafted, drafted.Accepted)
		e.Close()
		for _, m := range l.machines {
			m.kill()
		}
		synctest.Wait()
	})
}

// TestDraftsOverTheRing: over three stages 25 ms apart an answer has the same tokens plain
// and drafted, wherever the model is cut; where the text repeats itself guesses make it at
// least three times as fast, by the simulated clock.
func TestDraftsOverTheRing(t *testing.T) {
	m := backendtest.Open(t, builtIn)
	n := m.Config.NLayer
	text := strings.Repeat("The people of the United States have a right to know the truth of it. ", 12)
	for a := 0; a <= n; a++ {
		for b := 0; b <= n-a; b++ {
			if a%2 != 0 || b%2 != 0 || testing.Short() && (a != 2 || b != 2) { // a cut takes a second
				continue
			}
			synctest.Test(t, func(t *testing.T) {
				l := &lan{delay: 25 * time.Millisecond}
				for _, id := range []string{"a", "b"} {
					w := &Worker{Models: []*model.Model{m}, Device: cpu.Devices(1)[0]}
					l.join(id).Handle(Protocol, w.Serve)
				}
				var said []string
				e := openEngine(t, builtIn, engine.Options{Context: 1024, Notice: func(s string) { said = append(said, s) }, Layers: []int{a, b, n - a - b}, Peers: []model.Device{find(t, l, "a"), find(t, l, "b")}})
				ask := func(draft int) (ids string, took time.Duration, st engine.Stats) {
					r := engine.Request{Tokens: e.Prompt(text, false), MaxTokens: 200, IgnoreEOS: true, Draft: draft, Proof: true}
					start := time.Now()
					st, err := e.Generate(context.Background(), r, nil, func(id int32) { ids += fmt.Sprint(id, " ") })
					if err != nil {
						t.Fatal(err)
					}
					return ids, time.Since(start), st
				}
				flown := func() int {
					c, err := e.Counters(context.Background())
					if err != nil {
						t.Fatal(err)
					}
					return c.Flown
				}
				ask(0) // what a token takes is known then
				want, plain, st := ask(0)
				ask(1000)
				before := flown()
				got, drafted, with := ask(1000)
				windows := flown() - before // the prompt is known
				if got != want || with.Proof != st.Proof {
					t.Errorf("cut as %d, %d: %s; plain %s", a, b, with.Proof, st.Proof)
				}
				if far := a < n; far && (with.Accepted == 0 || plain < 3*drafted) {
					t.Errorf("cut as %d, %d: %v plain, %v with guesses, of which %d of %d were right, %d windows behind another", a, b, plain, drafted, with.Accepted, with.Drafted, windows)
				}
				if e.Losses() != 0 {
					t.Errorf("cut as %d, %d: %q", a, b, said)
				}
				t.Logf("cut as %d, %d: %v plain, %v with guesses, of which %d of %d were right, %d windows behind another", a, b, plain, drafted, with.Accepted, with.Drafted, windows)
				e.Close()
				for _, m := range l.machines {
					m.kill()
				}
				synctest.Wait()
			})
		}
	}
}

// TestCuts: prompts in chunks of 1, of 7 and of 512 have the bits of one machine wherever a
// model is cut, one of positions, one with experts and one of states.
func TestCuts(t *testing.T) {
	for _, path := range killedModels(t)[:3] {
		m := backendtest.Open(t, path)
		n := m.Config.NLayer
		context := min(1024, m.Config.NCtx)
		for _, chunk := range []int{1, 7, 512} {
			l := &lan{}
			for _, id := range []string{"a", "b"} {
				d := chunked{cpu.Devices(1)[0], chunk}
				l.join(id).Handle(Protocol, (&Worker{Models: []*model.Model{m}, Device: d}).Serve)
			}
			alone := openEngine(t, path, engine.Options{Context: context})
			tokens := make([]int32, min(3*chunk+20, context-20, 530))
			for i := range tokens {
				tokens[i] = int32(i*i%997) % int32(m.Config.NVocab)
			}
			ask := func(e *engine.Engine) engine.Proof {
				r := asked(e, 6)
				r.Tokens = tokens
				st, err := e.Generate(t.Context(), r, nil, nil)
				if err != nil {
					t.Fatal(err)
				}
				return st.Proof
			}
			want := ask(alone)
			alone.Close()
			for own := 0; own <= n; own++ {
				for a := 0; a <= n-own; a++ {
					if testing.Short() && a != own {
						continue
					}
					cut := []int{own, a, n - own - a}
					e := openEngine(t, path, engine.Options{Context: context, Layers: cut, Peers: []model.Device{find(t, l, "a"), find(t, l, "b")}})
					if got := ask(e); got != want {
						t.Errorf("%s cut as %v, %d tokens in chunks of %d: %s, alone %s", path, cut, len(tokens), e.Chunk, got, want)
					}
					e.Close()
				}
			}
			for _, m := range l.machines {
				m.kill()
			}
		}
	}
}

// chunked is a device that takes chunks of so many tokens.
type chunked struct {
	model.Device
	chunk int
}

func (d chunked) Info() model.DeviceInfo {
	info := d.Device.Info()
	info.Chunk = d.chunk
	return info
}
