package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"eclat/model"
	"eclat/model/rows"
	"eclat/model/stagetime"
	"eclat/peer/place"
)

// Floor is how many tokens a second a placement on several machines must be predicted to
// give, unless it was asked for.
const Floor = 3

// placeOnPeers deals the model's layers out to this machine's device and to other
// machines after it. The embedding, the first layers and, after the last machine, the norm
// and the output matrix stay here, with Options.Pin the last layers too: others see rows of
// activations, never a token. r is what each is asked to hold, but for the stage.
func (e *Engine) placeOnPeers(ctx context.Context, own model.Device, r model.FitRequest) ([]link, error) {
	o, n := &e.options, e.Model.Config.NLayer
	devices := append([]model.Device{own}, o.Peers...)
	if apart, err := parseLayers(o.CPUMoE); err != nil {
		return nil, err
	} else if apart != 0 && apart != model.AutoLayers {
		return nil, fmt.Errorf("engine: experts on the processor do not go with other machines")
	}
	p, err := e.deal(ctx, devices, r)
	if err != nil {
		return nil, err
	}
	var links []link
	var notice strings.Builder
	pages := 0
	host := r.Host // main memory that is left, with what was fitted here
	fitHere := func(r model.FitRequest) (*model.Fitting, error) {
		r.Host = host
		fit, err := e.fit(own, r)
		if ownInfo := own.Info(); err == nil && !ownInfo.GPU() && host > 0 && r.Pages > 0 { // without pages it is half of what there is
			host = max(1, host-fit.Weights-fit.Memory-fit.Work)
		}
		return fit, err
	}
	put := func(peer int, d model.Device, st model.Stage, check *second) error {
		info := d.Info()
		r := r
		r.Stage = &st
		var fit *model.Fitting
		var err error
		if d == own {
			fit, err = fitHere(r)
		} else {
			fit, err = e.fit(d, r)
		}
		if err != nil {
			return fmt.Errorf("layers %d–%d on %s: %w", st.First, st.End-1, info.ID, err)
		}
		if pages == 0 || fit.Pages < pages {
			pages = fit.Pages
		}
		if check != nil {
			var err error
			if other := check.device.Info(); !check.own && other.Rows != info.Rows {
				return fmt.Errorf("engine: rows travel as %v to %s and as %v to %s, which checks it", info.Rows, info.ID, other.Rows, other.ID)
			}
			if check.own {
				_, err = fitHere(r)
			} else {
				_, err = e.fit(check.device, r)
			}
			if err != nil {
				return fmt.Errorf("a second copy of layers %d–%d: %w", st.First, st.End-1, err)
			}
		}
		fit.Stage = st
		if st.Layers() > 0 {
			e.fitLines(&notice, fit, info)
		}
		links = append(links, link{stage: st, device: d, fit: fit, rows: info.Rows, peer: peer, remote: d != own, check: check})
		return nil
	}
	for i, d := range devices {
		st := model.Stage{First: p.First[i], End: p.End[i], Embed: i == 0}
		if st.Layers() == 0 && i > 0 {
			continue
		}
		var check *second
		if i > 0 {
			check = o.second(i-1, own)
		}
		if err := put(i, d, st, check); err != nil {
			return nil, err
		}
	}
	if err := put(0, own, model.Stage{First: n - p.Back, End: n, Head: true}, nil); err != nil {
		return nil, err
	}
	if e.Context < 0 {
		e.Context = pages * model.PageLen
	}
	e.where.Store(&where{describeLinks(links), p})
	e.tellRows(&notice, links)
	o.notice(strings.TrimRight(notice.String(), "\n"))
	return links, nil
}

// tellRows adds what a format of rows does to a placement, where they are rounded.
func (e *Engine) tellRows(b *strings.Builder, links []link) {
	for i := range links {
		if f, cols := links[i].rows, e.Model.Config.NEmbd; f != rows.F32 {
			fmt.Fprintf(b, "rows travel as %v, %d bytes for a token in the place of %d: the bits are those of these layers on so many machines in this format, not those of one machine\n", f, f.Bytes(cols), rows.F32.Bytes(cols))
			return
		}
	}
}

// deal says which layers each device gets, home first.
func (e *Engine) deal(ctx context.Context, devices []model.Device, r model.FitRequest) (*place.Placement, error) {
	o, n := &e.options, e.Model.Config.NLayer
	if o.Layers != nil {
		sum := 0
		for _, l := range o.Layers {
			if l < 0 {
				return nil, fmt.Errorf("engine: %d layers", l)
			}
			sum += l
		}
		if len(o.Layers) != len(devices) || sum != n {
			return nil, fmt.Errorf("engine: %v layers are not those of %d machines, %d in all", o.Layers, len(devices), n)
		}
	}
	if o.Measure == nil {
		if o.Layers == nil {
			return nil, errors.New("engine: neither the layers of each machine are given nor a way to measure them")
		}
		e.predicted = survey{machines: make([]place.Machine, len(devices)), layers: make([]place.Layer, n)}
		return place.Given(e.predicted.machines, e.predicted.layers, o.Layers, 0, place.Options{}), nil
	}
	s, err := e.survey(ctx, devices, r)
	if err != nil {
		return nil, err
	}
	e.predicted = *s
	if o.Layers != nil {
		p := place.Given(s.machines, s.layers, o.Layers, 0, s.options)
		s.tell(p, o)
		return p, nil
	}
	p, err := place.Choose(s.machines, s.layers, s.options)
	if errors.Is(err, place.ErrRoom) {
		return nil, fmt.Errorf("%w: %w", ErrMemory, err)
	}
	if err != nil {
		return nil, fmt.Errorf("engine: %w", err)
	}
	s.tell(p, o)
	if p.Rate() < Floor && p.Hops > 0 && !o.AnySpeed {
		return nil, fmt.Errorf("%w: about %.2g tokens/s, where %d are the least", ErrSlow, p.Rate(), Floor)
	}
	return p, nil
}

// survey is what was measured of machines and layers.
type survey struct {
	machines []place.Machine
	layers   []place.Layer
	options  place.Options
	far      []place.Far // of each machine
	full     []error     // why it has no room; nil where it has
}

// survey measures one layer on every machine and the ways to them, all at once.
func (e *Engine) survey(ctx context.Context, devices []model.Device, r model.FitRequest) (*survey, error) {
	o, m, n := &e.options, e.Model, e.Model.Config.NLayer
	s := &survey{machines: make([]place.Machine, len(devices)), far: make([]place.Far, len(devices)), full: make([]error, len(devices)), options: place.Options{Pin: o.Pin, Floor: Floor}}
	var read []float64
	for i := range n {
		p, err := m.Describe(model.Stage{First: i, End: i + 1}, e.room(max(1, r.Pages)))
		if err != nil {
			return nil, err
		}
		l, bytes := place.Layer{Bytes: p.MemoryBytes()}, 0.
		for _, t := range p.Weights() {
			size, _ := t.Type.RowBytes(uint64(t.Rows) * uint64(t.Cols))
			l.Bytes += int64(size)
		}
		for j := range p.Steps {
			d := describe(m.File, p, 0, j)
			bytes += float64(d.Fixed + d.Row)
		}
		s.layers, read = append(s.layers, l), append(read, max(1, bytes))
	}
	timed := n / 2
	for i := range s.layers {
		s.layers[i].Weight = read[i] / read[timed]
	}
	st, head := model.Stage{First: timed, End: timed + 1}, model.Stage{First: n, End: n, Head: true}
	errs := make([]error, len(devices))
	var all sync.WaitGroup
	for i, d := range devices {
		all.Go(func() { errs[i] = e.measure(ctx, s, i, d, st, r) })
	}
	all.Wait()
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	after, err := stagetime.Token(ctx, devices[0], o.openOptions(), m, head)
	if err != nil {
		return nil, err
	}
	s.options.After = after
	return s, nil
}

// measure asks one machine how fast it is and how much it holds.
func (e *Engine) measure(ctx context.Context, s *survey, i int, d model.Device, st model.Stage, r model.FitRequest) (err error) {
	info := d.Info()
	none := func(err error) error { // it gets no layers, others may
		s.machines[i] = place.Machine{Name: info.Describe(), Layer: s.far[i].Token, Hop: s.far[i].Hop, Room: 1}
		s.full[i] = err
		return nil
	}
	if i == 0 {
		s.far[i].Token, err = stagetime.Token(ctx, d, e.options.openOptions(), e.Model, st)
	} else {
		s.far[i], err = e.options.Measure(ctx, i-1, e.Model, st)
	}
	if errors.Is(err, ErrMemory) {
		return none(err)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", info.ID, err)
	}
	r.Stage = &st
	if r.Pages == 0 {
		r.Pages = 1
	}
	fit, err := e.fit(d, r)
	if errors.Is(err, ErrMemory) {
		return none(err)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", info.ID, err)
	}
	room := fit.Available
	if room > 0 {
		room = max(1, room-fit.Work)
		if i == 0 {
			room = max(1, room-e.endBytes())
		}
	}
	s.machines[i] = place.Machine{Name: info.Describe(), Layer: s.far[i].Token, Hop: s.far[i].Hop, Room: room}
	return nil
}

// endBytes are the weights that stay at home whatever is placed: embedding, last norm and
// output matrix.
func (e *Engine) endBytes() (n int64) {
	for _, st := range []model.Stage{{Embed: true}, {First: e.Model.Config.NLayer, End: e.Model.Config.NLayer, Head: true}} {
		n += stagetime.Bytes(e.Model, st)
	}
	return n
}

// tell prints a placement: which layers where, how fast that is, and why.
func (s *survey) tell(p *place.Placement, o *Options) {
	var b strings.Builder
	fmt.Fprintf(&b, "placement: about %.3g tokens/s, %s; %s\n", p.Rate(), count(p.Hops, "round trip")+" a token", p.Why)
	for i, m := range s.machines {
		layers := "no layers"
		if p.End[i] > p.First[i] {
			layers = fmt.Sprintf("layers %d–%d", p.First[i], p.End[i]-1)
		}
		if i == 0 && p.Back > 0 {
			layers += fmt.Sprintf(" and %d–%d", len(s.layers)-p.Back, len(s.layers)-1)
		}
		fmt.Fprintf(&b, "  %-40s %-24s %8.3f ms a layer", m.Name, layers, m.Layer.Seconds()*1e3)
		if i > 0 {
			fmt.Fprintf(&b, ", %.2f ms there and back, %.0f Mbit/s", m.Hop.Seconds()*1e3, s.far[i].Rate*8/1e6)
		}
		switch {
		case s.full[i] != nil:
			fmt.Fprintf(&b, ", no room: %v", s.full[i])
		case m.Room > 0:
			fmt.Fprintf(&b, ", room for %d MiB", m.Room>>20)
		}
		b.WriteByte('\n')
	}
	fmt.Fprintf(&b, "  then the output matrix here: %.3f ms", s.options.After.Seconds()*1e3)
	o.notice(b.String())
}

// count is a number of things.
func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// Home stands in Options.Checks for this machine's own device.
var Home model.Device = home{}

type home struct{ model.Device }

// second is what checks a peer; nil for nothing.
func (o *Options) second(peer int, own model.Device) *second {
	if peer >= len(o.Checks) || o.Checks[peer] == nil {
		return nil
	}
	if o.Checks[peer] == Home {
		return &second{link: link{device: own}, own: true}
	}
	return &second{link: link{device: o.Checks[peer]}}
}

// gather brings what machines lack of their stages, to all of them at once.
func (e *Engine) gather(ctx context.Context) error {
	o, c := &e.options, &e.owner.chain
	errs := make([]error, len(c.links))
	var all sync.WaitGroup
	for i := range c.links {
		l := &c.links[i]
		if peer := slices.Index(o.Peers, l.device); l.remote && peer >= 0 && o.Gather != nil {
			all.Go(func() { errs[i] = o.Gather(ctx, peer, e.Model, l.stage, c.room) })
		}
	}
	for i := range c.links { // into one folder: one after the other
		if l := &c.links[i]; !l.remote {
			errs[i] = c.gather(ctx, l)
		}
	}
	all.Wait()
	return errors.Join(errs...)
}
