package engine

import (
	"cmp"
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"eclat/loader"
	"eclat/model"
	"eclat/model/arch"
	"eclat/model/sample"
	"eclat/model/tokenizer"
	"eclat/peer/place"
)

// DefaultContext is the context, in tokens, where neither the user nor a shorter
// model says otherwise.
const DefaultContext = 4096

// AutoContext asks for the longest context that fits with all layers on the device.
const AutoContext = -1

// Defaults of Options.
const (
	DefaultParallel = 8
	DefaultQueue    = 256
	DefaultPeerLog  = 512 << 20
)

// Options says how to open a model. The zero value is a sensible choice.
type Options struct {
	Device     string         // auto, gpu, vulkan:N, part of a GPU's name, cpu or ref; "" is auto
	RequireGPU bool           // fail where the model would run on the processor
	GPULayers  string         // how many layers the GPU gets, the last ones: a number, all, or auto for as many as fit; "" is auto
	CPUMoE     string         // of how many layers, the first ones, the experts stay on the processor while the rest is on a GPU: a number, all, or auto for as few as make all layers fit; "" is auto
	Context    int            // positions to make room for, over all sequences; 0 for the smaller of the model's and DefaultContext, or AutoContext
	Parallel   int            // most sequences at work at a time; 0 for DefaultParallel
	Queue      int            // most requests that wait; 0 for DefaultQueue
	Embeddings bool           // requests with Embed will come: their programs are planned for, and may find no memory where they are not
	Threads    int            // of the processor; 0 for one a core
	Peers      []model.Device // other machines, each of which computes layers after this one's own, in this order; the first layers stay here, and what follows the last ones too
	Layers     []int          // how many layers this machine and each of Peers gets; nil to place them by what is measured
	Pin        int            // how many layers at each end stay on this machine where others have some
	AnySpeed   bool           // place them even where fewer than Floor tokens a second are predicted
	Checks     []model.Device // devices that compute once more what each of Peers does; nil for nobody, as for those beyond its end. One of them may be Home
	PeerLog    int64          // bytes of rows kept for each of Peers, so that where it is lost another gets them; 0 for DefaultPeerLog
	// Measure times a stage on one of Peers, and the way there. Without it Layers says all.
	Measure func(ctx context.Context, peer int, m *model.Model, st model.Stage) (place.Far, error)
	// Fetch brings what the model's folder of fragments lacks of a stage that is computed on
	// this machine, before it is loaded. It may be nil.
	Fetch func(ctx context.Context, m *model.Model, st model.Stage, room model.Room) error
	// Gather has one of Peers do the same for a stage of its own; all do so at once. It may be nil.
	Gather     func(ctx context.Context, peer int, m *model.Model, st model.Stage, room model.Room) error
	Keys       model.CacheType // how keys are kept, and values; both are float16 unless said otherwise
	Values     model.CacheType
	DraftModel *Engine // a smaller model of the same vocabulary, which guesses where the text does not; not closed with the engine. It may be nil
	Variant    string  // of the device's kernels, see model.OpenOptions; empty to run a model
	// Progress and Notice are called on the goroutine that owns the devices: they must
	// not wait for the engine. Either may be nil.
	Progress func(what string, done, total int64) // told how far loading ("weights", in bytes) and compiling ("kernels", "checks") are
	Notice   func(message string)                 // told which device was chosen and why, what lies where, and of faults overcome

	// Probe says which probe will be opened beside the requests: its memory is planned
	// for, and one that was not told of may find none. Open calls it when Model,
	// Tokenizer and Chunk are known, again where another device makes Chunk smaller.
	// It may be nil.
	Probe func(e *Engine) (ProbeOptions, error)

	// For tests: devices in place of those there are, a model of another making, faults
	// of a device (model.OpenOptions.Fault), another host.AvailableMemory, drafts.
	devices   []model.Device
	open      func(*loader.File) (*model.Model, error)
	fault     func(call, subject string) error
	available func() int64
	eager     bool // guess as much as may be guessed, whether it pays or not
}

func (o *Options) notice(message string) {
	if o.Notice != nil {
		o.Notice(message)
	}
}

// Engine is an open model. Its fields are read-only.
type Engine struct {
	Model     *model.Model
	Tokenizer *tokenizer.Tokenizer
	Sampling  sample.Settings // the field's defaults, and over them what the model's file recommends
	Context   int             // positions there is room for, over all sequences
	Chunk     int             // most tokens of a batch
	LoadTime  time.Duration   // from Open's beginning to its end

	options   Options
	probe     ProbeOptions // that memory is planned for
	owner     *owner
	ctx       context.Context // ends with Close
	cancel    context.CancelFunc
	calls     chan call
	wake      chan struct{}
	gone      chan struct{} // closed when the owner has ended
	losses    atomic.Int64
	rounding  string // chain.rounding
	where     atomic.Pointer[where]
	predicted survey      // what a placement's prediction was made of
	down      atomic.Bool // a device is lost and not back

	mu       sync.Mutex
	inbox    []*sequence
	waiting  int // in inbox and in the owner's queue
	closing  bool
	closeErr error // set before gone is closed
}

// Open loads a model file onto a device. The Engine owns file from now on and
// closes it, also when Open fails. Cancelling ctx ends Open; later it means nothing.
func Open(ctx context.Context, file *loader.File, o Options) (*Engine, error) {
	start := time.Now()
	o.Parallel = cmp.Or(o.Parallel, DefaultParallel)
	o.Queue = cmp.Or(o.Queue, DefaultQueue)
	e := &Engine{options: o, calls: make(chan call), wake: make(chan struct{}, 1), gone: make(chan struct{})}
	e.owner = &owner{e: e}
	// Vocabulary and factors are read where the file is mapped.
	if err := loader.Guard(func() error { return e.open(ctx, file) }); err != nil {
		e.owner.chain.close()
		file.Close()
		return nil, err
	}
	e.LoadTime = time.Since(start)
	e.ctx, e.cancel = context.WithCancel(context.Background())
	go e.owner.loop()
	return e, nil
}

func (e *Engine) open(ctx context.Context, file *loader.File) (err error) {
	if e.Model, err = e.openModel(file); err != nil {
		return err
	}
	if e.Tokenizer, err = tokenizer.New(file); err != nil {
		return err
	}
	if d := e.options.DraftModel; d != nil && !d.Tokenizer.Same(e.Tokenizer) {
		return fmt.Errorf("engine: %q guesses tokens of another vocabulary than %q has", d.Model.Config.Name, e.Model.Config.Name)
	}
	e.recommend(file)
	if _, err := e.Model.Describe(e.Model.Whole(), e.room(1)); err != nil { // heads that cannot be kept so
		return err
	}
	c := &e.owner.chain
	c.model, c.down = e.Model, &e.down
	c.open, c.fetch = e.options.openOptions(), e.options.Fetch
	c.open.Warn, c.open.Progress = e.inTurn(c.open.Warn, c.open.Progress)
	if c.links, err = e.place(ctx); err != nil {
		return err
	}
	e.rounding, c.room = c.rounding(), e.room(model.Pages(e.Context))
	c.chunk, c.size, c.keep = e.Chunk, e.sizeFor, cmp.Or(e.options.PeerLog, DefaultPeerLog)
	if c.remote() {
		if err := e.prepareRing(ctx); err != nil {
			return err
		}
	}
	if err := e.gather(ctx); err != nil {
		return err
	}
	if err := c.load(ctx, 0); err != nil {
		return err
	}
	if len(e.options.Peers) > 0 { // another may have taken a place already
		e.moved()
	}
	c.home = e.takeHome // from now on: at first it is better to say who does not come
	e.owner.checking = c.checks()
	e.owner.pages = newPages(c.kinds)
	e.owner.index = newIndex(e.owner.pages)
	return nil
}

// openModel makes a model of a file.
func (e *Engine) openModel(file *loader.File) (*model.Model, error) {
	if e.options.open != nil {
		return e.options.open(file)
	}
	return arch.Open(file)
}

// inTurn lets one at a time tell something: links do from goroutines of their own.
func (e *Engine) inTurn(warn func(string), progress func(string, int64, int64)) (func(string), func(string, int64, int64)) {
	var mu sync.Mutex
	if told := progress; told != nil {
		progress = func(what string, done, total int64) {
			mu.Lock()
			defer mu.Unlock()
			told(what, done, total)
		}
	}
	return func(text string) {
		mu.Lock()
		defer mu.Unlock()
		warn(text)
	}, progress
}

// recommend takes up the model's own settings of sampling. A file is none the worse for
// bad ones: they are told of, and nothing hangs on them but how text is chosen.
func (e *Engine) recommend(file *loader.File) {
	e.Sampling = sample.Defaults()
	left, err := e.Sampling.Recommended(file)
	if err != nil {
		e.options.notice(fmt.Sprintf("warning: %v; the usual sampling is used", err))
	}
	for _, key := range left {
		e.options.notice(fmt.Sprintf("warning: the model recommends %s, which there is not; left out", key))
	}
}

// room is the memory of a chain with so many pages.
func (e *Engine) room(pages int) model.Room {
	return model.Room{Pages: pages, Seqs: e.options.Parallel, Chunk: e.Chunk, Keys: e.options.Keys, Values: e.options.Values}
}

// programs lists those that may be compiled: for powers of two tokens up to Chunk, and
// a probe's.
func (e *Engine) programs() (all []model.FitProgram) {
	add := func(n int) {
		all = append(all, model.FitProgram{CompileOptions: model.CompileOptions{Size: e.size(n)}})
	}
	for n := 1; n < e.Chunk; n *= 2 {
		add(n)
	}
	add(e.Chunk)
	if e.options.Embeddings {
		for _, p := range all[:len(all):len(all)] {
			p.Normed, p.Want = true, p.Tokens
			all = append(all, p)
		}
	}
	if e.probe.Tokens > 0 {
		all = append(all, model.FitProgram{CompileOptions: e.probe.compile(), Logits: true})
	}
	return all
}

func (e *Engine) size(n int) model.Size {
	return model.Size{Tokens: n, Want: min(n, max(maxWant, e.options.Parallel))}
}

// sizeFor is what the program for a batch of n tokens is compiled for.
func (e *Engine) sizeFor(n int) ofSize {
	size := 1
	for size < n {
		size *= 2
	}
	return ofSize{Size: e.size(min(size, e.Chunk))}
}

// embedded is s for texts that are embedded: all their rows may be wanted.
func (s ofSize) embedded() ofSize {
	s.normed, s.Want = true, s.Tokens
	return s
}

// Losses returns how often devices were lost and opened again. What was timed
// across a loss is no measurement.
func (e *Engine) Losses() int { return int(e.losses.Load()) }

// Down reports whether a device is lost and not back yet. Where it could not be brought
// back, the next request tries again.
func (e *Engine) Down() bool { return e.down.Load() }

// Parallel is the most sequences at work at a time.
func (e *Engine) Parallel() int { return e.options.Parallel }

// Counters tell what the engine has done so far.
type Counters struct {
	Waiting  int // requests that wait for admission
	Working  int // and those at work
	Computed int // tokens run, of prompts and answers
	Flown    int // batches that were on their way over several machines behind another, and of use
	Copied   int // pages copied because another sequence reads them
	Units    int // units of memory in use, by sequences and by the index
	Free     int // units that are free
}

// Counters asks the owner what it has done.
func (e *Engine) Counters(ctx context.Context) (c Counters, err error) {
	err = e.do(ctx, func() error {
		o := e.owner
		c.Computed, c.Copied, c.Flown = o.computed, o.copied, o.flown
		c.Working = len(o.active)
		e.mu.Lock()
		c.Waiting = e.waiting
		e.mu.Unlock()
		for pool, k := range o.pages.kinds {
			c.Free += len(o.pages.free[pool])
			c.Units += k.Units - len(o.pages.free[pool])
		}
		return nil
	})
	return c, err
}

// Close ends all requests with ErrClosed, waits for the running step, and frees the
// model. A second call does nothing.
func (e *Engine) Close() error {
	e.mu.Lock()
	again := e.closing
	e.closing = true
	e.mu.Unlock()
	e.cancel()
	e.poke()
	<-e.gone
	if again {
		return nil
	}
	err := e.closeErr
	if e2 := e.Model.File.Close(); err == nil {
		err = e2
	}
	return err
}

// Prompt returns the tokens of a text, with the model's beginning-of-sequence
// token in front where the model wants one. Control tokens spelt out in the text
// count as text unless special is set.
func (e *Engine) Prompt(text string, special bool) []int32 {
	t := e.Tokenizer
	var ids []int32
	if bos, ok := t.BOS(); ok && t.AddBOS() {
		ids = append(ids, bos)
	}
	ids = t.Encode(ids, text, special)
	if len(ids) == 0 { // a model cannot start from nothing
		if bos, ok := t.BOS(); ok {
			ids = append(ids, bos)
		}
	}
	return ids
}
