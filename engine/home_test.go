package engine

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"eclat/cpu"
	"eclat/loader"
	"eclat/model"
	"eclat/model/backendtest"
	"eclat/peer/place"
)

// filling is a device that holds nothing more once it is full.
type filling struct {
	model.Device
	full bool
}

func (f *filling) Fit(m *model.Model, r model.FitRequest) (*model.Fitting, error) {
	if f.full {
		return nil, ErrMemory
	}
	return f.Device.Fit(m, r)
}

// going is a device that is lost while it is gone.
type going struct {
	model.Device
	gone  bool
	id    string // "" for far
	asked int    // whether it is there
}

func (g *going) Info() model.DeviceInfo {
	info := g.Device.Info()
	info.ID = cmp.Or(g.id, "far")
	return info
}

func (g *going) Open(ctx context.Context, o model.OpenOptions) (model.Backend, error) {
	if g.gone {
		return nil, ErrLost
	}
	b, err := g.Device.Open(ctx, o)
	return backendtest.Around(b, err, func(ctx context.Context, p model.Program, b *model.Batch, out *model.Outputs) error {
		if g.gone {
			return ErrLost
		}
		return p.Run(ctx, b, out)
	})
}

// smaller is a model of three layers, for tests that are of no one model, under the race
// detector too.
const smaller = "../testdata/qwen3-small.gguf"

// silent is a device on another machine that says nothing while it is gone.
type silent struct{ going }

type silentPages struct {
	model.PageIO
	of *silent
}

type silentBackend struct {
	model.Backend
	of *silent
}

func (s *silent) Open(ctx context.Context, o model.OpenOptions) (model.Backend, error) {
	b, err := s.going.Open(ctx, o)
	if err != nil {
		return nil, err
	}
	return silentBackend{b, s}, nil
}

func (b silentBackend) Pages() model.PageIO { return silentPages{b.Backend.Pages(), b.of} }

func (p silentPages) Copy(ctx context.Context, pool int, from, to int32) error {
	p.of.asked++
	if p.of.gone {
		return ErrLost
	}
	return p.PageIO.Copy(ctx, pool, from, to)
}

// TestLayoutOfLost: who asks what lies where is told that another machine is gone before
// anything is computed there, and that machine is not asked while it has answered lately.
func TestLayoutOfLost(t *testing.T) {
	own, far := cpu.Devices(1)[0], &silent{going{Device: cpu.Devices(1)[0]}}
	e := open(t, builtIn, Options{Device: "cpu", devices: []model.Device{own}, Context: 512, Peers: []model.Device{far}, Layers: []int{2, 4}})
	lost := func() (lost []bool) {
		t.Helper()
		l, err := e.Layout(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range l.Stages {
			lost = append(lost, s.Lost)
		}
		return lost
	}
	if got := lost(); slices.Contains(got, true) || far.asked != 1 {
		t.Errorf("lost: %v, asked %d times", got, far.asked)
	}
	lost()
	if far.asked != 1 {
		t.Errorf("asked %d times though it had just answered", far.asked)
	}
	far.gone = true
	e.do(context.Background(), func() error {
		for i := range e.owner.chain.links {
			e.owner.chain.links[i].heard = time.Time{}
		}
		return nil
	})
	if got := lost(); !slices.Equal(got, []bool{false, true, false}) {
		t.Errorf("lost: %v; the layers in the middle are on the other machine", got)
	}
	far.gone = false
	if got := lost(); slices.Contains(got, true) {
		t.Errorf("lost: %v, though it answers again", got)
	}
}

// TestTakeHome: layers of a machine that is lost, with nobody to take its place, are computed
// here and stay here, if this machine holds them; if not the answer ends with what is the
// matter, and so does the next one until the machine is back.
func TestTakeHome(t *testing.T) {
	for _, holds := range []bool{true, false} {
		own, far := &filling{Device: cpu.Devices(1)[0]}, &going{Device: cpu.Devices(1)[0]}
		var told []string
		e := open(t, smaller, Options{Device: "cpu", devices: []model.Device{own}, Context: 512, Peers: []model.Device{far}, Layers: []int{1, 2},
			Notice: func(m string) { told = append(told, m) }})
		ask := func() (ids []int32, err error) {
			_, err = e.Generate(context.Background(), Request{Tokens: familyIDs(90), Share: -1, MaxTokens: 30, IgnoreEOS: true}, nil, func(id int32) { ids = append(ids, id) })
			return ids, err
		}
		want, err := ask()
		if err != nil {
			t.Fatal(err)
		}
		far.gone, own.full = true, !holds // between two answers nothing else runs
		for i := range 2 {
			got, err := ask()
			switch {
			case holds && (err != nil || !slices.Equal(got, want) || !strings.Contains(strings.Join(told, "\n"), "layers 1–2 move to this machine")):
				t.Errorf("answer %d: %v, %v; %q", i, got, err, told)
			case !holds && (!errors.Is(err, ErrLost) || !errors.Is(err, ErrMemory) || strings.Contains(err.Error(), "\n")):
				t.Errorf("answer %d, no room here: %v", i, err)
			}
		}
		if holds {
			continue
		}
		far.gone = false
		if got, err := ask(); err != nil || !slices.Equal(got, want) {
			t.Errorf("the machine is back: %v, %v", got, err)
		}
	}
}

// TestMoved: what lies where is told as it is, after layers have come home too, and with it
// what is predicted then; at any time, by whoever asks.
func TestMoved(t *testing.T) {
	own, far := cpu.Devices(1)[0], [2]*going{{Device: cpu.Devices(1)[0], id: "far"}, {Device: cpu.Devices(1)[0], id: "farther"}}
	e := open(t, builtIn, Options{Device: "cpu", devices: []model.Device{own}, Context: 512, Peers: []model.Device{far[0], far[1]}, Layers: []int{1, 2, 3},
		Measure: func(context.Context, int, *model.Model, model.Stage) (place.Far, error) {
			return place.Far{Token: time.Second, Hop: time.Minute}, nil
		}})
	asks, end := make(chan bool), make(chan bool)
	go func() { // beside what runs
		defer close(end)
		for range asks {
			e.Device()
			e.Placement()
		}
	}()
	ask := func() {
		asks <- true
		if _, err := e.Generate(context.Background(), Request{Tokens: prompt(5, 3), MaxTokens: 3, IgnoreEOS: true}, nil, nil); err != nil {
			t.Error(err)
		}
	}
	info := own.Info()
	here := info.Describe()
	ask()
	before := e.Placement()
	if d := e.Device(); !strings.HasPrefix(d, "1 layers on cpu") || !strings.Contains(d, "2 layers on far ") || !strings.Contains(d, "3 layers on farther ") || before.Hops != 2 || before.Token < 2*time.Minute+4*time.Second {
		t.Errorf("%q, %+v", d, before)
	}
	far[1].gone = true // between two answers nothing else runs
	ask()
	p := e.Placement()
	if d := e.Device(); !strings.HasPrefix(d, "1 layers on cpu") || !strings.HasSuffix(d, "3 layers on "+here) || !strings.Contains(d, "2 layers on far ") {
		t.Errorf("one is gone: %q", d)
	}
	if p == nil || p.Hops != 1 || p.Token < time.Minute+time.Second || p.Token > before.Token-time.Minute || p.First[2] != p.End[2] || !slices.Equal(p.Taken, [][2]int{{3, 6}}) || before.Taken != nil {
		t.Errorf("one is gone: %+v, before %+v", p, before)
	}
	far[0].gone = true
	ask()
	if d, p := e.Device(), e.Placement(); d != here || p != nil {
		t.Errorf("both are gone: %q, %+v", d, p)
	}
	close(asks)
	<-end
}

// recording is a device that keeps what it was asked to fit, and into how much.
type recording struct {
	model.Device
	needs, hosts []int64
}

func (r *recording) Fit(m *model.Model, q model.FitRequest) (*model.Fitting, error) {
	f, err := r.Device.Fit(m, q)
	if err == nil {
		r.needs, r.hosts = append(r.needs, f.Weights+f.Memory+f.Work), append(r.hosts, q.Host)
	}
	return f, err
}

// TestSecondCopyFits: a copy here that checks another machine takes memory from what this
// machine's own layers leave, and is refused where that is not enough.
func TestSecondCopyFits(t *testing.T) {
	own, have := &recording{Device: cpu.Devices(1)[0]}, int64(1)<<40
	o := Options{Device: "cpu", devices: []model.Device{own}, Context: 512, Peers: []model.Device{&going{Device: cpu.Devices(1)[0]}}, Layers: []int{2, 4},
		Checks: []model.Device{Home}, available: func() int64 { return have }}
	open(t, builtIn, o)
	if len(own.hosts) != 3 || own.hosts[0] != have || own.hosts[1] != have-own.needs[0] || own.hosts[2] != own.hosts[1]-own.needs[1] {
		t.Fatalf("of %d bytes %d were taken of %d", have, own.needs, own.hosts)
	}
	have = own.needs[0] + own.needs[1]
	f, err := loader.Open(builtIn)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Open(context.Background(), f, o); !errors.Is(err, ErrMemory) || !strings.Contains(err.Error(), "a second copy of layers 2–5") {
		t.Errorf("with %d bytes for %d: %v", have, own.needs, err)
	}
}
