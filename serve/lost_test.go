package serve

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"eclat/cpu"
	"eclat/engine"
	"eclat/model"
	"eclat/model/backendtest"
	"eclat/serve/core"
	"eclat/serve/servetest"
)

// frail is a device that is lost when it is told to, and back when it is let.
type frail struct {
	model.Device
	inside bool              // the device itself finds it out, when it hands in work; else its runs end with it
	lose   atomic.Int64      // in so many runs or hand-ins from now on; below 0 never
	open   chan func() error // what each opening after the first waits for
	used   atomic.Int64      // openings
}

func (f *frail) Info() model.DeviceInfo {
	i := f.Device.Info()
	i.ID = "frail"
	return i
}

func (f *frail) Open(ctx context.Context, o model.OpenOptions) (model.Backend, error) {
	if f.used.Add(1) > 1 {
		if err := (<-f.open)(); err != nil {
			return nil, err
		}
	}
	if f.inside {
		o.Fault = func(call, subject string) error {
			if call == "submit" && f.lose.Add(-1) == 0 {
				return fmt.Errorf("at %s: %w", subject, model.ErrLost)
			}
			return nil
		}
		return f.Device.Open(ctx, o)
	}
	b, err := f.Device.Open(ctx, o)
	return backendtest.Around(b, err, func(ctx context.Context, p model.Program, b *model.Batch, out *model.Outputs) error {
		if f.lose.Add(-1) == 0 {
			return fmt.Errorf("a run: %w", model.ErrLost)
		}
		return p.Run(ctx, b, out)
	})
}

// TestLost: a device is lost while 16 answers are on their way. Every one goes on and is
// what it would have been; /health says that the device is lost for as long as it is, and
// that all is well before and after. Where it does not come back, the answers end with an
// error that says so, and the next request tries again.
func TestLost(t *testing.T) {
	lost(t, &frail{Device: cpu.Devices(0)[0]})
}

// TestLostGPU is TestLost of a Vulkan device, a software one included.
func TestLostGPU(t *testing.T) {
	if testing.Short() {
		t.Skip("a device's kernels are checked at each opening: left out with -short")
	}
	list, err := engine.Devices(0)
	for _, d := range list {
		if info := d.Info(); info.GPU() {
			lost(t, &frail{Device: d, inside: true})
			return
		}
	}
	t.Skipf("no Vulkan device: %v", err)
}

func lost(t *testing.T, f *frail) {
	f.open = make(chan func() error)
	f.lose.Store(-1)
	url, c := start(t, servetest.Options{Engine: engine.Options{Peers: []model.Device{f}, Layers: []int{2, 4}}})
	body := func(i int) string {
		return chat(fmt.Sprintf("Question %d of the Senate.", i), 40, fmt.Sprintf(`,"seed":%d,"ignore_eos":true`, i))
	}
	const clients = 16
	var want [clients][]int32
	for i := range want {
		want[i] = post(t, url, body(i)).Choices[0].Tokens
	}
	health := func(when string, want int, says string) {
		t.Helper()
		for _, path := range []string{"/health", "/v1/health"} {
			if status, text := servetest.Get(t, url+path); status != want || !strings.Contains(text, says) {
				t.Errorf("%s: %s is %d %s", when, path, status, text)
			}
		}
	}
	health("before", 200, "ok")
	// Three times in a row would move the layers to the processor, which this is not about.
	for round, after := range []int64{5, 30} {
		f.lose.Store(after)
		var all sync.WaitGroup
		for i := range clients {
			all.Go(func() {
				if got := post(t, url, body(i)).Choices[0].Tokens; !slices.Equal(got, want[i]) {
					t.Errorf("round %d, answer %d: %v, want %v", round, i, got, want[i])
				}
			})
		}
		f.open <- func() error { // it is being opened again, and the answers wait
			health("while it is lost", 503, "is lost")
			_, m := servetest.Get(t, url+"/v1/models")
			if !strings.Contains(m, servetest.Name) {
				t.Errorf("models while it is lost: %s", m)
			}
			return nil
		}
		all.Wait()
		health("after", 200, "ok")
	}
	losses := 0
	c.Models.Each(func(m *core.Model) { losses = m.Engine.Losses() })
	if losses != 2 {
		t.Errorf("%d losses", losses)
	}
	// It does not come back at once.
	f.lose.Store(5)
	ended := make(chan string)
	for i := range 4 {
		go func() {
			status, text := servetest.Post(t, url+"/v1/chat/completions", body(i))
			ended <- fmt.Sprint(status, text)
		}()
	}
	f.open <- func() error { return fmt.Errorf("unplugged: %w", model.ErrNoDevice) }
	for range 4 { // those that come later try to open it once more
		select {
		case said := <-ended:
			if !strings.HasPrefix(said, "503") || !strings.Contains(said, "unplugged") {
				t.Errorf("an answer that was cut off: %s", said)
			}
		case f.open <- func() error { return fmt.Errorf("unplugged: %w", model.ErrNoDevice) }:
		}
	}
	health("while it is away", 503, "is lost")
	ready := make(chan []int32)
	go func() { ready <- post(t, url, body(0)).Choices[0].Tokens }()
	f.open <- func() error { return nil }
	if got := <-ready; !slices.Equal(got, want[0]) {
		t.Errorf("once it is back: %v, want %v", got, want[0])
	}
	health("once it is back", 200, "ok")
	f.lose.Store(-1)
}
