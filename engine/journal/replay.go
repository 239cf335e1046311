package journal

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"

	"eclat/model"
)

// Target is a stage as it was when the log began, or as an earlier Check left it.
type Target struct {
	Program func(tokens int) (model.Program, error) // with room for so many
	Pages   model.PageIO
	Chunk   int // most tokens of a run
}

// Proof tells of rows that were answered again. Two that are equal are of the same bits.
type Proof struct {
	Rows int
	Sum  Sum // SHA-256 of the rows' sums, in the order of the log
}

// ErrDiffer says that a row was answered otherwise than before.
var ErrDiffer = errors.New("a row has other bits than were logged")

// DifferError says which row.
type DifferError struct {
	Row int // of all that the stage answered, from 0
	Pos int // its position in its sequence
}

func (e *DifferError) Error() string {
	return fmt.Sprintf("%v: row %d, at position %d", ErrDiffer, e.Row, e.Pos)
}
func (e *DifferError) Unwrap() error { return ErrDiffer }

// Replay sends all of the log, and returns the proof that what is answered is what was
// logged. Where a row is another the error is a DifferError of the first one that is.
func (l *Log) Replay(ctx context.Context, t Target) (Proof, error) {
	return l.send(ctx, t, func(*entry) bool { return true }, nil)
}

// Check sends what no Check has sent yet, to a second copy of the stage.
func (l *Log) Check(ctx context.Context, t Target) (Proof, error) {
	return l.send(ctx, t, func(e *entry) bool { return !e.checked }, func(e *entry) { e.checked = true })
}

// Unchecked is how many rows no Check has seen.
func (l *Log) Unchecked() (n int) {
	for _, e := range slices.Backward(l.done) {
		if e.checked {
			break
		}
		n += len(e.sums)
	}
	return n
}

// Uncheck says that the copy is gone: the next Check sends everything.
func (l *Log) Uncheck() {
	for _, e := range l.done {
		e.checked = false
	}
}

func (l *Log) send(ctx context.Context, t Target, wanted func(*entry) bool, done func(*entry)) (p Proof, err error) {
	s := sender{log: l, t: t}
	var sums []Sum
	var sent []*entry
	flush := func() error {
		err := s.flush(ctx, &sums)
		if err == nil && done != nil {
			for _, e := range sent {
				done(e)
			}
		}
		sent = sent[:0]
		return err
	}
	for _, e := range l.done {
		if !wanted(e) {
			continue
		}
		if e.sums == nil || !s.join(e) {
			if err := flush(); err != nil {
				return p, err
			}
			if e.sums != nil && !s.join(e) {
				return p, errors.New("journal: a run that cannot be run")
			}
		}
		sent = append(sent, e)
		if e.sums != nil {
			continue
		}
		if e.from < 0 {
			err = t.Pages.Restore(ctx, e.pool, e.to, e.bytes)
		} else {
			err = t.Pages.Copy(ctx, e.pool, e.from, e.to)
		}
		if err != nil {
			return p, err
		}
	}
	if err := flush(); err != nil {
		return p, err
	}
	h := sha256.New()
	for i := range sums {
		h.Write(sums[i][:])
	}
	p.Rows = len(sums)
	h.Sum(p.Sum[:0])
	return p, nil
}

// sender joins runs of the log into chunks.
type sender struct {
	log   *Log
	t     Target
	runs  []joined
	batch model.Batch
	out   model.Outputs
	room  []float32 // scratch of rows
}

// joined is what some runs of the log have of a sequence, one after the other.
type joined struct {
	first, n int // positions
	units    [][]int32
	parts    []part
}

// part is rows at … at+n−1 of an entry.
type part struct {
	e     *entry
	at, n int
}

// join adds a run to the chunk; false where it does not fit or needs what comes before it
// to be there.
func (s *sender) join(e *entry) bool {
	next := slices.Clone(s.runs)
	at := 0
	for i := range e.seqs {
		q := &e.seqs[i]
		first := int(e.pos[at*s.log.plan.Axes])
		p := part{e, at, q.N}
		at += q.N
		k := slices.IndexFunc(next, func(r joined) bool { return s.follows(&r, first, q.Units) })
		if k < 0 {
			next = append(next, joined{first, q.N, q.Units, []part{p}})
			continue
		}
		next[k] = next[k].with(first, q.Units, p)
	}
	if !s.fits(next) {
		return false
	}
	s.runs = next
	return true
}

// follows reports whether a run at a position of a sequence goes on from r: with the same
// memory, and right after it, or where a wrong guess is written over, before its end.
func (s *sender) follows(r *joined, first int, units [][]int32) bool {
	if first > r.first+r.n || first <= r.first {
		return false
	}
	for pool, k := range s.log.plan.Pools {
		if k.Per == model.Sequence {
			if first != r.first+r.n || units[pool][0] != r.units[pool][0] {
				return false
			}
			continue
		}
		for i, u := range r.units[pool][:min(len(r.units[pool]), len(units[pool]))] {
			if now := units[pool][i]; now != u && now >= 0 {
				return false
			}
		}
	}
	return true
}

// with is r up to a position, and then a run from there.
func (r joined) with(first int, units [][]int32, p part) joined {
	out := joined{first: r.first, n: first - r.first + p.n, parts: slices.Clone(r.parts)}
	for pool := range r.units {
		table := slices.Clone(r.units[pool])
		if n := len(table); n < len(units[pool]) {
			table = append(table, units[pool][n:]...)
		}
		out.units = append(out.units, table)
	}
	for over := r.first + r.n - first; over > 0; { // what was written over
		last := &out.parts[len(out.parts)-1]
		n := min(over, last.n)
		over, last.n = over-n, last.n-n
		if last.n == 0 {
			out.parts = out.parts[:len(out.parts)-1]
		}
	}
	out.parts = append(out.parts, p)
	return out
}

// fits reports whether a chunk can be one batch: it makes the batch, but for its rows.
func (s *sender) fits(runs []joined) bool {
	n := 0
	for i := range runs {
		n += runs[i].n
	}
	if n > s.t.Chunk {
		return false
	}
	b, p := &s.batch, s.log.plan
	if len(s.room) < s.t.Chunk*p.Width() {
		s.room = make([]float32, s.t.Chunk*p.Width())
	}
	b.Pos, b.Seqs, b.Rows = b.Pos[:0], b.Seqs[:0], s.room[:n*p.Width()]
	for i := range runs {
		r := &runs[i]
		for _, part := range r.parts {
			b.Pos = append(b.Pos, part.e.pos[part.at*p.Axes:(part.at+part.n)*p.Axes]...)
		}
		b.Seqs = append(b.Seqs, model.SeqRun{N: r.n, Units: r.units})
	}
	return b.Check(p, model.Size{Tokens: s.t.Chunk}) == nil
}

// flush runs the chunk and compares what is answered.
func (s *sender) flush(ctx context.Context, sums *[]Sum) error {
	if len(s.runs) == 0 {
		return nil
	}
	s.fits(s.runs)
	b, width := &s.batch, s.log.plan.Width()
	rows := b.Rows[:0]
	for _, r := range s.runs {
		for _, p := range r.parts {
			rows = append(rows, p.e.rows[p.at*width:(p.at+p.n)*width]...)
		}
	}
	n := len(b.Pos) / s.log.plan.Axes
	program, err := s.t.Program(n)
	if err != nil {
		return err
	}
	if err := program.Run(ctx, b, &s.out); err != nil {
		return err
	}
	var wrong *DifferError
	i := 0
	for _, r := range s.runs {
		for _, p := range r.parts {
			for j := range p.n {
				got := s.log.sum(s.out.Rows, i, n)
				row := p.e.at + p.at + j
				if got != p.e.sums[p.at+j] && (wrong == nil || row < wrong.Row) {
					wrong = &DifferError{row, int(p.e.pos[(p.at+j)*s.log.plan.Axes])}
				}
				*sums = append(*sums, got)
				i++
			}
		}
	}
	s.runs = s.runs[:0]
	if wrong != nil {
		return wrong
	}
	return nil
}
