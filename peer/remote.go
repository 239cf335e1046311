package peer

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"eclat/model"
	"eclat/model/rows"
)

// Device is a worker as a device: model.Device.
type Device struct {
	Net    Network
	Verify func(peer string, text, sig []byte) bool // whether a peer's key signed a text; nil where that cannot be known
	Peers  []string                                 // the worker, and those that take its place where it is lost, in order

	Manifest string // the id of the model's manifest, for a worker that has not got the model; "" for none

	More func() []string // workers that may have come since; may be nil
	Rows rows.Format     // in which rows travel, to all of Peers

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
	info.Variants, info.Rows = nil, d.Rows
	return info
}

// idOf is the id of a peer as a device.
func idOf(peer string) string { return "peer:" + short(peer) }

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
		b := &backend{d: d, line: l, o: o, at: at, was: d.at}
		d.at, d.info = at, l.device
		return b, nil
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
