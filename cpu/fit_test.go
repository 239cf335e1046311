package cpu

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"slices"
	"strings"
	"testing"

	"eclat/cpu/host"
	"eclat/cpu/ref"
	"eclat/loader"
	"eclat/model"
	"eclat/model/arch"
	"eclat/testdata"
)

// openModel opens the built-in model.
func openModel(t *testing.T) *model.Model {
	t.Helper()
	f, err := loader.FromBytes(testdata.ModelName, testdata.Model)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	m, err := arch.Open(f)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// both are the devices of the processor.
func both() []model.Device { return append(Devices(3), ref.Device()) }

// sized is a program of n tokens.
func sized(n, want int) model.FitProgram {
	return model.FitProgram{CompileOptions: model.CompileOptions{Size: model.Size{Tokens: n, Want: want}}}
}

var somePrograms = []model.FitProgram{sized(1, 1), sized(8, 8), sized(32, 1)}

// measuring are programs as engine.Probe compiles them, and one that takes rows.
var measuring = []model.FitProgram{
	{CompileOptions: model.CompileOptions{Size: model.Size{Tokens: 24, Want: 24}, Trace: true}, Logits: true},
	{CompileOptions: model.CompileOptions{Size: model.Size{Tokens: 1, Want: 1}, Profile: true}, Logits: true},
	{CompileOptions: model.CompileOptions{Size: model.Size{Tokens: 16, Want: 2}, Rows: true}},
}

// TestFitIsHeld: what Fit plans is what Load and Compile take, by the
// backend's own count exactly, and by the collector's within 2 %.
func TestFitIsHeld(t *testing.T) {
	for _, d := range both() {
		for name, programs := range map[string][]model.FitProgram{
			"answers": somePrograms, "trace": measuring[:1], "profile": measuring[1:2], "rows": measuring[2:],
			"all": slices.Concat(somePrograms, measuring),
		} {
			t.Run(d.Info().ID+" "+name, func(t *testing.T) { fitIsWhatIsHeld(t, d, programs) })
		}
	}
}

func fitIsWhatIsHeld(t *testing.T, d model.Device, programs []model.FitProgram) {
	ctx := context.Background()
	m := openModel(t)
	room := model.Room{Pages: 64, Seqs: 4, Chunk: 32}
	f, err := d.Fit(m, model.FitRequest{Layers: model.AutoLayers, Pages: 64, Room: room, Programs: programs, Host: 1 << 40})
	if err != nil {
		t.Fatal(err)
	}
	if f.Layers != m.Config.NLayer || f.Pages != 64 || f.Mapped == 0 || f.Why != "" {
		t.Errorf("%s: %+v", d.Info().ID, f)
	}
	st := f.Stage
	logits, err := m.Plan(st, room)
	if err != nil {
		t.Fatal(err)
	}
	st.Sample = true
	p, err := m.Plan(st, room)
	if err != nil {
		t.Fatal(err)
	}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	b, err := d.Open(ctx, model.OpenOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Load(ctx, m.File, p); err != nil {
		t.Fatal(err)
	}
	for _, x := range programs {
		plan := p
		if x.Logits {
			plan = logits
		}
		if _, err := b.Compile(plan, x.CompileOptions); err != nil {
			t.Fatal(err)
		}
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	planned, held := f.Memory+f.Work+f.Weights, b.Info().Held
	if planned != held {
		t.Errorf("%s: planned %d bytes, held %d", d.Info().ID, planned, held)
	}
	// The reference's sampler takes its room when it is first used.
	real := int64(after.HeapAlloc) - int64(before.HeapAlloc)
	t.Logf("%s: planned %d, the collector's %d", d.Info().ID, planned, real)
	if math.Abs(float64(real)/float64(planned)-1) > 0.02 {
		t.Errorf("%s: planned %d bytes, the collector has %d more", d.Info().ID, planned, real)
	}
	if err := b.Close(); err != nil || b.Info().Held != 0 {
		t.Errorf("closed: %v, %d bytes held", err, b.Info().Held)
	}
}

func TestFitPages(t *testing.T) {
	for _, d := range both() {
		m := openModel(t)
		ask := func(pages int, host int64) (*model.Fitting, error) {
			return d.Fit(m, model.FitRequest{Layers: model.AllLayers, Pages: pages, Max: 1000, Room: model.Room{Seqs: 1, Chunk: 32}, Programs: somePrograms, Host: host})
		}
		one, err := ask(1, 1<<40)
		if err != nil {
			t.Fatal(err)
		}
		page := one.Memory // of one page
		need := func(f *model.Fitting) int64 { return f.Memory + f.Work + f.Weights }
		if all, err := ask(0, 1<<40); err != nil || all.Pages != 1000 {
			t.Errorf("with room for all: %+v, %v", all, err)
		}
		const want = 500
		f, err := ask(want, 1<<40)
		if err != nil {
			t.Fatal(err)
		}
		if half, err := ask(0, 2*need(f)); err != nil || half.Pages != want || half.Memory != want*page {
			t.Errorf("half of the memory: %+v, %v", half, err)
		}
		if short, err := ask(0, 2*need(f)-2); err != nil || short.Pages != want-1 {
			t.Errorf("two bytes less: %+v, %v", short, err)
		}
		if none, err := ask(0, 1); !errors.Is(err, model.ErrNoMemory) {
			t.Errorf("in one byte: %+v, %v", none, err)
		}
		if f, err := ask(0, 0); err != nil || f.Pages != 1000 || f.Available != 0 || f.Why != "" {
			t.Errorf("where the system does not tell: %+v, %v", f, err)
		}

		// A stated context gets all but a tenth, and is told what would fit.
		if _, err := ask(want, need(f)*10/9+20); err != nil {
			t.Errorf("in just enough: %v", err)
		}
		_, err = ask(want, need(f))
		if !errors.Is(err, model.ErrNoMemory) {
			t.Fatalf("a tenth too little: %v", err)
		}
		longest := 0
		if _, err := fmt.Sscanf(err.Error()[strings.LastIndex(err.Error(), " ")+1:], "%d", &longest); err != nil {
			t.Fatal(err)
		}
		if _, err := ask(longest/model.PageLen, need(f)); err != nil {
			t.Errorf("the context of %d that it names: %v", longest, err)
		}
		if _, err := ask(longest/model.PageLen+1, need(f)); err == nil {
			t.Errorf("more than the %d that it names fits too", longest)
		}

		// By arithmetic alone, without memory being asked for.
		for _, pages := range []int{model.Pages(100_000_000), math.MaxInt32, math.MaxInt / model.PageLen, math.MaxInt, -1} {
			for _, host := range []int64{16 << 30, 0} {
				f, err := ask(pages, host)
				if host == 0 && pages == model.Pages(100_000_000) {
					continue // can be addressed
				}
				if err == nil || pages > 0 && !errors.Is(err, model.ErrNoMemory) {
					t.Errorf("%d pages in %d bytes: %+v, %v", pages, host, f, err)
				}
			}
		}
	}
}

func TestFitStages(t *testing.T) {
	d, m := Devices(1)[0], openModel(t)
	n := m.Config.NLayer
	first := m.Before(m.Last(1))
	for _, c := range []struct {
		r    model.FitRequest
		want model.Stage
	}{
		{model.FitRequest{Layers: 1}, m.Last(1)},
		{model.FitRequest{Layers: n}, m.Whole()},
		{model.FitRequest{Layers: n + 7}, m.Whole()},
		{model.FitRequest{Layers: model.AutoLayers}, m.Whole()},
		{model.FitRequest{Layers: model.AllLayers}, m.Whole()},
		{model.FitRequest{Stage: &first}, first},
	} {
		c.r.Pages, c.r.Programs = 4, somePrograms
		f, err := d.Fit(m, c.r)
		if err != nil {
			t.Fatal(err)
		}
		if f.Stage != c.want || f.Layers != c.want.Layers() {
			t.Errorf("%+v: %+v", c.r, f)
		}
	}
	if _, err := d.Fit(m, model.FitRequest{Layers: -7, Pages: 1}); err == nil {
		t.Error("−7 layers were taken")
	}
}

// TestLoadWithoutMemory: what a plan asks for beyond the machine's memory is an
// error of Load, not the end of the process.
func TestLoadWithoutMemory(t *testing.T) {
	for _, d := range both() {
		m := openModel(t)
		for _, pages := range []int{1 << 30, 1 << 50} {
			if have := host.AvailableMemory(); have == 0 && pages == 1<<30 {
				t.Log("the system does not tell how much memory it has: a request for more is left out")
				continue
			}
			p, err := m.Plan(m.Whole(), model.Room{Pages: pages, Seqs: 1, Chunk: 1})
			if err != nil {
				t.Fatal(err)
			}
			b, err := d.Open(context.Background(), model.OpenOptions{})
			if err != nil {
				t.Fatal(err)
			}
			if err := b.Load(context.Background(), m.File, p); !errors.Is(err, model.ErrNoMemory) {
				t.Errorf("%s, %d pages: %v", d.Info().ID, pages, err)
			}
			if err := b.Load(context.Background(), m.File, p); err == nil || errors.Is(err, model.ErrNoMemory) {
				t.Errorf("%s: Load after a failed one: %v", d.Info().ID, err)
			}
			if err := b.Close(); err != nil {
				t.Error(err)
			}
		}
	}
}
