package model

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"eclat/loader/quant"
	"eclat/model/rows"
)

// Backend runs plans on one device. Load comes first and once; plans compiled
// afterwards share its weights and memory. One goroutine owns a backend with all its
// programs: no two calls run beside each other, except Info.
type Backend interface {
	// Load brings the weights of p to the device and makes its memory, zeroed. p is any
	// plan of the stage that the backend will run. A second Load is an error; after a
	// failed one the backend can only be closed. Cancelling ctx ends it.
	Load(ctx context.Context, w Weights, p *Plan) error
	// Compile makes a program of a plan of the loaded stage. An op or a type that the
	// backend lacks is an UnsupportedError.
	Compile(p *Plan, o CompileOptions) (Program, error)
	// Pages gives access to the memory that Load made.
	Pages() PageIO
	// Info describes the device and what the backend holds of it now.
	Info() DeviceInfo
	// Close frees everything, programs too.
	Close() error
}

// CompileOptions says what a program is for.
type CompileOptions struct {
	Size         // most tokens of one run, and most wanted
	Rows    bool // tokens without id may come, whose rows are in Batch.Rows
	Exact   bool // rows come and go as float32, whatever DeviceInfo.Rows says
	Trace   bool // keep every activation of a run for Read; costs memory
	Profile bool // time every step, see Outputs.StepTime; slows the run down
}

// Program is a compiled plan.
type Program interface {
	// Run computes one batch, which it checks. Cancelling ctx ends it between the parts
	// that the device can be given; what was written to memory by then stands.
	Run(ctx context.Context, b *Batch, out *Outputs) error
	// Read copies the rows of activation t that the last run computed to dst, which
	// has room for them, (rows, Cols), and returns how many values they are. The
	// program must have been compiled with Trace.
	Read(t ID, dst []float32) (int, error)
	Close() error
}

// PageIO copies, saves and restores units of memory: pages and slots. A unit is
// copied in all memories of its pool. The bytes are the device's: they mean the same
// only to the same plan on the same kind of backend.
type PageIO interface {
	// UnitBytes is the size of one unit of a pool, in bytes.
	UnitBytes(pool int) int
	// Copy makes unit to of a pool equal to unit from.
	Copy(ctx context.Context, pool int, from, to int32) error
	// Save copies a unit to dst, which has UnitBytes.
	Save(ctx context.Context, pool int, unit int32, dst []byte) error
	// Restore copies src, UnitBytes, to a unit.
	Restore(ctx context.Context, pool int, unit int32, src []byte) error
}

// DeviceKind orders devices by how much they are wanted.
type DeviceKind uint8

const (
	Reference DeviceKind = iota // the oracle
	Software                    // a GPU driver without a GPU
	Processor
	OtherGPU
	VirtualGPU
	IntegratedGPU
	DiscreteGPU
)

var kindNames = [...]string{"reference", "software", "processor", "other", "virtual", "integrated", "discrete"}

func (k DeviceKind) String() string { return kindNames[k] }

// DeviceInfo is who a device is and what it can do, as data.
type DeviceInfo struct {
	ID      string // as the user names it: "cpu", "ref", "vulkan:0"
	Backend string // as llama-bench names it: "CPU", "Vulkan"; "ref" for the reference
	Name    string // of the processor or the card
	Kind    DeviceKind
	Driver  string      // name and version; empty for the processor
	Threads int         // 0 for a device that has none
	Kernels string      // form of the processor's kernels: "avx512"; empty for others
	Chunk   int         // tokens of a prompt that are best computed at once
	Rows    rows.Format // in which rows travel to it and back; F32 to one of this machine
	Memory  int64       // bytes of memory of its own; 0 where it uses the processor's
	Held    int64       // bytes of device memory that an open backend holds now

	Ops   []Op         // what it can compute
	Types []quant.Type // of the weights it can compute with

	Variants []string // of kernels that it can be held to (OpenOptions.Variant), the preferred first; nil where there is one kind

	Details []Detail // what else there is to say of it, for people
}

// Detail is a property of a device, as it is shown.
type Detail struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// GPU reports whether the device is a GPU, or a driver that acts as one.
func (d *DeviceInfo) GPU() bool { return d.Kind == Software || d.Kind >= OtherGPU }

// Lacks says what of a plan the device cannot compute, as an UnsupportedError; nil
// where it can.
func (d *DeviceInfo) Lacks(p *Plan) error {
	for i := range p.Steps {
		s := &p.Steps[i]
		if err := p.checkStep(s); err != nil {
			return err
		}
		if !slices.Contains(d.Ops, s.Op) {
			return UnsupportedError{fmt.Errorf("%s cannot compute %s (%s)", d.ID, s.Op, p.Tensors[s.Dst].Name)}
		}
		for _, id := range s.Src {
			if t := &p.Tensors[id]; t.Kind == Weight && !slices.Contains(d.Types, t.Type) {
				return UnsupportedError{fmt.Errorf("%s cannot compute with weights of type %s (%s)", d.ID, t.Type, t.Name)}
			}
		}
	}
	return nil
}

// Device is a place to run a stage on. cpu and gpu each list theirs.
type Device interface {
	Info() DeviceInfo
	// Open makes a backend. Cancelling ctx ends it.
	Open(ctx context.Context, o OpenOptions) (Backend, error)
	// Fit says how much of a model the device holds, before anything is loaded.
	Fit(m *Model, r FitRequest) (*Fitting, error)
	// CopyRate measures how fast the device copies its main memory, in bytes a second,
	// each copied byte counted as read and as written.
	CopyRate() (float64, error)
	// ReadRate measures how fast it reads its main memory, in bytes a second; 0 of a
	// device that is known by its copies alone.
	ReadRate() (float64, error)
}

// OpenOptions configures a backend. A device ignores what does not concern it.
type OpenOptions struct {
	Threads  int                                  // of the processor; 0 for one a core
	CacheDir string                               // folder of compiled kernels, measured choices and passed checks; empty for none
	Variant  string                               // one of DeviceInfo.Variants: kernels are of it where there are such, and compute unchecked; empty for the best that answer rightly
	Except   []string                             // ids that are not to be opened: a device that stands for several machines takes another
	Careful  int                                  // how often the device was lost lately: it takes shorter steps for it
	Progress func(what string, done, total int64) // told how far loading ("weights", bytes) and compiling ("kernels", kernels; "checks", questions to them) are; may be nil
	Warn     func(message string)                 // told when something falls back to something plainer; may be nil
	Fault    func(call, subject string) error     // tests make a device fail with it; may be nil
}

// Errors that a device answers with.
var (
	// ErrNoMemory says that something does not fit on a device.
	ErrNoMemory = errors.New("not enough memory")
	// ErrLost says that a device stopped answering. Its backend is of no use but to be
	// closed; the device may be opened again.
	ErrLost = errors.New("the device was lost")
	// ErrNoDevice says that there is no such device.
	ErrNoDevice = errors.New("no such device")
)

// UnsupportedError marks a sound file of a kind that cannot be run.
type UnsupportedError struct{ error }

// Unsupported marks an error as one.
func Unsupported(err error) UnsupportedError { return UnsupportedError{err} }

func (e UnsupportedError) Unwrap() error { return e.error }

// Describe prints a device as in "vulkan:0 llvmpipe (software)".
func (d *DeviceInfo) Describe() string {
	parts := []string{d.ID}
	if d.Name != "" {
		parts = append(parts, d.Name)
	}
	switch {
	case d.Threads == 1:
		parts = append(parts, "(1 thread)")
	case d.Threads > 1:
		parts = append(parts, fmt.Sprintf("(%d threads)", d.Threads))
	default:
		parts = append(parts, "("+d.Kind.String()+")")
	}
	return strings.Join(parts, " ")
}
