package ref

import (
	"context"

	"eclat/cpu/host"
	"eclat/loader/quant"
	"eclat/model"
)

// device implements model.Device.
type device struct{}

// Device returns the reference as a device.
func Device() model.Device { return device{} }

func (device) Info() model.DeviceInfo {
	info := model.DeviceInfo{
		ID: "ref", Backend: "ref", Name: host.Processor(), Kind: model.Reference,
		Threads: 1, Chunk: host.Chunk, Types: quant.Decodable(),
	}
	for op, f := range ops {
		if f != nil {
			info.Ops = append(info.Ops, model.Op(op))
		}
	}
	return info
}

func (d device) Open(ctx context.Context, o model.OpenOptions) (model.Backend, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return &Backend{info: d.Info(), progress: o.Progress}, nil
}

func (device) Fit(m *model.Model, r model.FitRequest) (*model.Fitting, error) {
	work := func(programs []model.Planned) (n int64) {
		for _, p := range programs {
			n += sizesOf(p.Plan, p.Size).bytes()
		}
		return n
	}
	return host.Fit(m, r, work, func(*model.Plan) int64 { return 0 })
}

func (device) CopyRate() (float64, error) { return host.CopyRate(1) }

// ReadRate implements model.Device.
func (device) ReadRate() (float64, error) { return host.ReadRate(1) }
