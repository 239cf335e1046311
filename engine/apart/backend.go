package apart

import (
	"context"
	"errors"
	"time"

	"eclat/model"
)

// backend implements model.Backend. Memory and pages are the first device's.
type backend struct {
	model.Backend
	there  model.Backend
	device device
}

// Load implements model.Backend.
func (b *backend) Load(ctx context.Context, w model.Weights, p *model.Plan) error {
	c, err := b.device.cut(p)
	if err != nil {
		return err
	}
	if err := b.Backend.Load(ctx, w, c.Here); err != nil || c.Apart == nil {
		return err
	}
	return b.there.Load(ctx, w, c.Apart)
}

// Info implements model.Backend.
func (b *backend) Info() model.DeviceInfo {
	info, there := b.Backend.Info(), b.there.Info()
	info.Chunk = min(info.Chunk, there.Chunk)
	return info
}

// Close implements model.Backend.
func (b *backend) Close() error { return errors.Join(b.there.Close(), b.Backend.Close()) }

// Compile implements model.Backend: a program of each piece, on its device.
func (b *backend) Compile(p *model.Plan, o model.CompileOptions) (model.Program, error) {
	c, err := b.device.cut(p)
	if err != nil {
		return nil, err
	}
	x := &program{}
	widest := 0
	for i := range c.Pieces {
		piece := pieceProgram{Piece: &c.Pieces[i]}
		on := b.Backend
		if piece.Apart {
			on = b.there
		} else if piece.Plan.Hidden != model.None {
			widest = max(widest, piece.Plan.Width())
		}
		if piece.Program, err = on.Compile(piece.Plan, o); err != nil {
			return nil, errors.Join(err, x.Close())
		}
		x.pieces = append(x.pieces, piece)
	}
	x.joined = make([]float32, o.Tokens*widest)
	if o.Profile {
		x.times = make([]time.Duration, len(p.Steps))
	}
	return x, nil
}

// program implements model.Program.
type program struct {
	pieces []pieceProgram
	joined []float32       // what an apart piece was given and made, row by row
	times  []time.Duration // of the whole plan's steps, with Profile
	out    model.Outputs
}

type pieceProgram struct {
	*model.Piece
	model.Program
}

// Run implements model.Program: it runs the pieces one after the other. Rows that a piece
// returned stand until its device runs again, so they are joined before that.
func (p *program) Run(ctx context.Context, b *model.Batch, out *model.Outputs) error {
	rows := b.Rows
	defer func() { b.Rows = rows }()
	clear(p.times)
	timed := p.times != nil
	for i := range p.pieces {
		x := &p.pieces[i]
		if err := x.Program.Run(ctx, b, &p.out); err != nil {
			return err
		}
		timed = timed && x.add(p.times, p.out.StepTime)
		if x.Apart {
			b.Rows = p.join(b.Rows, p.out.Rows, b.Size(x.Plan).Tokens)
		} else {
			b.Rows = p.out.Rows
		}
	}
	*out = p.out
	if out.StepTime = nil; timed {
		out.StepTime = p.times
	}
	return nil
}

// join puts n rows of x and of y side by side.
func (p *program) join(x, y []float32, n int) []float32 {
	a, b := len(x)/n, len(y)/n
	dst := p.joined[:n*(a+b)]
	for i := range n {
		copy(dst[i*(a+b):], x[i*a:][:a])
		copy(dst[i*(a+b)+a:], y[i*b:][:b])
	}
	return dst
}

// add adds the times of a piece's steps to those of the whole plan's, and what taking the
// rows to pieces took to the step after it. It reports false where the device cannot tell.
func (x *pieceProgram) add(sum, times []time.Duration) bool {
	if len(times) != len(x.Of) {
		return false
	}
	var more time.Duration
	for i, at := range x.Of {
		if more += times[i]; at >= 0 {
			sum[at] += more
			more = 0
		}
	}
	return true
}

// Read implements model.Program.
func (p *program) Read(id model.ID, dst []float32) (int, error) {
	for i := range p.pieces {
		x := &p.pieces[i]
		if id >= 0 && int(id) < len(x.IDs) && x.IDs[id] != model.None {
			return x.Program.Read(x.IDs[id], dst)
		}
	}
	return 0, errors.New("apart: no piece has the tensor")
}

// Close implements model.Program.
func (p *program) Close() error {
	var errs []error
	for i := len(p.pieces) - 1; i >= 0; i-- {
		errs = append(errs, p.pieces[i].Program.Close())
	}
	p.pieces = nil
	return errors.Join(errs...)
}
