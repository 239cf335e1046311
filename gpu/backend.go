package gpu

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"eclat/gpu/vk"
	"eclat/loader"
	"eclat/model"
)

// Options configures Open.
type Options struct {
	Progress   func(done, total int64) error // told while Load uploads, in bytes, and ends it with an error; may be nil
	CacheDir   string                        // folder of compiled pipelines; empty for none
	Warn       func(message string)          // told when a kernel falls back to a plainer one; may be nil
	Validation bool                          // the validation layers, where they are installed
	OnMessage  func(message string)          // validation messages, on any thread; may be nil

	Tune Tuning // whether shapes of kernels are chosen by measuring

	// SubmitTime bounds one submit by its estimated time, so that a slow device is
	// not taken for a hung one; 0 for DefaultSubmitTime. After a LostError open
	// again with half of it.
	SubmitTime time.Duration
	// Fault, when not nil, is asked before each "submit" and each "pipeline" and its
	// error taken for the call's; tests make devices fail with it. The subject is
	// the kernel's name or the name of the first tensor that the submit writes.
	Fault func(call, subject string) error
}

// Backend implements model.Backend on one Vulkan device.
type Backend struct {
	opt      Options
	dev      *vk.Device
	info     vk.Info
	kernels  *Kernels
	rates    rates
	weights  map[string]*weight
	caches   map[string]*cache
	held     []*vk.Buffer // weights and caches
	pipes    map[string]*vk.Pipeline
	programs map[*program]bool
	submits  int
	lost     error // set once the device is lost
	faulty   sync.Mutex
	unmapped bool // act as if no memory of the device were mapped; tests set it
}

// cache is the key or value memory of one layer.
type cache struct {
	region
	rows, cols int // halves
}

// region is a range of a buffer, in bytes.
type region struct {
	buf       *vk.Buffer
	off, size int64
}

// Open opens a device.
func Open(info vk.Info, o Options) (*Backend, error) {
	dev, err := vk.Open(info, vk.Options{Validation: o.Validation, OnMessage: o.OnMessage, CacheDir: o.CacheDir})
	if err != nil {
		return nil, fmt.Errorf("gpu: %w", err)
	}
	b := &Backend{
		opt:      o,
		dev:      dev,
		info:     dev.Info(),
		kernels:  NewKernels(dev.Info()),
		weights:  map[string]*weight{},
		caches:   map[string]*cache{},
		pipes:    map[string]*vk.Pipeline{},
		programs: map[*program]bool{},
	}
	b.rates = ratesOf(b.info)
	b.loadChoices()
	return b, nil
}

// Info describes the device.
func (b *Backend) Info() vk.Info { return b.info }

// Memory returns the bytes of device and host memory that the backend holds.
func (b *Backend) Memory() int64 { return b.dev.Memory() }

// Close frees everything, newest first. Programs are closed with it.
func (b *Backend) Close() error {
	for p := range b.programs {
		p.Close()
	}
	if err := b.dev.Close(); err != nil {
		return fmt.Errorf("gpu: close %s: %w", b.info.Name, err)
	}
	return nil
}

func (b *Backend) warn(format string, args ...any) {
	if b.opt.Warn != nil {
		b.opt.Warn(fmt.Sprintf(format, args...))
	}
}

// LostError says that the device was lost, and what it was asked to do. The
// backend is of no use afterwards but to be closed; a new one may be opened on the
// same device.
type LostError struct {
	Device      string
	Submit      int    // counted from the opening of the device
	First, Last string // the tensors that the submit's first and last steps write
	Err         error
}

func (e *LostError) Error() string {
	if e.First == "" {
		return fmt.Sprintf("gpu: %s: submit %d: %v", e.Device, e.Submit, e.Err)
	}
	return fmt.Sprintf("gpu: %s: submit %d, steps %s to %s: %v", e.Device, e.Submit, e.First, e.Last, e.Err)
}

func (e *LostError) Unwrap() error { return e.Err }

// start submits one command buffer; subject is the tensor it writes first.
func (b *Backend) start(c *vk.Commands, subject string) error {
	b.submits++
	if err := b.fault("submit", subject); err != nil {
		return err
	}
	return b.dev.Start(c)
}

// fault asks Options.Fault, one call at a time.
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
	if !errors.Is(err, vk.ErrDeviceLost) {
		return fmt.Errorf("gpu: %s: %w", b.info.Name, err)
	}
	b.lost = &LostError{Device: b.info.Name, Submit: b.submits, First: first, Last: last, Err: err}
	return b.lost
}

// Load places the weights and caches in keep and uploads the weights.
func (b *Backend) Load(src *loader.File, keep []model.Tensor) error {
	if len(b.held) > 0 {
		return fmt.Errorf("gpu: Load was called twice")
	}
	err := b.load(src, keep)
	if err != nil {
		for _, buf := range b.held {
			buf.Close()
		}
		b.held = nil
		clear(b.weights)
		clear(b.caches)
	}
	return err
}
