package peer

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"eclat/model"
	"eclat/model/rows"
	"eclat/model/stagetime"
	"eclat/peer/place"
)

// mostEcho is the bytes of the echo that tells the rate, and of the row of a token.
const mostEcho = 256 << 10

// timed is a stage that is timed, with the memory that is set aside for it.
type timed struct {
	*stagetime.Timer
	stage model.Stage
	held  int64
}

// timing lets one measurement at a time run on a worker: two would see each other.
var timing sync.Mutex

// time runs a token through a stage of zeros and returns how long that took here, and its
// row. The stage stays until something else is asked for.
func (s *session) time(ctx context.Context, st *model.Stage, format rows.Format) (took time.Duration, body []byte, err error) {
	if st == nil {
		return 0, nil, errors.New("no stage to time")
	}
	if s.timer == nil || s.timer.stage != *st {
		if err := s.openTimer(ctx, *st); err != nil {
			return 0, nil, err
		}
	}
	timing.Lock()
	took, answer, err := s.timer.Run(ctx)
	timing.Unlock()
	if err == nil {
		s.body, err = format.Append(s.body[:0], answer, len(answer))
	}
	return took, s.body[:min(len(s.body), mostEcho)], err
}

// openTimer loads a stage of zeros, with memory for it set aside as for one that is computed.
func (s *session) openTimer(ctx context.Context, st model.Stage) error {
	if err := s.closeTimer(); err != nil {
		return err
	}
	if err := checkRoom(s.m, st, model.Room{}, nil); err != nil {
		return err
	}
	if st.Embed || st.Head || st.Layers() > 1 || s.backend != nil {
		return errors.New("one layer is timed, before a stage is loaded")
	}
	need := stagetime.Bytes(s.m, st)
	s.w.mu.Lock()
	left := s.w.available()
	if left > 0 && need > left {
		s.w.mu.Unlock()
		return fmt.Errorf("%w: a layer takes %d MiB to be timed, %d are left", model.ErrNoMemory, need>>20, left>>20)
	}
	s.w.held += need
	s.w.mu.Unlock()
	s.timer = &timed{stage: st, held: need}
	t, err := stagetime.Open(ctx, s.w.Device, model.OpenOptions{Warn: s.w.log}, s.m, st)
	if err != nil {
		return errors.Join(err, s.closeTimer())
	}
	s.timer.Timer = t
	return nil
}

func (s *session) closeTimer() (err error) {
	if s.timer == nil {
		return nil
	}
	if s.timer.Timer != nil {
		err = s.timer.Close()
	}
	s.w.mu.Lock()
	s.w.held -= s.timer.held
	s.w.mu.Unlock()
	s.timer = nil
	return err
}

// Measure asks a worker how long it takes for a token through a stage of one layer, and
// measures the way there: what a run takes here and not there. A run says what one of an
// answer would, so that the way has in it what both sides do to write and read it. The stage
// is of zeros: its weights need not be there yet.
func (d *Device) Measure(ctx context.Context, m *model.Model, st model.Stage) (f place.Far, err error) {
	sum, err := ModelSum(m)
	if err != nil {
		return f, err
	}
	l, err := d.dial(ctx, d.Peers[d.at], sum)
	if err != nil {
		return f, err
	}
	defer l.stream.Close()
	p, err := stagetime.Plan(m, st)
	if err != nil {
		return f, err
	}
	b := stagetime.Batch(p)
	var row []byte
	least := time.Hour
	f.Token, f.Hop, err = stagetime.Several(func() (there, way time.Duration, err error) {
		start := time.Now()
		row, err = d.Rows.Append(row[:0], b.Rows, len(b.Rows))
		if err != nil {
			return 0, 0, err
		}
		row = row[:min(len(row), mostEcho)]
		rep, body, err := l.ask(ctx, &request{Op: opTime, Time: &st, Run: &run{Pos: b.Pos, Seqs: b.Seqs}, Rows: formatName(d.Rows)}, row, len(row), nil)
		took := time.Since(start)
		switch {
		case err != nil:
			return 0, 0, err
		case rep.Token <= 0 || rep.Token > took || len(body) != len(row):
			return 0, 0, l.wrong("a layer in %v, with %d bytes, of %v and %d", rep.Token, len(body), took, len(row))
		}
		least = min(least, took-rep.Token)
		return rep.Token, took - rep.Token, nil
	})
	if err != nil {
		return f, err
	}
	large := make([]byte, mostEcho)
	t, err := l.echo(ctx, large)
	if err != nil {
		return f, err
	}
	f.Rate = 2 * float64(len(large)-min(len(row), len(large)/2)) / max((t-least).Seconds(), 1e-6)
	return f, nil
}

// echo is how long bytes take there and back.
func (l *line) echo(ctx context.Context, body []byte) (time.Duration, error) {
	start := time.Now()
	_, back, err := l.ask(ctx, &request{Op: opEcho}, body, len(body), nil)
	if err == nil && len(back) != len(body) {
		err = l.wrong("an echo of %d bytes to %d", len(back), len(body))
	}
	return time.Since(start), err
}
