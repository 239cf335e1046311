package peer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"eclat/loader"
	"eclat/model"
	"eclat/model/numerics"
)

// session is a coordinator's stage on a worker. The goroutine of serve owns the backend;
// another reads requests, so that a cancel is heard while one runs.
type session struct {
	w        *Worker
	stream   Stream
	frames   frames // read by listen
	promised int64
	doubt    error // why nobody is served; nil for no reason

	m        *model.Model
	own      *loader.File // of m where it is this session's alone; closed after the backend
	loaded   *model.Plan
	backend  model.Backend
	programs map[int]*program
	next     int
	tally    *tally
	asked    uint32 // the last request
	largest  int    // bytes of the largest body that may come
	limits   sync.Mutex

	timer   *timed // of a stage that is timed; nil for none
	writing turn   // frames.write, by the session and its beat
	batch   model.Batch
	out     model.Outputs
	body    []byte
}

// Bounds of what a coordinator may ask for.
const (
	mostPrograms = 256
	mostTokens   = 1 << 14 // of a program
	mostUnits    = 1 << 24 // of a pool
	mostSeqs     = 1 << 12
)

// incoming is a request with its body, or why there is none.
type incoming struct {
	req  request
	body []byte
	err  error
}

// serve answers requests until the stream ends; a nil error says that it ended well.
func (s *session) serve() (err error) {
	ctx, end := context.WithCancel(context.Background())
	defer end()
	requests := make(chan incoming)
	var running canceller
	go s.listen(ctx, requests, &running)
	defer func() {
		for _, p := range s.programs {
			p.Close()
		}
		err = errors.Join(err, s.closeTimer())
		if s.backend != nil {
			err = errors.Join(err, s.backend.Close())
		}
		if s.own != nil {
			err = errors.Join(err, s.own.Close())
		}
	}()
	for {
		var in incoming
		var tooLong <-chan time.Time
		if s.backend == nil { // with a stage it may wait for as long as the connection stands
			tooLong = time.After(idle)
		}
		select {
		case in = <-requests:
		case <-tooLong:
			return fmt.Errorf("nothing was asked in %v", idle)
		}
		switch {
		case in.err == io.EOF:
			return nil
		case in.err != nil:
			return in.err
		}
		if in.req.Seq <= s.asked {
			err := fmt.Errorf("request %d after request %d: it steps backwards", in.req.Seq, s.asked)
			return errors.Join(err, s.write(&reply{Seq: in.req.Seq, Err: fail(err)}, nil))
		}
		s.asked = in.req.Seq
		doing, cancel := running.begin(ctx, in.req.Seq)
		var rep reply
		var body []byte
		done := s.beats(in.req.Seq)
		// The file is mapped: one that shrinks meanwhile is an error, not the end.
		err := loader.Guard(func() (err error) { rep, body, err = s.answer(doing, &in.req, in.body); return err })
		done()
		cancel()
		if err != nil {
			rep, body = reply{Err: fail(err)}, nil
			s.w.log(fmt.Sprintf("%s: %s: %v", short(s.stream.Peer()), in.req.Op, err))
		}
		rep.Leaving, rep.Seq = s.w.isLeaving(), in.req.Seq
		if err := s.write(&rep, body); err != nil {
			return err
		}
	}
}

// listen reads requests until the stream ends. Two bodies take turns: the one before is
// done with when the next request is taken.
func (s *session) listen(ctx context.Context, to chan<- incoming, running *canceller) {
	var bufs [2][]byte
	for turn := 0; ; {
		var in incoming
		s.limits.Lock()
		largest := s.largest
		s.limits.Unlock()
		in.body, in.err = s.frames.read(&in.req, bufs[turn], largest)
		if in.err != nil { // nobody waits for the answer any more
			running.end()
		} else if in.req.Op == opCancel {
			running.cancel(in.req.Seq)
			continue
		}
		bufs[turn] = in.body
		turn = 1 - turn
		select {
		case to <- in:
		case <-ctx.Done():
			return
		}
		if in.err != nil {
			return
		}
	}
}

// canceller ends the request that runs. A cancel may be heard before the request that it
// means has begun.
type canceller struct {
	mu   sync.Mutex
	seq  uint32 // of the request that runs
	stop context.CancelFunc
	gone uint32 // the last one cancelled
	over bool   // all that come
}

func (c *canceller) begin(ctx context.Context, seq uint32) (context.Context, context.CancelFunc) {
	c.mu.Lock()
	defer c.mu.Unlock()
	ctx, c.stop = context.WithCancel(ctx)
	if c.seq = seq; c.over || seq != 0 && seq == c.gone {
		c.stop()
	}
	return ctx, c.stop
}

func (c *canceller) cancel(seq uint32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.gone = seq; c.seq == seq && c.stop != nil {
		c.stop()
	}
}

func (c *canceller) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.over = true; c.stop != nil {
		c.stop()
	}
}

func (s *session) write(r *reply, body []byte) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	s.stream.SetWriteDeadline(time.Now().Add(30 * time.Second))
	return s.frames.write(r, body)
}

// beats says that the session goes on until done is called.
func (s *session) beats(seq uint32) (done func()) {
	end, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		t := time.NewTicker(beat)
		defer t.Stop()
		for {
			select {
			case <-t.C:
				s.write(&reply{Seq: seq, Beat: true}, nil)
			case <-end:
				return
			}
		}
	}()
	return func() { close(end); <-ended }
}

// answer does what a request asks for.
func (s *session) answer(ctx context.Context, r *request, body []byte) (rep reply, out []byte, err error) {
	if s.m == nil && r.Op != opHello && r.Op != opPrepare && r.Op != opStatus {
		return rep, nil, errors.New("hello comes first")
	}
	if s.backend == nil {
		switch r.Op {
		case opHello, opPrepare, opFit, opLoad, opRates, opEcho, opTime, opStatus, opGather:
		default:
			return rep, nil, fmt.Errorf("%.20q before a stage is loaded", r.Op)
		}
	}
	if r.Op != opTime {
		if err := s.closeTimer(); err != nil {
			return rep, nil, err
		}
	}
	format, err := formatOf(r.Rows)
	if err != nil {
		return rep, nil, err
	}
	switch r.Op {
	case opHello:
		rep.Rows = formatName(format)
		rep.Hello, err = s.hello(r.Hello)
	case opPrepare:
		err = s.w.Stock.prepare(ctx, r.Prepare, s.stream.Peer())
	case opFit:
		rep.Fit, err = s.fit(r.Fit)
	case opRates:
		rep.Rates = &rates{}
		rep.Rates.Copy, _ = s.w.Device.CopyRate()
		rep.Rates.Read, _ = s.w.Device.ReadRate()
	case opEcho:
		out = body
	case opTime:
		rep.Token, out, err = s.time(ctx, r.Time, format)
	case opStatus:
		rep.Status = s.w.status()
	case opGather:
		err = s.fetch(ctx, r.Load)
	case opLoad:
		rep.Load, err = s.load(ctx, r.Load)
	case opCompile:
		rep.Program, err = s.compile(r.Compile, format)
	case opDrop:
		if p := s.programs[r.Program]; p != nil {
			delete(s.programs, r.Program)
			err = p.Close()
		}
	case opRun:
		if rep.Tokens, out, err = s.run(ctx, r, body); err == nil && s.tally.ran(s.batch.Size(s.programs[r.Program].plan).Tokens, body, out) {
			rep.Receipt, err = s.tally.receipt(s.w.Sign)
		}
	case opRead:
		out, err = s.read(r)
	case opCopy, opSave, opRestore:
		out, err = s.unit(ctx, r, body)
	default:
		err = fmt.Errorf("%.40q is nothing that this worker can do", r.Op)
	}
	return rep, out, err
}

func (s *session) hello(h *hello) (*welcome, error) {
	switch {
	case h == nil:
		return nil, errors.New("a hello without anything in it")
	case h.Numbers != numerics.Version:
		return nil, fmt.Errorf("the definition of numbers is %d here and %d there: both sides need the same release", numerics.Version, h.Numbers)
	}
	if s.w.isLeaving() {
		return nil, errLeaving
	}
	if s.doubt != nil {
		return nil, s.doubt
	}
	w := &welcome{hello{Numbers: numerics.Version}, whoIs(s.w.Device.Info())}
	if h.Model == "" {
		return w, nil
	}
	var err error
	s.m, err = s.w.find(h.Model)
	return w, err
}

// checkRoom bounds what a stage is asked to hold.
func checkRoom(m *model.Model, st model.Stage, room model.Room, programs []model.FitProgram) error {
	switch {
	case st.First < 0 || st.End < st.First || st.End > m.Config.NLayer:
		return fmt.Errorf("layers %d to %d of %d", st.First, st.End, m.Config.NLayer)
	case st.Embed && st.First != 0, st.Head && st.End != m.Config.NLayer, st.First == st.End && !st.Head && !st.Embed:
		return errors.New("a stage that is none")
	case room.Pages < 0 || room.Pages > mostUnits || room.Seqs < 0 || room.Seqs > mostSeqs || room.Chunk < 0 || room.Chunk > mostTokens:
		return fmt.Errorf("room for %d pages, %d sequences, chunks of %d", room.Pages, room.Seqs, room.Chunk)
	case len(programs) > mostPrograms:
		return fmt.Errorf("%d programs", len(programs))
	}
	for _, p := range programs {
		if err := checkSize(p.Size); err != nil {
			return err
		}
	}
	return nil
}

func checkSize(s model.Size) error {
	if s.Tokens < 1 || s.Tokens > mostTokens || s.Want < 0 || s.Want > s.Tokens {
		return fmt.Errorf("a program of %d tokens, %d wanted", s.Tokens, s.Want)
	}
	return nil
}

func (s *session) fit(r *model.FitRequest) (*model.Fitting, error) {
	if r == nil {
		return nil, errors.New("nothing to fit")
	}
	st := s.m.Whole()
	if r.Stage != nil {
		st = *r.Stage
	}
	room := r.Room
	room.Pages = r.Pages
	if err := checkRoom(s.m, st, room, r.Programs); err != nil {
		return nil, err
	}
	if r.Max < 0 || r.Max > mostUnits || r.Layers > s.m.Config.NLayer {
		return nil, fmt.Errorf("%d layers with up to %d pages", r.Layers, r.Max)
	}
	return s.w.promise(nil, s.m, *r)
}

func (s *session) load(ctx context.Context, l *load) (*loaded, error) {
	switch {
	case l == nil:
		return nil, errors.New("nothing to load")
	case s.backend != nil:
		return nil, errors.New("a stage is loaded already")
	case len(l.Nonce) > mostNonce:
		return nil, fmt.Errorf("a nonce of %d bytes", len(l.Nonce))
	}
	if err := checkRoom(s.m, l.Stage, l.Room, l.Programs); err != nil {
		return nil, err
	}
	st := l.Stage
	st.Sample = st.Head
	if _, err := s.w.promise(s, s.m, model.FitRequest{Stage: &st, Pages: l.Room.Pages, Room: l.Room, Programs: l.Programs}); err != nil {
		return nil, err
	}
	progress := s.progress()
	if err := s.gather(ctx, l, progress); err != nil {
		return nil, err
	}
	p, err := s.m.Plan(l.Stage, l.Room)
	if err != nil {
		return nil, err
	}
	if sum, err := planSum(p); err != nil || sum != l.Plan {
		return nil, fmt.Errorf("the plan of the stage is another one here: both sides need the same release (%v)", err)
	}
	out := &loaded{}
	if out.Weights, err = weightsSum(s.m.File, p); err != nil {
		return nil, err
	}
	b, err := s.w.Device.Open(ctx, model.OpenOptions{Progress: progress, Warn: s.w.log})
	if err != nil {
		return nil, err
	}
	if err := b.Load(ctx, s.m.File, p); err != nil {
		return nil, errors.Join(err, b.Close())
	}
	s.backend, s.loaded, s.programs, s.tally = b, p, map[int]*program{}, newTally(l.Plan, l.Nonce)
	body := l.Room.Chunk * p.Width() * 4
	for pool := range p.Pools {
		n := b.Pages().UnitBytes(pool)
		out.Units = append(out.Units, n)
		body = max(body, n)
	}
	s.limits.Lock()
	s.largest = max(mostEcho, min(body, mostBody))
	s.limits.Unlock()
	out.Held = b.Info().Held
	s.w.log(fmt.Sprintf("%s: layers %d–%d of %.60q", short(s.stream.Peer()), l.Stage.First, l.Stage.End-1, s.m.Config.Name))
	return out, nil
}

// progress tells the coordinator how far something is, now and then.
func (s *session) progress() func(what string, done, total int64) {
	last := time.Now()
	return func(what string, done, total int64) {
		if time.Since(last) > beat/4 {
			last = time.Now()
			s.write(&reply{Seq: s.asked, Beat: true, What: what, Done: done, Total: total}, nil)
		}
	}
}

// gather makes the model one of this session alone where it comes from fragments, which
// are fetched.
func (s *session) gather(ctx context.Context, l *load, progress func(what string, done, total int64)) error {
	known := s.w.Stock.of(func(o *stocked) bool { return o.m == s.m })
	if known == nil {
		return nil
	}
	m, err := s.w.Stock.gather(ctx, known, l.Stage, l.Room, s.stream.Peer(), func(done, total int64) { progress("fragments", done, total) })
	if err == nil {
		s.m, s.own = m, m.File
	}
	return err
}
