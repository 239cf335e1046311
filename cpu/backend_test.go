package cpu

import (
	"bytes"
	"context"
	"errors"
	"runtime"
	"slices"
	"testing"
	"time"

	"eclat/model"
	"eclat/model/sample"
)

// loadModel opens a device with the whole built-in model, to the token.
func loadModel(t *testing.T, d model.Device) (model.Backend, *model.Plan) {
	t.Helper()
	m := openModel(t)
	st := m.Whole()
	st.Sample = true
	p, err := m.Plan(st, model.Room{Pages: 8, Seqs: 2, Chunk: 32})
	if err != nil {
		t.Fatal(err)
	}
	b, err := d.Open(context.Background(), model.OpenOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	if err := b.Load(context.Background(), m.File, p); err != nil {
		t.Fatal(err)
	}
	return b, p
}

// prompt is a batch of two sequences, 9 tokens and 4.
func prompt() *model.Batch {
	b := &model.Batch{
		Seqs: []model.SeqRun{{N: 9, Units: [][]int32{{5}}}, {N: 4, Units: [][]int32{{2}}}},
		Want: []int32{8, 12}, How: []sample.Params{{Logits: true}, {Temp: 1, Seed: 5}},
	}
	for i := range int32(13) {
		b.Tokens = append(b.Tokens, 3+i*7)
		b.Pos = append(b.Pos, i%9)
	}
	return b
}

func TestLifetime(t *testing.T) {
	ctx := context.Background()
	gone, cancel := context.WithCancel(ctx)
	cancel()
	for _, d := range both() {
		b, p := loadModel(t, d)
		m := openModel(t)
		if err := b.Load(ctx, m.File, p); err == nil {
			t.Errorf("%s: a second Load is no error", d.Info().ID)
		}
		prog, err := b.Compile(p, model.CompileOptions{Size: model.Size{Tokens: 32, Want: 2}})
		if err != nil {
			t.Fatalf("%s: after a second Load: %v", d.Info().ID, err)
		}
		var out model.Outputs
		if err := prog.Run(gone, prompt(), &out); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: Run after a cancel: %v", d.Info().ID, err)
		}
		if err := prog.Run(ctx, prompt(), &out); err != nil {
			t.Errorf("%s: Run after one that was cancelled: %v", d.Info().ID, err)
		}
		if _, err := prog.Read(p.Result, make([]float32, 1<<20)); err == nil {
			t.Errorf("%s: Read without Trace", d.Info().ID)
		}
		if err := b.Close(); err != nil {
			t.Error(err)
		}
		if err := prog.Run(ctx, prompt(), &out); err == nil {
			t.Errorf("%s: Run after the backend's Close", d.Info().ID)
		}
		if err := errors.Join(prog.Close(), b.Close(), prog.Close()); err != nil {
			t.Errorf("%s: closed twice: %v", d.Info().ID, err)
		}
		if _, err := b.Compile(p, model.CompileOptions{Size: model.Size{Tokens: 1}}); err == nil {
			t.Errorf("%s: Compile after Close", d.Info().ID)
		}
		if b.Pages().UnitBytes(0) != 0 || b.Pages().Copy(ctx, 0, 0, 0) == nil {
			t.Errorf("%s: pages after Close", d.Info().ID)
		}

		if _, err := d.Open(gone, model.OpenOptions{}); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: Open after a cancel: %v", d.Info().ID, err)
		}
		b, err = d.Open(ctx, model.OpenOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := b.Compile(p, model.CompileOptions{Size: model.Size{Tokens: 1}}); err == nil {
			t.Errorf("%s: Compile before Load", d.Info().ID)
		}
		if err := b.Load(gone, m.File, p); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: Load after a cancel: %v", d.Info().ID, err)
		}
		if err := b.Load(ctx, m.File, p); err == nil {
			t.Errorf("%s: Load after one that failed", d.Info().ID)
		}
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestLoadIsCancelled: a cancel ends the reading of weights between its parts.
func TestLoadIsCancelled(t *testing.T) {
	m := openModel(t)
	p, err := m.Plan(m.Whole(), model.Room{Pages: 1})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	calls := 0
	b, err := Devices(1)[0].Open(ctx, model.OpenOptions{Progress: func(what string, done, total int64) {
		if calls++; what != "weights" || done > total || total == 0 {
			t.Errorf("%s %d of %d", what, done, total)
		}
		if calls == 2 {
			cancel()
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if err := b.Load(ctx, m.File, p); err != context.Canceled || calls != 2 {
		t.Errorf("%v after %d calls", err, calls)
	}
}

// TestGoroutinesEnd: Close ends the workers.
func TestGoroutinesEnd(t *testing.T) {
	before := runtime.NumGoroutine()
	for range 20 {
		b, err := openThreads(8)
		if err != nil {
			t.Fatal(err)
		}
		b.Close()
	}
	for range 100 { // a goroutine is counted for a moment after its last act
		if runtime.NumGoroutine() <= before {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("%d goroutines, %d before", runtime.NumGoroutine(), before)
}

func TestRunAllocatesNothing(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector has a sync.Pool forget things at random")
	}
	for _, d := range both() {
		b, p := loadModel(t, d)
		prog, err := b.Compile(p, model.CompileOptions{Size: model.Size{Tokens: 32, Want: 2}})
		if err != nil {
			t.Fatal(err)
		}
		var out model.Outputs
		batch := prompt()
		ctx := context.Background()
		n := testing.AllocsPerRun(3, func() {
			if err := prog.Run(ctx, batch, &out); err != nil {
				t.Fatal(err)
			}
		})
		if n != 0 {
			t.Errorf("%s: Run allocates %v times", d.Info().ID, n)
		}
	}
}

// TestThreads: the number of threads and the company do not change a bit.
func TestThreads(t *testing.T) {
	var want []float32
	var token int32
	for _, threads := range []int{1, 2, 5} {
		b, p := loadModel(t, Devices(threads)[0])
		prog, err := b.Compile(p, model.CompileOptions{Size: model.Size{Tokens: 13 + threads, Want: 2}})
		if err != nil {
			t.Fatal(err)
		}
		var out model.Outputs
		if err := prog.Run(context.Background(), prompt(), &out); err != nil {
			t.Fatal(err)
		}
		row := out.Rows[:len(out.Rows)/2]
		if want == nil {
			want, token = slices.Clone(row), out.Tokens[1]
		}
		if !slices.Equal(row, want) || out.Tokens[1] != token || out.Tokens[0] != -1 {
			t.Errorf("%d threads: another answer", threads)
		}
	}
}

// TestLacks: what the table does not have is refused by name when a plan is compiled.
func TestLacks(t *testing.T) {
	b, p := loadModel(t, Devices(1)[0])
	c := b.(*Backend)
	c.info.Ops = slices.DeleteFunc(c.info.Ops, func(o model.Op) bool { return o == model.SwiGLU })
	_, err := b.Compile(p, model.CompileOptions{Size: model.Size{Tokens: 1, Want: 1}})
	if !errors.As(err, new(model.UnsupportedError)) {
		t.Errorf("without swiglu: %v", err)
	}
}

func TestPages(t *testing.T) {
	ctx := context.Background()
	gone, cancel := context.WithCancel(ctx)
	cancel()
	for _, d := range both() {
		b, p := loadModel(t, d)
		prog, err := b.Compile(p, model.CompileOptions{Size: model.Size{Tokens: 13, Want: 2}})
		if err != nil {
			t.Fatal(err)
		}
		var out model.Outputs
		if err := prog.Run(ctx, prompt(), &out); err != nil {
			t.Fatal(err)
		}
		io := b.Pages()
		n := io.UnitBytes(0)
		if want := p.UnitBytes(0); int64(n) != want {
			t.Errorf("%s: a unit of %d bytes, the plan's has %d", d.Info().ID, n, want)
		}
		used, other, empty := make([]byte, n), make([]byte, n), make([]byte, n)
		must := func(err error) {
			t.Helper()
			if err != nil {
				t.Error(err)
			}
		}
		must(io.Save(ctx, 0, 5, used))
		must(io.Copy(ctx, 0, 5, 0))
		must(io.Save(ctx, 0, 0, other))
		if bytes.Equal(used, empty) || !bytes.Equal(used, other) {
			t.Errorf("%s: Copy made another unit", d.Info().ID)
		}
		must(io.Restore(ctx, 0, 5, empty))
		must(io.Save(ctx, 0, 5, other))
		if !bytes.Equal(other, empty) {
			t.Errorf("%s: Restore of zeros left something", d.Info().ID)
		}
		must(io.Save(ctx, 0, 0, other))
		if !bytes.Equal(used, other) {
			t.Errorf("%s: Restore reached another unit", d.Info().ID)
		}
		for what, err := range map[string]error{
			"pool −1":    io.Copy(ctx, -1, 0, 0),
			"pool 9":     io.Save(ctx, 9, 0, used),
			"unit −1":    io.Copy(ctx, 0, -1, 0),
			"to unit 8":  io.Copy(ctx, 0, 0, 8),
			"from 1<<30": io.Save(ctx, 0, 1<<30, used),
			"short":      io.Save(ctx, 0, 0, used[1:]),
			"long":       io.Restore(ctx, 0, 0, append(used, 0)),
			"cancelled":  io.Restore(gone, 0, 0, used),
		} {
			if err == nil {
				t.Errorf("%s: %s is no error", d.Info().ID, what)
			}
		}
	}
}

// TestRowsWithoutLeave: a program that was compiled for ids alone takes no rows.
func TestRowsWithoutLeave(t *testing.T) {
	for _, d := range both() {
		b, p := loadModel(t, d)
		batch := prompt()
		batch.Tokens[4] = -1
		batch.Rows = make([]float32, p.Width())
		for _, rows := range []bool{false, true} {
			prog, err := b.Compile(p, model.CompileOptions{Size: model.Size{Tokens: 13, Want: 2}, Rows: rows})
			if err != nil {
				t.Fatal(err)
			}
			if err := prog.Run(context.Background(), batch, new(model.Outputs)); (err == nil) != rows {
				t.Errorf("%s, Rows %v: %v", d.Info().ID, rows, err)
			}
		}
	}
}

func TestMissingWeight(t *testing.T) {
	for _, d := range both() {
		m := openModel(t)
		p, err := m.Plan(m.Whole(), model.Room{Pages: 1})
		if err != nil {
			t.Fatal(err)
		}
		wrong := *p
		wrong.Tensors = slices.Clone(p.Tensors)
		for i := range wrong.Tensors {
			if wrong.Tensors[i].Kind == model.Weight {
				wrong.Tensors[i].Rows++
				break
			}
		}
		lost := *p
		lost.Tensors = slices.Clone(p.Tensors)
		for i := range lost.Tensors {
			if lost.Tensors[i].Kind == model.Weight {
				lost.Tensors[i].Name += "?"
				break
			}
		}
		for what, p := range map[string]*model.Plan{"shape": &wrong, "name": &lost} {
			b, err := d.Open(context.Background(), model.OpenOptions{})
			if err != nil {
				t.Fatal(err)
			}
			if err := b.Load(context.Background(), m.File, p); err == nil {
				t.Errorf("%s: another %s was loaded", d.Info().ID, what)
			}
			b.Close()
		}
	}
}

// TestProfile: every step of a profiled run has its time, and the others none.
func TestProfile(t *testing.T) {
	for _, d := range both() {
		b, p := loadModel(t, d)
		for _, profile := range []bool{false, true} {
			prog, err := b.Compile(p, model.CompileOptions{Size: model.Size{Tokens: 13, Want: 2}, Profile: profile})
			if err != nil {
				t.Fatal(err)
			}
			var out model.Outputs
			if err := prog.Run(context.Background(), prompt(), &out); err != nil {
				t.Fatal(err)
			}
			var sum time.Duration
			for _, x := range out.StepTime {
				sum += x
			}
			if profile != (len(out.StepTime) == len(p.Steps)) || profile != (sum > 0) {
				t.Errorf("%s, Profile %v: %d times of %d steps, %v in all", d.Info().ID, profile, len(out.StepTime), len(p.Steps), sum)
			}
		}
	}
}
