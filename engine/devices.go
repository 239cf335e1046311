package engine

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"eclat/cpu"
	"eclat/cpu/host"
	"eclat/cpu/kernel"
	"eclat/cpu/ref"
	"eclat/gpu"
	"eclat/model"
)

// Devices lists what there is to run on: GPUs, the processor, and the reference.
// missing says why there are no GPUs; the list is good without them.
func Devices(threads int) (list []model.Device, missing error) {
	if missing = roomForDrivers(host.AddressLimit()); missing == nil {
		list, missing = gpu.Devices()
	}
	list = append(list, cpu.Devices(threads)...)
	return append(list, ref.Device()), missing
}

// Auto is which of a list of devices "auto" takes, −1 for none.
func Auto(list []model.Device) int {
	i, _, err := pick(list, "auto")
	if err != nil {
		return -1
	}
	return i
}

// choose finds the device that o.Device asks for.
func choose(o *Options) (model.Device, error) {
	list, missing := o.devices, error(nil)
	if list == nil {
		list, missing = Devices(o.Threads)
	}
	spec := o.Device
	if o.RequireGPU && (spec == "" || spec == "auto") {
		spec = "gpu"
	}
	i, why, err := pick(list, spec)
	switch {
	case err != nil && missing != nil:
		return nil, fmt.Errorf("%w; %w", err, missing)
	case err != nil:
		return nil, err
	}
	info := list[i].Info()
	if o.RequireGPU && !info.GPU() {
		return nil, fmt.Errorf("%w: a GPU is required, but the device is %s", ErrDevice, info.ID)
	}
	if why != "" {
		o.notice("device: " + info.Describe() + ", " + why)
	}
	return list[i], nil
}

// pick is model.Choose of a list of devices, as the user's environment allows.
func pick(list []model.Device, spec string) (index int, why string, err error) {
	infos := make([]model.DeviceInfo, len(list))
	for i, d := range list {
		infos[i] = d.Info()
	}
	return model.Choose(infos, spec, os.Getenv("ECLAT_ALLOW_SOFTWARE") == "1")
}

// AvailableMemory is the main memory that can be had now, in bytes; 0 where the system
// does not tell.
func AvailableMemory() int64 { return host.AvailableMemory() }

// FindDevice returns the device that o.Device asks for.
func FindDevice(o Options) (model.Device, error) { return choose(&o) }

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
	b, err := d.Open(ctx, o.openOptions())
	info := d.Info()
	return b, info.Describe(), err
}

// openOptions is how every device is opened.
func (o *Options) openOptions() model.OpenOptions {
	return model.OpenOptions{Threads: o.Threads, CacheDir: cacheDir(), Variant: o.Variant, Progress: o.Progress, Warn: o.notice, Fault: o.fault}
}

// cacheDir is where compiled kernels are kept, "" where the system names no place.
func cacheDir() string {
	dir, err := os.UserCacheDir()
	if err != nil {
		return ""
	}
	return filepath.Join(dir, "eclat")
}
