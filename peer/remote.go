package peer

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"eclat/model"
	"eclat/model/numerics"
)

// Device is a worker as a device: model.Device.
type Device struct {
	Net    Network
	Verify func(peer string, text, sig []byte) bool // whether a peer's key signed a text; nil where that cannot be known
	Peers  []string                                 // the worker, and those that take its place where it is lost, in order

	Manifest string // the id of the model's manifest, for a worker that has not got the model; "" for none

	More func() []string // workers that may have come since; may be nil

	info  model.DeviceInfo
	at    int // which of Peers is it now
	model string
	fit   []model.FitProgram

	Preload bool // the peer that would take the place holds the stage too

	losses map[string]int // of each of Peers
	spare  *backend       // that peer's, loaded; nil for none
}

// mostLosses is how often a peer may be lost before it is not asked any more. One that
// answers what cannot be is not asked again.
const mostLosses = 3

// Find asks a worker who it is. Peers that come after it are its stand-ins.
func Find(ctx context.Context, d Device) (*Device, error) {
	if len(d.Peers) == 0 {
		return nil, errors.New("peer: no peer")
	}
	l, err := d.dial(ctx, d.Peers[0], "")
	if err != nil {
		return nil, err
	}
	defer l.stream.Close()
	d.info, d.losses = l.device, map[string]int{}
	return &d, nil
}

// Info implements model.Device.
func (d *Device) Info() model.DeviceInfo {
	info := d.info
	info.ID = idOf(d.Peers[d.at])
	info.Memory = max(info.Memory, 1) // not this machine's
	info.Variants = nil
	return info
}

// idOf is the id of a peer as a device.
func idOf(peer string) string { return "peer:" + short(peer) }

// line is a stream to a worker with one request on it at a time.
type line struct {
	peer    string
	stream  Stream
	frames  frames
	device  model.DeviceInfo
	writing sync.Mutex // of a request, and of a cancel beside it
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
	l := &line{peer: peer, stream: s, losses: d.losses}
	moves := &alive{s: s}
	l.frames.rw, l.frames.began = moves, moves.began
	rep, _, err := l.ask(ctx, &request{Op: opHello, Hello: &hello{numerics.Version, sum}}, nil, 0, nil)
	if errors.Is(err, errNoModel) && d.Manifest != "" { // it fetches the header, which may take a while
		if _, _, err = l.ask(long, &request{Op: opPrepare, Prepare: d.Manifest}, nil, 0, nil); err == nil {
			rep, _, err = l.ask(long, &request{Op: opHello, Hello: &hello{numerics.Version, sum}}, nil, 0, nil)
		}
	}
	switch {
	case err != nil:
	case rep.Hello == nil || rep.Hello.Numbers != numerics.Version:
		err = fmt.Errorf("peer %s: it says no hello of the same definition of numbers", short(peer))
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

// Open implements model.Device: where the worker cannot be reached the next of Peers is
// asked. The model is known at Load.
func (d *Device) Open(ctx context.Context, o model.OpenOptions) (model.Backend, error) {
	if d.model == "" {
		return nil, errors.New("peer: Open before Fit, which says of which model")
	}
	if d.losses[d.Peers[d.at]] > 0 {
		d.more()
	}
	var all error
	if b := d.takeSpare(ctx, o); b != nil {
		if o.Warn != nil {
			o.Warn(fmt.Sprintf("peer %s takes the place of %s", short(d.Peers[b.at]), short(d.Peers[d.at])))
		}
		d.at, d.info = b.at, b.line.device
		return b, nil
	}
	for _, at := range d.inOrder() {
		if slices.Contains(o.Except, idOf(d.Peers[at])) {
			all = errors.Join(all, fmt.Errorf("%w: peer %s may not be used for this", model.ErrLost, short(d.Peers[at])))
			continue
		}
		if n := d.losses[d.Peers[at]]; n >= mostLosses {
			all = errors.Join(all, fmt.Errorf("%w: peer %s: lost %d times", model.ErrLost, short(d.Peers[at]), n))
			continue
		}
		l, err := d.dial(ctx, d.Peers[at], d.model)
		if err != nil {
			all = errors.Join(all, err)
			continue
		}
		if at != d.at && o.Warn != nil {
			o.Warn(fmt.Sprintf("peer %s takes the place of %s", short(d.Peers[at]), short(d.Peers[d.at])))
		}
		d.at, d.info = at, l.device
		return &backend{d: d, line: l, o: o}, nil
	}
	return nil, all
}

// inOrder are the places of Peers from the present one on, those first that were lost less
// often: one that has just been lost, as by a cut cable, would only cost its silence again.
func (d *Device) inOrder() (all []int) {
	for i := range d.Peers {
		all = append(all, (d.at+i)%len(d.Peers))
	}
	slices.SortStableFunc(all, func(a, b int) int { return cmp.Compare(d.losses[d.Peers[a]], d.losses[d.Peers[b]]) })
	return all
}

// Fit implements model.Device: the worker says what it has room for.
func (d *Device) Fit(m *model.Model, r model.FitRequest) (*model.Fitting, error) {
	sum, err := ModelSum(m)
	if err != nil {
		return nil, err
	}
	l, err := d.dial(context.Background(), d.Peers[d.at], sum)
	if err != nil {
		return nil, err
	}
	defer l.stream.Close()
	d.model, d.fit = sum, r.Programs
	r.Host = 0
	rep, _, err := l.ask(context.Background(), &request{Op: opFit, Fit: &r}, nil, 0, nil)
	if err != nil {
		return nil, err
	}
	f := rep.Fit
	if f == nil || f.Layers < 0 || f.Layers > m.Config.NLayer || f.Pages < 0 || f.Stage.First < 0 || f.Stage.End < f.Stage.First || f.Stage.End > m.Config.NLayer {
		return nil, fmt.Errorf("peer %s: it fits what cannot be", short(d.Peers[d.at]))
	}
	f.Why = shorten(f.Why)
	return f, nil
}

// CopyRate implements model.Device.
func (d *Device) CopyRate() (float64, error) { r, err := d.rates(); return r.Copy, err }

// ReadRate implements model.Device.
func (d *Device) ReadRate() (float64, error) { r, err := d.rates(); return r.Read, err }

func (d *Device) rates() (rates, error) {
	l, err := d.dial(context.Background(), d.Peers[d.at], d.model)
	if err != nil {
		return rates{}, err
	}
	defer l.stream.Close()
	rep, _, err := l.ask(context.Background(), &request{Op: opRates}, nil, 0, nil)
	if err != nil || rep.Rates == nil {
		return rates{}, err
	}
	return *rep.Rates, nil
}

// backend is a stage on a worker: model.Backend.
type backend struct {
	d      *Device
	line   *line
	o      model.OpenOptions
	loaded *loaded
	plan   string // planSum of what is loaded
	ready  bool   // it is loaded already, and Load only looks
	at     int    // which of Peers, of one that waits
	tally  *tally
	last   Receipt // the worker's
	body   []byte
}

// Load implements model.Backend. The worker takes the weights from its own file; w is
// looked at where the bytes are there, to see that they are the same ones.
func (b *backend) Load(ctx context.Context, w model.Weights, p *model.Plan) error {
	if b.ready {
		b.ready = false
		if sum, err := planSum(p); err != nil || sum != b.plan {
			return b.line.lost(fmt.Errorf("it holds another stage (%v)", err))
		}
		return nil
	}
	if err := b.load(ctx, w, p); err != nil {
		return err
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
	rep, _, err := b.line.ask(context.Background(), &request{Op: opCompile, Compile: &compile{p.Samples(), o}}, nil, 0, b.o.Progress)
	if err != nil {
		return nil, err
	}
	return &remoteProgram{b: b, id: rep.Program, plan: p, size: o.Size}, nil
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
}

// Run implements model.Program.
func (p *remoteProgram) Run(ctx context.Context, b *model.Batch, out *model.Outputs) error {
	if err := b.Check(p.plan, p.size); err != nil {
		return err
	}
	if p.b.line.leaving && p.b.d.standsIn() {
		return p.b.line.left()
	}
	p.b.body = appendRows(p.b.body[:0], b.Rows)
	answer := p.plan.Answer()
	want := p.plan.Rows(answer, b.Size(p.plan)) * p.plan.Tensors[answer].Cols
	tokens := 0
	if p.plan.Samples() {
		tokens = len(b.Want)
		if !b.LogitsWanted() {
			want = 0
		}
	}
	req := &request{Op: opRun, Program: p.id, Run: &run{b.Tokens, b.Pos, b.Seqs, b.Want, b.How}}
	rep, body, err := p.b.line.ask(ctx, req, p.b.body, 4*want, nil)
	if err != nil {
		return err
	}
	if len(body) != 4*want || len(rep.Tokens) != tokens {
		return p.b.line.wrong("%d bytes and %d tokens, where %d and %d were due", len(body), len(rep.Tokens), 4*want, tokens)
	}
	for _, id := range rep.Tokens {
		if id < -1 || int(id) >= p.plan.Tensors[answer].Cols {
			return p.b.line.wrong("token %d, where there are %d", id, p.plan.Tensors[answer].Cols)
		}
	}
	if p.b.tally.ran(b.Size(p.plan).Tokens, p.b.body, body) {
		if err := p.b.tally.check(rep.Receipt, p.b.line.peer, p.b.d.Verify); err != nil {
			return p.b.line.wrong("%w", err)
		}
		p.b.last = *rep.Receipt
	}
	p.rows, _ = rowsOf(p.rows, body)
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
	rows, err := rowsOf(nil, body)
	return copy(dst, rows), err
}

// Close implements model.Program.
func (p *remoteProgram) Close() error {
	if p.b.line.broken != nil {
		return nil
	}
	_, _, err := p.b.line.ask(context.Background(), &request{Op: opDrop, Program: p.id}, nil, 0, nil)
	return err
}
