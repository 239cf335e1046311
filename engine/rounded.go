package engine

import (
	"context"
	"fmt"
	"strings"

	"eclat/model"
	"eclat/model/rows"
)

// rounded is a program of a stage whose rows travel in a format that rounds them: what it is
// sent, and what it answers. Whoever sends a row rounds it, so that of rows that did travel
// nothing is changed here. But not all do: those that another copy of the stage computes on
// this machine, to check, to judge, or because nobody else is left. They are rounded just
// so, or the answer would be another one from there on.
type rounded struct {
	model.Program
	stage   model.Stage
	rows    rows.Format
	width   int
	in, out []float32
}

// compile makes a program of a link's plan, which rounds as the link does.
func (l *link) compile(plan *model.Plan, o model.CompileOptions) (model.Program, error) {
	p, err := l.backend.Compile(plan, o)
	if err != nil || l.rows == rows.F32 || o.Exact {
		return p, err
	}
	return &rounded{Program: p, stage: l.stage, rows: l.rows, width: plan.Width()}, nil
}

// Run implements model.Program. What was sent is in b.Rows afterwards.
func (p *rounded) Run(ctx context.Context, b *model.Batch, out *model.Outputs) (err error) {
	if p.in, err = p.rows.Round(p.in, b.Rows, p.width); err != nil {
		return p.named("sent to", err)
	}
	b.Rows = p.in
	if err := p.Program.Run(ctx, b, out); err != nil || p.stage.Head { // what it answers are logits
		return err
	}
	if p.out, err = p.rows.Round(p.out, out.Rows, p.width); err != nil {
		return p.named("answered by", err)
	}
	out.Rows = p.out
	return nil
}

func (p *rounded) named(what string, err error) error {
	return fmt.Errorf("engine: rows %s layers %d–%d: %w", what, p.stage.First, p.stage.End-1, err)
}

// rounding says where a chain's rows are rounded, and how: with the model all that its bits
// hang on. It is "" where they are not, and stays what it is when layers move.
func (c *chain) rounding() string {
	var all []string
	for i := range c.links {
		if l := &c.links[i]; l.rows != rows.F32 {
			all = append(all, fmt.Sprintf("%v %d-%d", l.rows, l.stage.First, l.stage.End))
		}
	}
	return strings.Join(all, ", ")
}
