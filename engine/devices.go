package engine

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"eclat/cpu"
	"eclat/cpu/kernel"
	"eclat/cpu/ref"
	"eclat/gpu"
	"eclat/model"
)

// Devices lists what there is to run on: GPUs, the processor, and the reference.
// missing says why there are no GPUs; the list is good without them.
func Devices(threads int) (list []model.Device, missing error) {
	list, missing = gpu.Devices()
	list = append(list, cpu.Devices(threads)...)
	return append(list, ref.Device()), missing
}

// choose finds the device that o.Device asks for.
func choose(o *Options) (model.Device, error) {
	list, missing := o.devices, error(nil)
	if list == nil {
		list, missing = Devices(o.Threads)
	}
	infos := make([]model.DeviceInfo, len(list))
	for i, d := range list {
		infos[i] = d.Info()
	}
	spec := o.Device
	if o.RequireGPU && (spec == "" || spec == "auto") {
		spec = "gpu"
	}
	i, why, err := model.Choose(infos, spec, os.Getenv("ECLAT_ALLOW_SOFTWARE") == "1")
	switch {
	case err != nil && missing != nil:
		return nil, fmt.Errorf("%w; %w", err, missing)
	case err != nil:
		return nil, err
	case o.RequireGPU && !infos[i].GPU():
		return nil, fmt.Errorf("%w: a GPU is required, but the device is %s", ErrDevice, infos[i].ID)
	}
	if why != "" {
		o.notice("device: " + infos[i].Describe() + ", " + why)
	}
	return list[i], nil
}

// processor is the device that takes what no other holds.
func processor(o *Options) model.Device {
	for _, d := range o.devices {
		if d.Info().Kind == model.Processor {
			return d
		}
	}
	return cpu.Devices(o.Threads)[0]
}

// CheckProcessor says what is wrong with the environment's choice of the processor's
// kernels.
func CheckProcessor() error {
	_, err := kernel.Pick()
	return err
}

// Processor describes the machine's processor.
func Processor() model.DeviceInfo { return cpu.Devices(0)[0].Info() }

// OpenDevice opens a device without a model: Load is the caller's to call. It
// returns the device's name for people too.
func OpenDevice(ctx context.Context, o Options) (model.Backend, string, error) {
	d, err := choose(&o)
	if err != nil {
		return nil, "", err
	}
	b, err := d.Open(ctx, model.OpenOptions{Threads: o.Threads, CacheDir: cacheDir(), Progress: o.Progress, Warn: o.notice})
	info := d.Info()
	return b, info.Describe(), err
}

// cacheDir is where compiled kernels are kept, "" where the system names no place.
func cacheDir() string {
	dir, err := os.UserCacheDir()
	if err != nil {
		return ""
	}
	return filepath.Join(dir, "eclat")
}
