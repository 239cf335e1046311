package peer

import (
	"context"
	"errors"
	"fmt"

	"eclat/model"
	"eclat/model/rows"
)

// program is one of a session's, with what its batches are checked against.
type program struct {
	model.Program
	plan *model.Plan
	size model.Size
	rows rows.Format
}

func (s *session) compile(c *compile, format rows.Format) (int, error) {
	if c == nil {
		return 0, errors.New("nothing to compile")
	}
	if err := checkSize(c.Options.Size); err != nil {
		return 0, err
	}
	if len(s.programs) >= mostPrograms {
		return 0, fmt.Errorf("more than %d programs", mostPrograms)
	}
	plan := s.loaded
	if c.Sample != plan.Stage.Sample {
		st := plan.Stage
		st.Sample = c.Sample && st.Head
		var err error
		if plan, err = s.m.Plan(st, plan.Room); err != nil {
			return 0, err
		}
	}
	p, err := s.backend.Compile(plan, c.Options)
	if err != nil {
		return 0, err
	}
	s.next++
	s.programs[s.next] = &program{p, plan, c.Options.Size, format}
	return s.next, nil
}

// run computes a batch, which is checked here already: a backend of our own would be
// right to trust its pools' sizes.
func (s *session) run(ctx context.Context, r *request, body []byte) (tokens []int32, answer []byte, err error) {
	p := s.programs[r.Program]
	if p == nil || r.Run == nil {
		return nil, nil, errors.New("a run of no program")
	}
	b := &s.batch
	b.Tokens, b.Pos, b.Seqs, b.Want, b.How = r.Run.Tokens, r.Run.Pos, r.Run.Seqs, r.Run.Want, r.Run.How
	if b.Rows, err = p.rows.Read(b.Rows, body, p.plan.Width()); err != nil {
		return nil, nil, err
	}
	if err := b.Check(p.plan, p.size); err != nil {
		return nil, nil, err
	}
	if err := p.Run(ctx, b, &s.out); err != nil {
		return nil, nil, err
	}
	s.body, err = answerFormat(p.rows, p.plan).Append(s.body[:0], s.out.Rows, p.plan.Width())
	return s.out.Tokens, s.body, err
}

func (s *session) read(r *request) ([]byte, error) {
	p := s.programs[r.Program]
	if p == nil || r.Tensor < 0 || int(r.Tensor) >= len(p.plan.Tensors) {
		return nil, errors.New("an activation of no program")
	}
	dst := make([]float32, p.plan.Rows(r.Tensor, p.size)*p.plan.Tensors[r.Tensor].Cols)
	n, err := p.Read(r.Tensor, dst)
	if err != nil {
		return nil, err
	}
	return rows.F32.Append(nil, dst[:n], 1)
}

// unit copies, saves or restores a unit of memory.
func (s *session) unit(ctx context.Context, r *request, body []byte) ([]byte, error) {
	if r.Pool < 0 || r.Pool >= len(s.loaded.Pools) {
		return nil, fmt.Errorf("pool %d of %d", r.Pool, len(s.loaded.Pools))
	}
	units := int32(s.loaded.Pools[r.Pool].Units)
	if r.From < 0 || r.From >= units || r.To < 0 || r.To >= units {
		return nil, fmt.Errorf("units %d and %d of %d", r.From, r.To, units)
	}
	pages := s.backend.Pages()
	switch r.Op {
	case opCopy:
		if r.From == r.To { // which only asks whether the worker is there
			return nil, nil
		}
		return nil, pages.Copy(ctx, r.Pool, r.From, r.To)
	case opSave:
		out := make([]byte, pages.UnitBytes(r.Pool))
		return out, pages.Save(ctx, r.Pool, r.From, out)
	}
	if len(body) != pages.UnitBytes(r.Pool) {
		return nil, fmt.Errorf("%d bytes for a unit of %d", len(body), pages.UnitBytes(r.Pool))
	}
	return nil, pages.Restore(ctx, r.Pool, r.To, body)
}
