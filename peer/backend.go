package peer

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"

	"eclat/model"
	"eclat/model/rows"
)

// backend is a stage on a worker: model.Backend.
type backend struct {
	d      *Device
	line   *line
	o      model.OpenOptions
	loaded *loaded
	plan   string // planSum of what is loaded
	ready  bool   // it is loaded already, and Load only looks
	at     int    // which of Peers
	was    int    // and whose place it takes; at where it takes none
	tally  *tally
	last   Receipt // the worker's
	body   []byte
}

// Load implements model.Backend. The worker takes the weights from its own file; w is
// looked at where the bytes are there, to see that they are the same ones. Where the worker
// does not take the stage another one is asked.
func (b *backend) Load(ctx context.Context, w model.Weights, p *model.Plan) error {
	if b.ready {
		b.ready = false
		if sum, err := planSum(p); err != nil || sum != b.plan {
			return b.line.lost(fmt.Errorf("it holds another stage (%v)", err))
		}
		return nil
	}
	if err := b.loadSomewhere(ctx, w, p); err != nil {
		return err
	}
	if b.at != b.was && b.o.Warn != nil {
		b.o.Warn(fmt.Sprintf("peer %s takes the place of %s", short(b.d.Peers[b.at]), short(b.d.Peers[b.was])))
	}
	if b.d.Preload {
		b.d.preload(ctx, b, w, p)
	}
	return nil
}

func (b *backend) load(ctx context.Context, w model.Weights, p *model.Plan) error {
	if b.loaded != nil {
		return errors.New("peer: a second Load")
	}
	if p.Stage == (model.Stage{}) {
		return errors.New("peer: a plan of no model")
	}
	sum, err := planSum(p)
	if err != nil {
		return err
	}
	nonce := rand.Text()
	rep, _, err := b.line.ask(ctx, &request{Op: opLoad, Load: &load{p.Stage, p.Room, sum, nonce, b.d.fit}}, nil, 0, b.o.Progress)
	if err != nil {
		return err
	}
	b.tally = newTally(sum, nonce)
	if rep.Load == nil || len(rep.Load.Units) != len(p.Pools) {
		return b.line.wrong("its memory is not that of the plan")
	}
	for _, n := range rep.Load.Units {
		if n < 0 || n > mostBody {
			return b.line.wrong("a unit of %d bytes", n)
		}
	}
	if own, err := weightsSum(w, p); err == nil && own != rep.Load.Weights {
		return fmt.Errorf("%w: peer %s has other weights of this stage", model.ErrNoDevice, short(b.line.peer))
	}
	b.loaded, b.plan = rep.Load, sum
	return nil
}

// Compile implements model.Backend.
func (b *backend) Compile(p *model.Plan, o model.CompileOptions) (model.Program, error) {
	format := b.d.Rows
	if o.Exact {
		format, o.Exact = rows.F32, false
	}
	rep, _, err := b.line.ask(context.Background(), &request{Op: opCompile, Compile: &compile{p.Samples(), o}, Rows: formatName(format)}, nil, 0, b.o.Progress)
	if err != nil {
		return nil, err
	}
	return &remoteProgram{b: b, id: rep.Program, plan: p, size: o.Size, format: format}, nil
}

// Pages implements model.Backend.
func (b *backend) Pages() model.PageIO { return b }

// Info implements model.Backend.
func (b *backend) Info() model.DeviceInfo {
	info := b.d.Info()
	if b.loaded != nil {
		info.Held = b.loaded.Held
		info.Details = append(info.Details, model.Detail{Name: "receipt", Value: b.last.String()})
	}
	return info
}

// Close implements model.Backend.
func (b *backend) Close() error {
	if b.line.broken != nil {
		return nil
	}
	b.line.broken = errors.New("peer: closed")
	b.d.dropSpare()
	return b.line.stream.Close()
}

// UnitBytes implements model.PageIO.
func (b *backend) UnitBytes(pool int) int { return b.loaded.Units[pool] }

// Copy implements model.PageIO.
func (b *backend) Copy(ctx context.Context, pool int, from, to int32) error {
	_, _, err := b.line.ask(ctx, &request{Op: opCopy, Pool: pool, From: from, To: to}, nil, 0, nil)
	return err
}

// Save implements model.PageIO.
func (b *backend) Save(ctx context.Context, pool int, unit int32, dst []byte) error {
	_, body, err := b.line.ask(ctx, &request{Op: opSave, Pool: pool, From: unit}, nil, len(dst), nil)
	if err == nil && len(body) != len(dst) {
		err = b.line.wrong("%d bytes of a unit of %d", len(body), len(dst))
	}
	copy(dst, body)
	return err
}

// Restore implements model.PageIO.
func (b *backend) Restore(ctx context.Context, pool int, unit int32, src []byte) error {
	_, _, err := b.line.ask(ctx, &request{Op: opRestore, Pool: pool, To: unit}, src, 0, nil)
	return err
}

// remoteProgram is a program of a worker: model.Program.
type remoteProgram struct {
	b    *backend
	id   int
	plan *model.Plan
	size model.Size
	rows []float32

	format rows.Format
}

// Run implements model.Program.
func (p *remoteProgram) Run(ctx context.Context, b *model.Batch, out *model.Outputs) error {
	if err := b.Check(p.plan, p.size); err != nil {
		return err
	}
	if p.b.line.leaving && p.b.d.standsIn() {
		return p.b.line.left()
	}
	var err error
	if p.b.body, err = p.format.Append(p.b.body[:0], b.Rows, p.plan.Width()); err != nil {
		return fmt.Errorf("peer %s: %w", short(p.b.line.peer), err)
	}
	answer, format := p.plan.Answer(), answerFormat(p.format, p.plan)
	cols := p.plan.Tensors[answer].Cols
	want := p.plan.Rows(answer, b.Size(p.plan)) * format.Bytes(cols)
	tokens := 0
	if p.plan.Samples() {
		tokens = len(b.Want)
		if !b.LogitsWanted() {
			want = 0
		}
	}
	req := &request{Op: opRun, Program: p.id, Run: &run{b.Tokens, b.Pos, b.Seqs, b.Want, b.How}}
	rep, body, err := p.b.line.ask(ctx, req, p.b.body, want, nil)
	if err != nil {
		return err
	}
	if len(body) != want || len(rep.Tokens) != tokens {
		return p.b.line.wrong("%d bytes and %d tokens, where %d and %d were due", len(body), len(rep.Tokens), want, tokens)
	}
	for _, id := range rep.Tokens {
		if id < -1 || int(id) >= cols {
			return p.b.line.wrong("token %d, where there are %d", id, cols)
		}
	}
	if p.b.tally.ran(b.Size(p.plan).Tokens, p.b.body, body) {
		if err := p.b.tally.check(rep.Receipt, p.b.line.peer, p.b.d.Verify); err != nil {
			return p.b.line.wrong("%w", err)
		}
		p.b.last = *rep.Receipt
	}
	if p.rows, err = format.Read(p.rows, body, cols); err != nil {
		return p.b.line.wrong("%w", err)
	}
	out.Rows, out.Tokens, out.StepTime = p.rows, rep.Tokens, nil
	return nil
}

// Read implements model.Program.
func (p *remoteProgram) Read(t model.ID, dst []float32) (int, error) {
	if t < 0 || int(t) >= len(p.plan.Tensors) {
		return 0, fmt.Errorf("peer: tensor %d of %d", t, len(p.plan.Tensors))
	}
	most := min(len(dst), p.plan.Rows(t, p.size)*p.plan.Tensors[t].Cols)
	_, body, err := p.b.line.ask(context.Background(), &request{Op: opRead, Program: p.id, Tensor: t}, nil, 4*most, nil)
	if err != nil {
		return 0, err
	}
	all, err := rows.F32.Read(nil, body, 1)
	return copy(dst, all), err
}

// Close implements model.Program.
func (p *remoteProgram) Close() error {
	if p.b.line.broken != nil {
		return nil
	}
	_, _, err := p.b.line.ask(context.Background(), &request{Op: opDrop, Program: p.id}, nil, 0, nil)
	return err
}
