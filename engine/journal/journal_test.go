package journal

import (
	"context"
	"errors"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"testing"

	"eclat/cpu"
	"eclat/model"
	"eclat/model/arch/archtest"
	"eclat/model/backendtest"
)

const chunk = 8

// stage is a backend with some layers of a model, and programs for 1 to 8 tokens.
type stage struct {
	t        *testing.T
	plan     *model.Plan
	backend  model.Backend
	programs map[int]model.Program
	runs     int
}

func newStage(t *testing.T, m *model.Model) *stage {
	plan, err := m.Plan(model.Stage{First: 1, End: m.Config.NLayer}, model.Room{Pages: 12, Seqs: 4, Chunk: chunk})
	if err != nil {
		t.Fatal(err)
	}
	b, err := cpu.Devices(1)[0].Open(context.Background(), model.OpenOptions{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	if err := b.Load(context.Background(), m.File, plan); err != nil {
		t.Fatal(err)
	}
	return &stage{t: t, plan: plan, backend: b, programs: map[int]model.Program{}}
}

func (s *stage) target() Target {
	return Target{Pages: s.backend.Pages(), Chunk: chunk, Program: func(n int) (model.Program, error) {
		s.runs++
		if s.programs[n] == nil {
			p, err := s.backend.Compile(s.plan, model.CompileOptions{Size: model.Size{Tokens: n, Want: n}})
			if err != nil {
				return nil, err
			}
			s.programs[n] = p
		}
		return s.programs[n], nil
	}}
}

// run computes a batch.
func (s *stage) run(b *model.Batch) []float32 {
	p, err := s.target().Program(len(b.Pos) / s.plan.Axes)
	if err != nil {
		s.t.Fatal(err)
	}
	var out model.Outputs
	if err := p.Run(context.Background(), b, &out); err != nil {
		s.t.Fatal(err)
	}
	return slices.Clone(out.Rows)
}

// text is a sequence with its memory.
type text struct {
	n     int // tokens
	units [][]int32
}

// world is some sequences on a stage, with a log of it.
type world struct {
	r     *rand.Rand
	s     *stage
	log   *Log
	free  [][]int32
	texts []*text
}

func newWorld(s *stage, seed uint64) *world {
	w := &world{r: rand.New(rand.NewPCG(seed, 2)), s: s, log: New(s.plan, 1<<30)}
	for _, k := range s.plan.Pools {
		var free []int32
		for u := range k.Units {
			free = append(free, int32(u))
		}
		w.free = append(w.free, free)
	}
	return w
}

func (w *world) held(pool int, u int32) bool { return !slices.Contains(w.free[pool], u) }

// room gives q units for n more tokens; false where there are none.
func (w *world) room(q *text, n int) bool {
	for pool, k := range w.s.plan.Pools {
		need := model.Pages(q.n + n)
		if k.Per == model.Sequence {
			need = 1
		}
		for len(q.units[pool]) < need {
			if len(w.free[pool]) == 0 {
				return false
			}
			q.units[pool] = append(q.units[pool], w.free[pool][0])
			w.free[pool] = w.free[pool][1:]
		}
	}
	return true
}

func (w *world) begin() *text {
	q := &text{units: make([][]int32, len(w.s.plan.Pools))}
	w.texts = append(w.texts, q)
	return q
}

func (w *world) end(i int) {
	for pool, table := range w.texts[i].units {
		w.free[pool] = append(w.free[pool], table...)
	}
	w.texts = slices.Delete(w.texts, i, i+1)
}

// batch is one of so many tokens of each of some sequences, with random rows.
func (w *world) batch(qs []*text, n []int) *model.Batch {
	b := &model.Batch{}
	for i, q := range qs {
		for j := range n[i] {
			for range w.s.plan.Axes {
				b.Pos = append(b.Pos, int32(q.n+j))
			}
			for range w.s.plan.Width() {
				b.Rows = append(b.Rows, float32(w.r.NormFloat64()))
			}
		}
		b.Seqs = append(b.Seqs, model.SeqRun{N: n[i], Units: q.units})
	}
	return b
}

// step does something at random.
func (w *world) step(states bool) {
	switch k := w.r.IntN(20); {
	case k == 0 && len(w.texts) > 0:
		w.end(w.r.IntN(len(w.texts)))
	case k == 1 && len(w.texts) > 0 && len(w.texts) < 3: // another goes on from a copy
		q := w.texts[w.r.IntN(len(w.texts))]
		c := w.begin()
		if c.n = q.n; q.n == 0 || !w.room(c, 0) {
			w.end(len(w.texts) - 1)
			return
		}
		for pool := range q.units {
			for i, to := range c.units[pool] {
				if err := w.s.backend.Pages().Copy(context.Background(), pool, q.units[pool][i], to); err != nil {
					w.s.t.Fatal(err)
				}
				w.log.Copied(pool, q.units[pool][i], to)
			}
		}
	case k < 4 && len(w.texts) < 3:
		w.begin()
	case k == 4 && !states && len(w.texts) > 0: // guesses were wrong
		q := w.texts[w.r.IntN(len(w.texts))]
		q.n -= min(q.n, w.r.IntN(4))
	case k == 5:
		w.log.due = 0
		w.log.Trim(w.held, true)
	default:
		var qs []*text
		var n []int
		left := chunk
		for _, q := range w.texts {
			some := 1 + w.r.IntN(3)
			if some <= left && w.room(q, some) {
				qs, n, left = append(qs, q), append(n, some), left-some
			}
		}
		if len(qs) == 0 {
			return
		}
		b := w.batch(qs, n)
		w.log.Ran(b, w.s.run(b))
		for i, q := range qs {
			q.n += n[i]
		}
	}
}

func models(t *testing.T) map[string]*model.Model {
	all := map[string]*model.Model{"positions": backendtest.Open(t, "../../testdata/sotu-8m-q4_k_m.gguf")}
	for _, family := range []string{"qwen35", "falcon-h1"} {
		path := filepath.Join(t.TempDir(), family+".gguf")
		if err := archtest.Hybrid(family, 1).WriteFile(path); err != nil {
			t.Fatal(err)
		}
		all[family] = backendtest.Open(t, path)
	}
	return all
}

// TestReplay: after any sequence of runs, copies, wrong guesses and ends, with the log
// trimmed in between, another stage that is sent the log answers the same and has the same
// memory, in fewer runs; and the log says which row was another.
func TestReplay(t *testing.T) {
	for name, m := range models(t) {
		for seed := range uint64(6) {
			s := newStage(t, m)
			w := newWorld(s, seed)
			states := slices.ContainsFunc(s.plan.Pools, func(p model.Pool) bool { return p.Per == model.Sequence })
			second := newStage(t, m)
			for i := range 150 {
				w.step(states)
				if i%40 == 39 {
					if _, err := w.log.Check(context.Background(), second.target()); err != nil {
						t.Errorf("%s, %d: checked: %v", name, seed, err)
					}
				}
			}
			entries := 0
			for _, e := range w.log.done {
				if e.sums != nil {
					entries++
				}
			}
			other := newStage(t, m)
			proof, err := w.log.Replay(context.Background(), other.target())
			if err != nil {
				t.Errorf("%s, %d: %v", name, seed, err)
			}
			if proof.Rows == 0 && len(w.texts) > 0 || other.runs > entries || entries > 20 && other.runs == entries {
				t.Errorf("%s, %d: %d rows in %d runs, logged were %d", name, seed, proof.Rows, other.runs, entries)
			}
			for _, q := range w.texts { // the memory is the same
				if q.n == 0 || !w.room(q, 1) {
					continue
				}
				b := w.batch([]*text{q}, []int{1})
				if want, got := s.run(b), other.run(b); !slices.Equal(want, got) {
					t.Errorf("%s, %d: after %d tokens another row", name, seed, q.n)
				}
			}
			if entries == 0 {
				continue
			}
			for _, e := range w.log.done {
				if e.sums != nil {
					e.sums[0][3] ^= 1
					var differ *DifferError
					if _, err := w.log.Replay(context.Background(), newStage(t, m).target()); !errors.As(err, &differ) || differ.Row != e.at || differ.Pos != int(e.pos[0]) {
						t.Errorf("%s, %d: row %d at position %d was changed: %v", name, seed, e.at, e.pos[0], err)
					}
					break
				}
			}
		}
	}
}

// TestBounded: what nothing hangs on is forgotten, and a log that would grow too large says
// so and is empty.
func TestBounded(t *testing.T) {
	s := newStage(t, backendtest.Open(t, "../../testdata/sotu-8m-q4_k_m.gguf"))
	w := newWorld(s, 1)
	most := int64(0)
	for i := range 400 {
		q := w.begin()
		for range 4 {
			if !w.room(q, 8) {
				t.Fatal("no room")
			}
			b := w.batch([]*text{q}, []int{8})
			w.log.Ran(b, make([]float32, 8*4))
			q.n += 8
		}
		w.end(0)
		w.log.Trim(w.held, false)
		if most = max(most, w.log.Bytes()); w.log.Over() {
			t.Fatalf("over after %d texts", i)
		}
	}
	if most > 3<<20 {
		t.Errorf("%d bytes were kept of texts that had ended", most)
	}
	small := New(s.plan, 1<<12)
	q := w.begin()
	w.room(q, 8)
	small.Ran(w.batch([]*text{q}, []int{8}), make([]float32, 8*4))
	small.Trim(w.held, false)
	if !small.Over() || small.Bytes() != 0 || len(small.done) != 0 {
		t.Errorf("over: %v, %d bytes", small.Over(), small.Bytes())
	}
	small.Ran(w.batch([]*text{q}, []int{8}), make([]float32, 8*4))
	if small.Bytes() != 0 || small.Rows() != 16 {
		t.Errorf("%d bytes, %d rows", small.Bytes(), small.Rows())
	}
}
