package apart

import (
	"context"
	"errors"
	"fmt"

	"eclat/model"
)

// device implements model.Device.
type device struct {
	model.Device              // computes all else
	there        model.Device // computes the experts
	layers       int          // of that many layers of the model, the first ones
}

// New is here with the experts of the first layers, that many, on there.
func New(here, there model.Device, layers int) model.Device { return device{here, there, layers} }

// cut cuts a plan for the two.
func (d device) cut(p *model.Plan) (*model.Cut, error) {
	return p.CutExperts(func(l int) bool { return l < d.layers })
}

// Info implements model.Device: the first device's. A batch goes through both.
func (d device) Info() model.DeviceInfo {
	info, there := d.Device.Info(), d.there.Info()
	info.Chunk = min(info.Chunk, there.Chunk)
	info.Details = append(info.Details[:len(info.Details):len(info.Details)],
		model.Detail{Name: "experts apart", Value: fmt.Sprintf("of %d layers on %s", d.layers, there.ID)})
	return info
}

// Open implements model.Device.
func (d device) Open(ctx context.Context, o model.OpenOptions) (model.Backend, error) {
	here, err := d.Device.Open(ctx, o)
	if err != nil {
		return nil, err
	}
	there, err := d.there.Open(ctx, o)
	if err != nil {
		return nil, errors.Join(err, here.Close())
	}
	return &backend{Backend: here, there: there, device: d}, nil
}

// Fit implements model.Device: what the first device holds, and of the same stage what
// the second does.
func (d device) Fit(m *model.Model, r model.FitRequest) (*model.Fitting, error) {
	here := r
	here.Part = func(p *model.Plan) (*model.Plan, []*model.Plan, error) {
		c, err := d.cut(p)
		if err != nil {
			return nil, nil, err
		}
		return c.Here, plans(c, false), nil
	}
	fit, err := d.Device.Fit(m, here)
	if err != nil || fit.Layers == 0 || fit.Stage.First >= d.layers {
		return fit, err
	}
	there := r
	there.Stage, there.Pages = &fit.Stage, fit.Pages
	there.Part = func(p *model.Plan) (*model.Plan, []*model.Plan, error) {
		c, err := d.cut(p)
		if err != nil {
			return nil, nil, err
		}
		if c.Apart == nil {
			c.Apart = &model.Plan{Pools: p.Pools, Hidden: model.None, Result: model.None}
		}
		return c.Apart, plans(c, true), nil
	}
	if fit.Apart, err = d.there.Fit(m, there); err != nil {
		return nil, err
	}
	if fit.Apart.Mapped == 0 { // those layers have no experts
		fit.Apart = nil
		return fit, nil
	}
	fit.Apart.Stage = model.Stage{First: fit.Stage.First, End: min(d.layers, fit.Stage.End)}
	fit.Apart.Layers = fit.Apart.Stage.Layers()
	return fit, nil
}

// plans are those of the pieces on one side.
func plans(c *model.Cut, apart bool) (list []*model.Plan) {
	for i := range c.Pieces {
		if c.Pieces[i].Apart == apart {
			list = append(list, c.Pieces[i].Plan)
		}
	}
	return list
}
