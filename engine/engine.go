package engine

import (
	"fmt"
	"time"

	"eclat/gpu"
	"eclat/loader"
	"eclat/model"
	"eclat/model/tokenizer"
)

// DefaultContext is the context, in tokens, where neither the user nor a shorter
// model says otherwise.
const DefaultContext = 4096

// Options says how to open a model. The zero value is a sensible choice.
type Options struct {
	Device     string                        // auto, gpu, vulkan:N, part of a GPU's name, cpu or ref; "" is auto
	RequireGPU bool                          // fail where the model would run on the processor
	GPULayers  string                        // how many layers the GPU gets, the last ones: a number, all, or auto for as many as fit; "" is auto
	Context    int                           // positions to make room for, over all sessions; 0 for the smaller of the model's and DefaultContext, or AutoContext
	Threads    int                           // of the cpu device; 0 for one a processor
	Progress   func(done, total int64) error // told bytes of weights loaded so far, and ends Open with an error; may be nil
	Notice     func(message string)          // told which device was chosen and why, what lies where, and of faults overcome; may be nil

	gpuFault func(call, subject string) error // gpu.Options.Fault, for tests
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
	Device    string        // the chosen device, for people
	Context   int           // positions there is room for
	Chunk     int           // tokens of a prompt that go through the model at once
	LoadTime  time.Duration // from Open's beginning to its end
	options   Options
	chain     chain
	pool      *pagePool
	epoch     int           // counts how often devices were lost; guarded by chain.mu
	submit    time.Duration // bound on a GPU's submits, 0 for its default; guarded by chain.mu
}

// Open loads a model file onto a device. The Engine owns file from now on and
// closes it, also when Open fails.
func Open(file *loader.File, o Options) (*Engine, error) {
	start := time.Now()
	e := &Engine{options: o}
	if err := e.open(file); err != nil {
		e.chain.close()
		file.Close()
		return nil, err
	}
	e.LoadTime = time.Since(start)
	return e, nil
}

func (e *Engine) open(file *loader.File) (err error) {
	if e.Model, err = model.Open(file); err != nil {
		return err
	}
	if e.Tokenizer, err = tokenizer.New(file); err != nil {
		return err
	}
	links, err := e.place(&e.options)
	if err != nil {
		return err
	}
	e.Chunk = chunkGPU
	for _, l := range links {
		if !l.device.gpu {
			e.Chunk = chunkCPU
		}
	}
	pages := model.Pages(e.Context)
	e.chain = chain{model: e.Model, pages: pages, links: links}
	e.pool = newPagePool(pages)
	return e.chain.load(0)
}

// recover brings lost devices back: everything is closed and opened anew, with
// submits half as long, because a submit that takes too long is the usual cause.
// Sessions see the epoch and run their tokens again. seen is the epoch in which
// the caller met the loss; another session may have recovered since.
func (e *Engine) recover(seen int, lost error) error {
	e.chain.mu.Lock()
	defer e.chain.mu.Unlock()
	if e.epoch != seen {
		return nil
	}
	e.epoch++
	if e.submit == 0 {
		e.submit = gpu.DefaultSubmitTime
	}
	e.submit /= 2
	e.options.notice(fmt.Sprintf("%v; opening the device again, with submits of %v", lost, e.submit))
	if err := e.chain.close(); err != nil { // a lost device may not even close; that matters less than going on
		e.options.notice(err.Error())
	}
	if err := e.chain.load(e.submit); err != nil {
		return fmt.Errorf("%w: it could not be opened again: %w", ErrLost, err)
	}
	return nil
}

// Close frees the model. Sessions must be closed before.
func (e *Engine) Close() error {
	err := e.chain.close()
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
