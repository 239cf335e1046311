package peer

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"eclat/model"
	"eclat/model/stagetime"
	"eclat/peer/place"
)

// Rounds of a measurement of the way to a worker.
const (
	echoes   = 9         // with a token's row
	mostEcho = 256 << 10 // bytes of the one that tells the rate
)

// timing lets one measurement at a time run on this machine: two would see each other.
var timing sync.Mutex

// time measures a stage, with memory for it set aside as for one that is computed.
func (s *session) time(ctx context.Context, st *model.Stage) (time.Duration, error) {
	if st == nil {
		return 0, errors.New("no stage to time")
	}
	if err := checkRoom(s.m, *st, model.Room{}, nil); err != nil {
		return 0, err
	}
	if st.Embed || st.Layers() > 1 || s.backend != nil {
		return 0, errors.New("one layer, or the head, is timed before a stage is loaded")
	}
	timing.Lock()
	defer timing.Unlock()
	need := stagetime.Bytes(s.m, *st)
	s.w.mu.Lock()
	left := s.w.available()
	if left > 0 && need > left {
		s.w.mu.Unlock()
		return 0, fmt.Errorf("%w: a layer takes %d MiB to be timed, %d are left", model.ErrNoMemory, need>>20, left>>20)
	}
	s.w.held += need
	s.w.mu.Unlock()
	defer func() {
		s.w.mu.Lock()
		s.w.held -= need
		s.w.mu.Unlock()
	}()
	return stagetime.Token(ctx, s.w.Device, model.OpenOptions{Warn: s.w.log}, s.m, *st)
}

// Measure asks a worker how long it takes for a token through a stage of one layer, and
// measures the way there. The stage is of zeros: its weights need not be there yet.
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
	p, err := m.Describe(st, model.Room{Pages: 1, Seqs: 1, Chunk: 1})
	if err != nil {
		return f, err
	}
	row := make([]byte, min(4*p.Width(), mostEcho))
	var trips []time.Duration
	for range echoes {
		t, err := l.echo(ctx, row)
		if err != nil {
			return f, err
		}
		trips = append(trips, t)
	}
	slices.Sort(trips)
	f.Hop = trips[len(trips)/2]
	large := make([]byte, mostEcho)
	t, err := l.echo(ctx, large)
	if err != nil {
		return f, err
	}
	f.Rate = 2 * float64(len(large)-len(row)) / max((t-trips[0]).Seconds(), 1e-6)
	rep, _, err := l.ask(ctx, &request{Op: opTime, Time: &st}, nil, 0, nil)
	if err != nil {
		return f, err
	}
	if rep.Token <= 0 || rep.Token > time.Hour {
		return f, l.wrong("a layer in %v", rep.Token)
	}
	f.Token = rep.Token
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
