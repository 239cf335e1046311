package cpu

import (
	"context"

	"eclat/cpu/host"
	"eclat/cpu/kernel"
	"eclat/loader/quant"
	"eclat/model"
	"eclat/model/sample"
)

// device implements model.Device.
type device struct{ threads int }

// Devices lists the processor, with a number of threads; 0 for one a core.
func Devices(threads int) []model.Device { return []model.Device{device{host.Threads(threads)}} }

func (d device) Info() model.DeviceInfo {
	info := model.DeviceInfo{
		ID: "cpu", Backend: "CPU", Name: host.Processor(), Kind: model.Processor,
		Threads: d.threads, Kernels: kernel.Describe(), Chunk: host.Chunk, Types: quant.Decodable(),
	}
	for op := range kernels {
		if kernels[op].part != nil {
			info.Ops = append(info.Ops, model.Op(op))
		}
	}
	return info
}

// Open makes a backend; o.Threads, where it says any, goes before the device's.
func (d device) Open(ctx context.Context, o model.OpenOptions) (model.Backend, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if o.Threads > 0 {
		d.threads = o.Threads
	}
	form, err := kernel.Pick()
	if err != nil {
		return nil, err
	}
	return &Backend{
		info: d.Info(), progress: o.Progress, pool: newPool(d.threads), form: form,
		scratch: make([]worked, d.threads), samplers: make([]sample.Sampler, d.threads),
	}, nil
}

func (d device) Fit(m *model.Model, r model.FitRequest) (*model.Fitting, error) {
	work := func(programs []model.Planned) int64 { return workBytes(programs, d.threads) }
	return host.Fit(m, r, work, vectorBytes)
}

// workBytes is what all programs take, and the workers' own memory.
func workBytes(programs []model.Planned, threads int) (n int64) {
	var need kernel.Need
	input, vocab := 0, 0
	for _, p := range programs {
		l := layoutOf(p.Plan, p.CompileOptions)
		n += l.bytes()
		need, input, vocab = need.Max(l.need), max(input, l.input), max(vocab, l.vocab)
	}
	return n + 4*int64(input) + int64(threads)*(4*int64(floats(need))+sample.CandidateBytes*int64(vocab))
}

func (d device) CopyRate() (float64, error) { return host.CopyRate(d.threads) }

// ReadRate implements model.Device.
func (d device) ReadRate() (float64, error) { return host.ReadRate(d.threads) }
