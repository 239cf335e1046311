package engine

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"eclat/cpu"
	"eclat/gpu"
	"eclat/gpu/vk"
	"eclat/model"
)

// AutoContext asks for the longest context that fits with all layers on the device.
const AutoContext = -1

// Tokens of a prompt that go through the model at once: enough to decode each
// weight once for many, few enough on a processor that progress shows.
const (
	chunkCPU = 32
	chunkGPU = 512
)

// device makes backends of one kind; a chain opens it, and opens it again after a loss.
type device struct {
	name string // for people
	gpu  bool
	open func(submit time.Duration) (model.Backend, error)
}

// cpuDevice is the threaded backend.
func cpuDevice(o *Options) device {
	threads := cpu.Threads(o.Threads)
	return device{name: fmt.Sprintf("cpu (%d threads)", threads), open: func(time.Duration) (model.Backend, error) {
		return cpu.New(cpu.Options{Threads: threads, Progress: o.Progress}), nil
	}}
}

func gpuDevice(info vk.Info, o *Options) device {
	name := fmt.Sprintf("vulkan:%d %s (%s)", info.Index, info.Name, info.Type)
	return device{name: name, gpu: true, open: func(submit time.Duration) (model.Backend, error) {
		b, err := gpu.Open(info, gpu.Options{
			Progress: o.Progress, CacheDir: cacheDir(), Warn: o.notice, SubmitTime: submit, Fault: o.gpuFault,
		})
		if err != nil {
			return nil, deviceError(err)
		}
		return b, nil
	}}
}

// cacheDir is where compiled kernels are kept, "" where the system names no place.
func cacheDir() string {
	dir, err := os.UserCacheDir()
	if err != nil {
		return ""
	}
	return filepath.Join(dir, "eclat")
}

// chooseDevice finds the device that o.Device asks for. Unless a GPU was asked
// for, a machine without one gets the processor, and is told so.
func chooseDevice(o *Options) (device, vk.Info, error) {
	switch o.Device {
	case "cpu", "ref":
		if o.RequireGPU {
			return device{}, vk.Info{}, fmt.Errorf("%w: a GPU is required, but the device is %q", ErrDevice, o.Device)
		}
		if o.Device == "cpu" {
			return cpuDevice(o), vk.Info{}, nil
		}
		return device{name: "ref (the CPU reference, one thread)", open: func(time.Duration) (model.Backend, error) {
			return cpu.NewRef(), nil
		}}, vk.Info{}, nil
	}
	info, why, err := gpu.Select(o.Device, os.Getenv("ECLAT_ALLOW_SOFTWARE") == "1")
	auto := o.Device == "" || o.Device == "auto"
	switch {
	case err == nil:
		d := gpuDevice(info, o)
		o.notice(fmt.Sprintf("device: %s, %s", d.name, why))
		return d, info, nil
	case auto && !o.RequireGPU:
		o.notice("device: the processor; " + err.Error())
		return cpuDevice(o), vk.Info{}, nil
	case !errors.Is(err, gpu.ErrNoDevice) && !errors.Is(err, vk.ErrNoVulkan):
		return device{}, vk.Info{}, err
	}
	return device{}, vk.Info{}, fmt.Errorf("%w: %w", ErrDevice, err)
}

// parseLayers reads Options.GPULayers.
func parseLayers(s string) (int, error) {
	switch s {
	case "", "auto":
		return gpu.AutoLayers, nil
	case "all":
		return gpu.AllLayers, nil
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 0 {
		return 0, fmt.Errorf("engine: %q GPU layers: give a number, auto or all", s)
	}
	return n, nil
}

// deviceError gives errors of the gpu package the engine's sentinels.
func deviceError(err error) error {
	switch {
	case errors.Is(err, vk.ErrOutOfDeviceMemory):
		return fmt.Errorf("%w: %w", ErrMemory, err)
	case errors.Is(err, vk.ErrDeviceLost):
		return fmt.Errorf("%w: %w", ErrLost, err)
	case errors.Is(err, vk.ErrNoVulkan):
		return fmt.Errorf("%w: %w", ErrDevice, err)
	}
	return err
}

// OpenBackend opens a device without a model: Load is the caller's to call.
func OpenBackend(o Options) (model.Backend, string, error) {
	d, _, err := chooseDevice(&o)
	if err != nil {
		return nil, "", err
	}
	b, err := d.open(0)
	return b, d.name, err
}

// place deals the model's layers out to devices: the links of a chain, without
// their backends, and the context there is room for.
func (e *Engine) place(o *Options) (links []link, err error) {
	d, info, err := chooseDevice(o)
	if err != nil {
		return nil, err
	}
	c := &e.Model.Config
	ctx := o.Context
	if ctx == 0 {
		ctx = min(c.NCtx, DefaultContext)
	}
	if !d.gpu {
		if ctx == AutoContext {
			ctx = c.NCtx
			if have := AvailableMemory(); have > 0 { // half, for the file's own pages want room too
				ctx = max(model.PageLen, min(ctx, int(have/2/c.PageBytes())*model.PageLen))
			}
		}
		e.Context, e.Device = ctx, d.name
		if need, have := int64(model.Pages(ctx))*c.PageBytes(), AvailableMemory(); have > 0 && need > have {
			return nil, fmt.Errorf("%w: key–value memory for %d tokens takes %d MiB, %d MiB are available; choose a smaller context (-c)",
				ErrMemory, ctx, need>>20, have>>20)
		}
		return []link{{stage: e.Model.Whole(), device: d}}, nil
	}
	layers, err := parseLayers(o.GPULayers)
	if err != nil {
		return nil, err
	}
	fit, err := gpu.Fit(info, e.Model, gpu.Want{
		Layers: layers, Ctx: max(0, ctx), Host: AvailableMemory(),
		Shapes: []gpu.Shape{{Tokens: 1, Logits: 1}, {Tokens: chunkGPU, Logits: 1}},
	})
	if err != nil {
		return nil, deviceError(err)
	}
	if o.RequireGPU && !fit.OnDevice {
		return nil, fmt.Errorf("%w: no layer fits on %s, and a GPU is required", ErrMemory, d.name)
	}
	o.notice(fit.String())
	e.Context, e.Device = fit.Ctx, d.name
	host := cpuDevice(o)
	for i, st := range fit.Stages {
		l := link{stage: st, device: host}
		if fit.OnDevice && i == len(fit.Stages)-1 {
			l.device = d
		}
		links = append(links, l)
	}
	switch {
	case !fit.OnDevice:
		e.Device = host.name + "; no layer fits on " + d.name
	case len(links) > 1:
		e.Device = fmt.Sprintf("%d layers on %s, %d on %s", fit.Layers, d.name, c.NLayer-fit.Layers, host.name)
	}
	return links, nil
}
