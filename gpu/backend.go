package gpu

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"eclat/gpu/lower"
	"eclat/gpu/vk"
	"eclat/model"
)

// options are model.OpenOptions and what only this package's tests set.
type options struct {
	model.OpenOptions
	validation bool                                     // the validation layers, where they are installed
	onMessage  func(message string)                     // validation messages, on any thread; may be nil
	tune       tuning                                   // whether shapes of kernels are chosen by measuring
	unchecked  bool                                     // whether kernels compute without having answered a question
	spirv      func(kernel string, spirv []byte) []byte // what is compiled in a kernel's place; nil for itself
	submitTime time.Duration                            // bounds one submit by its estimated time; 0 for what Careful says
}

// Backend implements model.Backend on one Vulkan device. Fault of its options is
// asked before each "submit" and each "pipeline", and its error taken for the
// call's; the subject is the kernel's name or the name of the first tensor that the
// submit writes.
type Backend struct {
	opt        options
	dev        *vk.Device
	info       vk.Info
	kernels    *lower.Kernels
	rates      rates
	state      state
	pools      []model.Pool // of the loaded plan
	weights    map[string]*weight
	memories   map[string]*memory
	held       []*vk.Buffer // weights and memory
	pipes      map[string]*vk.Pipeline
	warmed     map[*vk.Pipeline]bool // that have run, see warm
	passed     map[string]string     // what answered its question, see check.go
	remembered map[string]string     // of earlier starts
	programs   map[*program]bool
	work       workspace
	pages      pages
	submits    int
	lost       error // set once the device is lost
	faulty     sync.Mutex
	unmapped   bool // act as if no memory of the device were mapped; tests set it
}

// state says how far a backend has come.
type state uint8

const (
	opened state = iota
	loaded
	broken // Load failed
)

// memory is what a plan keeps under one name.
type memory struct {
	region
	model.Tensor
}

// region is a range of a buffer, in bytes.
type region struct {
	buf       *vk.Buffer
	off, size int64
}

// open opens a device.
func open(info vk.Info, o options) (*Backend, error) {
	dev, err := vk.Open(info, vk.Options{Validation: o.validation, OnMessage: o.onMessage, CacheDir: o.CacheDir})
	if err != nil {
		return nil, errorf("%w", err)
	}
	b := &Backend{
		opt:      o,
		dev:      dev,
		info:     dev.Info(),
		kernels:  lower.NewKernels(lowerable(dev.Info())),
		weights:  map[string]*weight{},
		memories: map[string]*memory{},
		pipes:    map[string]*vk.Pipeline{},
		warmed:   map[*vk.Pipeline]bool{},
		programs: map[*program]bool{},
	}
	if o.Variant != "" {
		b.opt.unchecked, b.opt.tune = true, tuneNever
		if !b.kernels.Prefer(o.Variant) {
			dev.Close()
			return nil, fmt.Errorf("gpu: %s has no kernels of kind %q", b.info.Name, o.Variant)
		}
	}
	b.rates = ratesOf(b.info)
	b.work.b, b.pages.b = b, b
	b.loadChoices()
	b.loadChecks()
	return b, nil
}

// Info implements model.Backend. It may be called at any time on any goroutine.
func (b *Backend) Info() model.DeviceInfo {
	d := describe(b.info)
	d.Held = b.dev.Memory()
	return d
}

// Load implements model.Backend.
func (b *Backend) Load(ctx context.Context, w model.Weights, p *model.Plan) error {
	switch {
	case b.lost != nil:
		return b.lost
	case b.state != opened:
		return fmt.Errorf("gpu: %s: Load was called before", b.info.Name)
	}
	b.state = broken
	if err := b.load(ctx, w, p); err != nil {
		for _, buf := range b.held {
			buf.Close()
		}
		b.held = nil
		clear(b.weights)
		clear(b.memories)
		return err
	}
	b.state, b.pools = loaded, p.Pools
	b.pages.init(p)
	return nil
}

// Close frees everything, newest first. Programs are closed with it.
func (b *Backend) Close() error {
	for p := range b.programs {
		p.Close()
	}
	b.state = broken
	if err := b.dev.Close(); err != nil { // no more than a slower start next time
		b.warn("kernels of %s were not kept: %v", b.info.Name, err)
	}
	return nil
}

func (b *Backend) warn(format string, args ...any) {
	if b.opt.Warn != nil {
		b.opt.Warn(fmt.Sprintf(format, args...))
	}
}

func (b *Backend) progress(what string, done, total int64) {
	if b.opt.Progress != nil {
		b.opt.Progress(what, done, total)
	}
}

// start submits one command buffer; subject is the tensor it writes first.
func (b *Backend) start(c *vk.Commands, subject string) error {
	b.submits++
	if err := b.fault("submit", subject); err != nil {
		return err
	}
	return b.dev.Start(c)
}

// fault asks the options' Fault, one call at a time.
func (b *Backend) fault(call, subject string) error {
	if b.opt.Fault == nil {
		return nil
	}
	b.faulty.Lock()
	defer b.faulty.Unlock()
	return b.opt.Fault(call, subject)
}

// failed makes the error of a failed submit or wait and remembers a lost device.
func (b *Backend) failed(err error, first, last string) error {
	if !errors.Is(err, vk.ErrDeviceLost) && !errors.Is(err, model.ErrLost) {
		return errorf("%s: %w", b.info.Name, err)
	}
	b.lost = &LostError{Device: b.info.Name, Submit: b.submits, First: first, Last: last, Err: err}
	return b.lost
}

// buffer makes a buffer; one larger than the device makes is a model.ErrNoMemory too.
func (b *Backend) buffer(name string, size int64, use vk.Use) (*vk.Buffer, error) {
	buf, err := b.dev.NewBuffer(name, size, use)
	switch {
	case errors.Is(err, vk.ErrNotSupported):
		return nil, fmt.Errorf("gpu: %s: %w: %w", b.info.Name, err, model.ErrNoMemory)
	case err != nil:
		return nil, errorf("%s: %w", b.info.Name, err)
	}
	return buf, nil
}

// once runs what r recorded and frees it; subject is the tensor it writes.
func (b *Backend) once(r *vk.Recorder, subject string) error {
	c, err := r.End()
	if err != nil {
		return errorf("%w", err)
	}
	defer c.Close()
	return b.run(c, subject)
}

// run submits c and waits for it; subject is the tensor it writes.
func (b *Backend) run(c *vk.Commands, subject string) error {
	if err := b.start(c, subject); err != nil {
		return b.failed(err, subject, subject)
	}
	if err := b.dev.Wait(c); err != nil {
		return b.failed(err, subject, subject)
	}
	return nil
}

// record begins a command buffer that sees all that was written before.
func (b *Backend) record() (*vk.Recorder, error) {
	r, err := b.dev.NewRecorder()
	if err != nil {
		return nil, errorf("%w", err)
	}
	r.Barrier()
	return r, nil
}

// readable reports whether the host can read a buffer's memory as it is.
func (b *Backend) readable(buf *vk.Buffer) bool { return buf.Readable() && !b.unmapped }
