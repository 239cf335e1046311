package engine

import (
	"context"
	"errors"
	"slices"
	"testing"

	"eclat/loader"
	"eclat/model"
	"eclat/testdata"
)

// gauged is a device with so much memory, which notes what it plans and whether it
// is opened.
type gauged struct {
	model.Device
	host   int64 // 0 for what the system has
	fit    *model.Fitting
	opened bool
}

func (d *gauged) Fit(m *model.Model, r model.FitRequest) (fit *model.Fitting, err error) {
	if d.host > 0 {
		r.Host = d.host
	}
	fit, err = d.Device.Fit(m, r)
	d.fit = fit
	return fit, err
}

func (d *gauged) Open(ctx context.Context, o model.OpenOptions) (model.Backend, error) {
	d.opened = true
	return d.Device.Open(ctx, o)
}

func (d *gauged) need() int64 { return d.fit.Weights + d.fit.Memory + d.fit.Work }

// probes are of compare and of bench --kernels.
var probes = map[string]ProbeOptions{
	"trace":   {Tokens: 20, Trace: true},
	"profile": {Tokens: 1, Profile: true},
}

// openGauged opens the built-in model, layers of it on the first device, with a probe
// planned where o says one.
func openGauged(o ProbeOptions, layers string, devices ...*gauged) (*Engine, error) {
	f, err := loader.FromBytes(testdata.ModelName, testdata.Model)
	if err != nil {
		return nil, err
	}
	var list []model.Device
	for _, d := range devices {
		list = append(list, d)
	}
	info := list[0].Info()
	return Open(context.Background(), f, Options{
		Device: info.ID, GPULayers: layers, Context: 64, devices: list,
		Embeddings: true, Probe: func(e *Engine) (ProbeOptions, error) {
			if e.Model == nil || e.Tokenizer == nil || e.Chunk == 0 {
				return o, errors.New("asked too early")
			}
			return o, nil
		},
	})
}

// TestProbeIsPlanned: with every program that may be compiled, those for embeddings among
// them, and a probe, the devices hold what was planned, within 2 %.
func TestProbeIsPlanned(t *testing.T) {
	list, missing := Devices(2)
	if missing != nil {
		t.Log("no GPUs:", missing)
	}
	processor := list[slices.IndexFunc(list, func(d model.Device) bool { info := d.Info(); return info.Kind == model.Processor })]
	for _, d := range list {
		info := d.Info()
		for name, o := range probes {
			plannedIsHeld(t, name, o, "all", &gauged{Device: d})
			if info.GPU() {
				plannedIsHeld(t, name, o, "2", &gauged{Device: d}, &gauged{Device: processor})
			}
		}
	}
}

func plannedIsHeld(t *testing.T, name string, o ProbeOptions, layers string, devices ...*gauged) {
	e, err := openGauged(o, layers, devices...)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	if _, err := e.NewProbe(context.Background(), o); err != nil {
		t.Error(err)
	}
	err = e.do(context.Background(), func() error {
		c := &e.owner.chain
		for i := range c.links {
			l := &c.links[i]
			for n := 1; n <= e.Chunk; n++ {
				for _, s := range []ofSize{e.sizeFor(n), e.sizeFor(n).embedded()} {
					if _, err := c.program(l, s); err != nil {
						return err
					}
				}
			}
			info, need := l.backend.Info(), l.device.(*gauged).need()
			if off := info.Held - need; off > info.Held/50 || off < -info.Held/50 {
				t.Errorf("%s, %s layers: %d bytes were planned on %s, %d are held", name, layers, need, info.ID, info.Held)
			}
		}
		if len(c.links) != len(devices) {
			t.Errorf("%d links of %d devices", len(c.links), len(devices))
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// TestProbeDoesNotFit: where a probe's memory is missing the engine does not open, and
// no device is; without the probe it does.
func TestProbeDoesNotFit(t *testing.T) {
	list, _ := Devices(2)
	for _, d := range list {
		info := d.Info()
		if info.GPU() && info.Kind != model.Software { // whose memory is not the processor's
			continue
		}
		for name, o := range probes {
			with, without := &gauged{Device: d}, &gauged{Device: d}
			for m, o := range map[*gauged]ProbeOptions{with: o, without: {}} {
				e, err := openGauged(o, "all", m)
				if err != nil {
					t.Fatal(err)
				}
				e.Close()
			}
			if with.need() <= without.need() {
				t.Errorf("%s of %s: %d bytes with the probe, %d without", name, info.ID, with.need(), without.need())
			}
			// A tenth of what there is is left to others, and a GPU's driver has its reserve.
			reserve := int64(0)
			if info.GPU() {
				reserve = 128 << 20
			}
			between := ((with.need()+without.need())/2 + reserve) * 10 / 9
			e, err := openGauged(ProbeOptions{}, "all", &gauged{Device: d, host: between})
			if err != nil {
				t.Fatal(err)
			}
			e.Close()
			short := &gauged{Device: d, host: between}
			if e, err := openGauged(o, "all", short); !errors.Is(err, ErrMemory) || short.opened {
				t.Errorf("%s of %s: %v, opened: %t", name, info.ID, err, short.opened)
				if err == nil {
					e.Close()
				}
			}
		}
	}
}
