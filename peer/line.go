package peer

import (
	"context"
	"errors"
	"fmt"
	"time"

	"eclat/model"
	"eclat/model/numerics"
)

// line is a stream to a worker with one request on it at a time.
type line struct {
	peer    string
	stream  Stream
	frames  frames
	device  model.DeviceInfo
	writing turn // of a request, and of a cancel beside it
	seq     uint32
	broken  error
	leaving bool           // the worker said so
	losses  map[string]int // the device's
	buf     []byte
}

// dial opens a line and says hello.
func (d *Device) dial(ctx context.Context, peer, sum string) (*line, error) {
	long := ctx
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	s, err := d.Net.Dial(ctx, peer, Protocol)
	if err != nil {
		return nil, fmt.Errorf("%w: peer %s: %.300v", model.ErrLost, short(peer), err)
	}
	l := &line{peer: peer, stream: s, writing: newTurn(), losses: d.losses}
	moves := &alive{s: s}
	l.frames.rw, l.frames.began = moves, moves.began
	greet := func(ctx context.Context) (*reply, error) {
		rep, _, err := l.ask(ctx, &request{Op: opHello, Hello: &hello{numerics.Version, sum}, Rows: formatName(d.Rows)}, nil, 0, nil)
		return rep, err
	}
	rep, err := greet(ctx)
	if errors.Is(err, errNoModel) && d.Manifest != "" { // it fetches the header, which may take a while
		if _, _, err = l.ask(long, &request{Op: opPrepare, Prepare: d.Manifest}, nil, 0, nil); err == nil {
			rep, err = greet(long)
		}
	}
	switch {
	case err != nil:
	case rep.Hello == nil || rep.Hello.Numbers != numerics.Version:
		err = fmt.Errorf("peer %s: it says no hello of the same definition of numbers", short(peer))
	case rep.Rows != formatName(d.Rows):
		err = fmt.Errorf("peer %s: its release is an older one, which sends rows as f32 alone, not as %v", short(peer), d.Rows)
	default:
		l.device = rep.Hello.Device.info()
		return l, nil
	}
	s.Reset()
	return nil, err
}

// alive is a stream that must move within a silence, and whose frames must end in time.
type alive struct {
	s     Stream
	left  int       // bytes of the frame that has begun
	until time.Time // that it ends
}

// began says that a frame of so many bytes comes.
func (a *alive) began(bytes int) {
	a.left, a.until = bytes, time.Now().Add(silence+time.Duration(bytes)*time.Second/slowest)
}

func (a *alive) Read(p []byte) (int, error) {
	by := time.Now().Add(silence)
	if a.left > 0 && a.until.Before(by) {
		by = a.until
	}
	a.s.SetReadDeadline(by)
	n, err := a.s.Read(p)
	a.left -= min(n, a.left)
	return n, err
}

func (a *alive) Write(p []byte) (n int, err error) {
	for n < len(p) && err == nil {
		var k int
		a.s.SetWriteDeadline(time.Now().Add(silence))
		k, err = a.s.Write(p[n:min(n+1<<16, len(p))])
		n += k
	}
	return n, err
}

// ask sends a request and waits for its answer, whose body has at most limit bytes.
// Cancelling ctx asks the worker to end it. An error of the line is model.ErrLost.
func (l *line) ask(ctx context.Context, r *request, body []byte, limit int, progress func(what string, done, total int64)) (*reply, []byte, error) {
	if l.broken != nil {
		return nil, nil, l.broken
	}
	if err := ctx.Err(); err != nil {
		return nil, nil, err
	}
	l.seq++
	seq := l.seq
	r.Seq = seq
	l.writing.Lock()
	err := l.frames.write(r, body)
	l.writing.Unlock()
	if err != nil {
		return nil, nil, l.lost(err)
	}
	unhook := context.AfterFunc(ctx, func() {
		l.writing.Lock()
		l.frames.write(&request{Op: opCancel, Seq: seq}, nil)
		l.writing.Unlock()
	})
	defer unhook()
	for start := time.Now(); ; {
		var rep reply
		body, err := l.frames.read(&rep, l.buf, limit)
		switch {
		case errors.Is(err, errFrame):
			return nil, nil, l.wrong("%w", err)
		case err != nil:
			return nil, nil, l.lost(err)
		}
		if rep.Seq != seq {
			return nil, nil, l.wrong("it answers request %d, asked was %d", rep.Seq, seq)
		}
		if l.buf = body; rep.Beat {
			if time.Since(start) > mostTime {
				return nil, nil, l.lost(fmt.Errorf("no answer to %s in %v", r.Op, mostTime))
			}
			if progress != nil && rep.What != "" && rep.Total > 0 {
				progress(shorten(rep.What), rep.Done, rep.Total)
			}
			continue
		}
		if rep.Err != nil {
			err := rep.Err.error(l.peer)
			if errors.Is(err, model.ErrLost) {
				l.broken = err
			}
			if ctx.Err() != nil {
				err = ctx.Err()
			}
			return nil, nil, err
		}
		l.leaving = rep.Leaving
		return &rep, body, nil
	}
}

// wrong ends the line to a peer that answered what cannot be.
func (l *line) wrong(format string, args ...any) error {
	if l.losses != nil {
		l.losses[l.peer] += mostLosses
	}
	return l.lost(fmt.Errorf(format+"; it is not asked again", args...))
}

// lost ends the line.
func (l *line) lost(err error) error {
	if l.losses != nil {
		l.losses[l.peer]++
	}
	l.broken = fmt.Errorf("%w: peer %s: %.300v", model.ErrLost, short(l.peer), err)
	l.stream.Reset()
	return l.broken
}
