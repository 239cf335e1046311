package engine

import (
	"context"
	"encoding/binary"
	"errors"
	"hash/fnv"
	"sync"
	"testing"

	"eclat/loader"
	"eclat/loader/quant"
	"eclat/model"
	"eclat/model/sample"
)

// sim is a device that keeps the tokens themselves where a real one keeps keys and
// values, and answers with a hash of what it finds there: an answer is right only
// when every token that a sequence may see, and no other, lies where its tables say.
type sim struct {
	kind    model.DeviceKind
	mu      sync.Mutex
	fault   func(call string) error // asked before "open", "load", "compile", "run" and "copy"
	opened  int
	closed  int
	sizes   map[model.Size]int // runs by size
	batches []int              // sequences of each run
}

func (s *sim) ask(call string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fault == nil {
		return nil
	}
	return s.fault(call)
}

func (s *sim) Info() model.DeviceInfo {
	id := "sim"
	if s.kind == model.Processor {
		id = "cpu"
	}
	return model.DeviceInfo{ID: id, Backend: "sim", Kind: s.kind, Chunk: 64, Ops: model.Ops(), Types: quant.Decodable()}
}

func (s *sim) CopyRate() (float64, error) { return 1, nil }
func (s *sim) ReadRate() (float64, error) { return 0, nil }

func (s *sim) Fit(m *model.Model, r model.FitRequest) (*model.Fitting, error) {
	st := m.Whole()
	if r.Stage != nil {
		st = *r.Stage
	} else if r.Layers >= 0 {
		st = m.Last(min(r.Layers, m.Config.NLayer))
	}
	return &model.Fitting{Layers: st.Layers(), Stage: st, Pages: r.Pages}, nil
}

func (s *sim) Open(context.Context, model.OpenOptions) (model.Backend, error) {
	if err := s.ask("open"); err != nil {
		return nil, err
	}
	s.mu.Lock()
	s.opened++
	s.mu.Unlock()
	return &simBackend{s: s}, nil
}

type simBackend struct {
	s    *sim
	plan *model.Plan
	mem  [][]uint32 // by pool: a token a position, or a state a slot
}

func (b *simBackend) Load(_ context.Context, _ model.Weights, p *model.Plan) error {
	if err := b.s.ask("load"); err != nil {
		return err
	}
	if b.plan != nil {
		return errors.New("sim: loaded twice")
	}
	b.plan = p
	for _, k := range p.Pools {
		b.mem = append(b.mem, make([]uint32, k.Units*k.RowsOf()))
	}
	return nil
}

func (b *simBackend) Compile(p *model.Plan, o model.CompileOptions) (model.Program, error) {
	if err := b.s.ask("compile"); err != nil {
		return nil, err
	}
	return &simProgram{b: b, plan: p, o: o}, nil
}

func (b *simBackend) Info() model.DeviceInfo { return b.s.Info() }
func (b *simBackend) Pages() model.PageIO    { return b }

func (b *simBackend) Close() error {
	b.s.mu.Lock()
	b.s.closed++
	b.s.mu.Unlock()
	return nil
}

func (b *simBackend) UnitBytes(pool int) int { return 4 * b.plan.Pools[pool].RowsOf() }

func (b *simBackend) Copy(_ context.Context, pool int, from, to int32) error {
	if err := b.s.ask("copy"); err != nil {
		return err
	}
	n := b.plan.Pools[pool].RowsOf()
	copy(b.mem[pool][int(to)*n:][:n], b.mem[pool][int(from)*n:][:n])
	return nil
}

func (b *simBackend) Save(_ context.Context, pool int, u int32, dst []byte) error {
	n := b.plan.Pools[pool].RowsOf()
	_, err := binary.Encode(dst, binary.LittleEndian, b.mem[pool][int(u)*n:][:n])
	return err
}

func (b *simBackend) Restore(_ context.Context, pool int, u int32, src []byte) error {
	n := b.plan.Pools[pool].RowsOf()
	_, err := binary.Decode(src, binary.LittleEndian, b.mem[pool][int(u)*n:][:n])
	return err
}

type simProgram struct {
	b    *simBackend
	plan *model.Plan
	o    model.CompileOptions
	out  model.Outputs
}

func (p *simProgram) Run(ctx context.Context, in *model.Batch, out *model.Outputs) error {
	if err := in.Check(p.plan, p.o.Size); err != nil {
		return err
	}
	if err := p.b.s.ask("run"); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	p.b.s.mu.Lock()
	if p.b.s.sizes == nil {
		p.b.s.sizes = map[model.Size]int{}
	}
	p.b.s.sizes[p.o.Size]++
	p.b.s.batches = append(p.b.s.batches, len(in.Seqs))
	p.b.s.mu.Unlock()
	normed := p.plan.Tensors[p.plan.Result].Kind == model.WantRows && !p.plan.Samples()
	if !p.plan.Samples() { // a stage before the last: rows are of no interest
		out.Rows = make([]float32, len(in.Pos)*p.plan.Width())
	}
	p.out.Tokens, p.out.Rows = p.out.Tokens[:0], p.out.Rows[:0]
	vocab := p.plan.Tensors[p.plan.Answer()].Cols
	at, want := 0, 0
	for _, run := range in.Seqs {
		for range run.N {
			pos := int(in.Pos[at])
			p.write(run, pos, uint32(in.Tokens[at]))
			if want < len(in.Want) && int(in.Want[want]) == at {
				if p.plan.Samples() {
					row := simRow(p.look(run, pos), vocab)
					p.out.Tokens = append(p.out.Tokens, (&sample.Sampler{}).Pick(row, in.How[want], int32(pos)))
					p.out.Rows = append(p.out.Rows, row...)
				}
				if normed {
					copy(out.Rows[want*vocab:], simRow(p.look(run, pos), vocab))
				}
				want++
			}
			at++
		}
	}
	if p.plan.Samples() {
		*out = p.out
	}
	return nil
}

// write puts a token into memory.
func (p *simProgram) write(run model.SeqRun, pos int, id uint32) {
	for pool, k := range p.plan.Pools {
		mem, table := p.b.mem[pool], run.Units[pool]
		if k.Per != model.Sequence {
			mem[int(table[pos/model.PageLen])*model.PageLen+pos%model.PageLen] = id
			continue
		}
		if pos == 0 {
			mem[table[0]] = 0
		}
		mem[table[0]] = mem[table[0]]*31 + id
	}
}

// look hashes all that a token sees.
func (p *simProgram) look(run model.SeqRun, pos int) uint64 {
	h := fnv.New64a()
	for pool, k := range p.plan.Pools {
		mem, table := p.b.mem[pool], run.Units[pool]
		if k.Per == model.Sequence {
			binary.Write(h, binary.LittleEndian, mem[table[0]])
			continue
		}
		for t := k.FirstSeen(pos); t <= pos; t++ {
			binary.Write(h, binary.LittleEndian, mem[int(table[t/model.PageLen])*model.PageLen+t%model.PageLen])
		}
	}
	return h.Sum64()
}

// simAnswer is what the sim must choose greedily after tokens.
func simAnswer(pools []model.Pool, tokens []int32, vocab int) int32 {
	return sample.Argmax(simRow(simSeen(pools, tokens), vocab))
}

// simSeen hashes what the last of tokens sees.
func simSeen(pools []model.Pool, tokens []int32) uint64 {
	h := fnv.New64a()
	for _, k := range pools {
		if k.Per == model.Sequence {
			var state uint32
			for _, id := range tokens {
				state = state*31 + uint32(id)
			}
			binary.Write(h, binary.LittleEndian, state)
			continue
		}
		for t := k.FirstSeen(len(tokens) - 1); t < len(tokens); t++ {
			binary.Write(h, binary.LittleEndian, uint32(tokens[t]))
		}
	}
	return h.Sum64()
}

// simRow is a row of logits with one clear winner.
func simRow(h uint64, vocab int) []float32 {
	row := make([]float32, vocab)
	row[h%uint64(vocab)] = 1
	return row
}

func (p *simProgram) Read(model.ID, []float32) (int, error) { return 0, errors.New("sim: not kept") }
func (p *simProgram) Close() error                          { return nil }

// memories is the making of a model that keeps all positions, a window, and a state a
// sequence, each where its name says so.
func memories(kinds ...model.Memory) func(*loader.File) (*model.Model, error) {
	return func(f *loader.File) (*model.Model, error) {
		c := model.Config{NLayer: 1, NEmbd: 256, NVocab: 4096, NCtx: 1 << 20}
		return model.New(f, c, func(b *model.Builder, c *model.Config, st model.Stage) model.ID {
			x := b.Embed("embd", b.Weight("token_embd.weight", c.NVocab, c.NEmbd))
			for _, m := range kinds {
				m.Type, m.Cols = quant.F32, c.NEmbd
				id := b.Memory(m)
				if m.Per != model.Sequence {
					b.Store(id, x)
				}
			}
			if x = b.Gather("last", x); st.Normed {
				return x
			}
			return b.MatMul("logits", b.Weight("token_embd.weight", c.NVocab, c.NEmbd), x)
		})
	}
}

var (
	allPositions = model.Memory{Name: "all", Per: model.Position}
	someWindow   = model.Memory{Name: "window", Per: model.Window, Window: 40}
	oneState     = model.Memory{Name: "state", Per: model.Sequence}
)

// simulate opens an engine on a sim.
func simulate(t *testing.T, s *sim, o Options, kinds ...model.Memory) *Engine {
	t.Helper()
	s.kind = model.Processor
	o.Device, o.devices = "cpu", []model.Device{s}
	if len(kinds) > 0 {
		o.open = memories(kinds...)
	}
	return open(t, builtIn, o)
}

// say is what the sim must generate after a prompt.
func say(e *Engine, prompt []int32, n int) (ids []int32) {
	tokens := append([]int32(nil), prompt...)
	for range n {
		id := simAnswer(e.owner.chain.kinds, tokens, e.Model.Config.NVocab)
		ids, tokens = append(ids, id), append(tokens, id)
	}
	return ids
}

// prompt makes up n tokens that begin with the seeds' and are different for each.
func prompt(n int, seeds ...uint64) []int32 {
	ids := make([]int32, n)
	for i := range ids {
		ids[i] = int32(sample.Uniform(seeds[min(i*len(seeds)/max(1, n), len(seeds)-1)], uint32(i)) * 4000)
	}
	return ids
}
