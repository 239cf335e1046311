package main

import (
	"context"
	"sync"

	"eclat/engine"
	"eclat/model"
	"eclat/serve/core"
)

// machine is what the web app's pages may ask of this machine: its devices, and models on
// one of them for a measurement.
func (f *serveFlags) machine() core.Machine {
	return core.Machine{
		Version: "eclat " + release(),
		Devices: sync.OnceValue(func() (infos []model.DeviceInfo) {
			list, _ := engine.Devices(f.threads) // no Vulkan is no failure: the processor is there
			for _, d := range list {
				infos = append(infos, d.Info())
			}
			return infos
		}),
		Open: f.openAlone,
		Backend: func(ctx context.Context, device string) (model.Backend, error) {
			b, _, err := engine.OpenDevice(ctx, engine.Options{Device: device, Threads: f.threads})
			return b, err
		},
	}
}

// openAlone opens a model on one device, as it is served but for its place and its context.
func (f *serveFlags) openAlone(ctx context.Context, _, path, device string, a core.Alone) (*engine.Engine, error) {
	var args []string
	if path != "" {
		args = append(args, path)
	}
	file, err := openFile(args)
	if err != nil {
		return nil, err
	}
	o := f.options()
	o.Device, o.RequireGPU, o.Context, o.Probe = device, false, a.Context, a.Probe
	return engine.Open(ctx, file, o)
}
