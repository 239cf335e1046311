package engine

import (
	"fmt"
	"time"

	"eclat/loader"
	"eclat/model"
	"eclat/model/tokenizer"
)

// DefaultContext is the context, in tokens, where neither the user nor a shorter
// model says otherwise.
const DefaultContext = 4096

// chunk is how many tokens of a prompt go through the model at once: enough to
// decode each weight once for many, few enough that progress shows.
const chunk = 32

// Options says how to open a model. The zero value is a sensible choice.
type Options struct {
	Device   string                  // auto, cpu or ref; "" is auto
	Context  int                     // positions to make room for, over all sessions; 0 for the smaller of the model's and DefaultContext
	Threads  int                     // of the cpu device; 0 for one a processor
	Progress func(done, total int64) // bytes of weights loaded so far; may be nil
}

// Engine is an open model. Its fields are read-only.
type Engine struct {
	Model     *model.Model
	Tokenizer *tokenizer.Tokenizer
	Device    string        // the chosen device, for people
	Context   int           // positions there is room for
	LoadTime  time.Duration // from Open's beginning to its end
	chain     chain
	pool      *pagePool
}

// Open loads a model file onto a device. The Engine owns file from now on and
// closes it, also when Open fails.
func Open(file *loader.File, o Options) (*Engine, error) {
	start := time.Now()
	e := &Engine{}
	if err := e.open(file, &o); err != nil {
		e.chain.close()
		file.Close()
		return nil, err
	}
	e.LoadTime = time.Since(start)
	return e, nil
}

func (e *Engine) open(file *loader.File, o *Options) (err error) {
	if e.Model, err = model.Open(file); err != nil {
		return err
	}
	c := &e.Model.Config
	e.Context = o.Context
	if e.Context <= 0 {
		e.Context = min(c.NCtx, DefaultContext)
	}
	pages := model.Pages(e.Context)
	if need, have := int64(pages)*c.PageBytes(), availableMemory(); have > 0 && need > have {
		return fmt.Errorf("%w: key–value memory for %d tokens takes %d MiB, %d MiB are available; choose a smaller context (-c)",
			ErrMemory, e.Context, need>>20, have>>20)
	}
	if e.Tokenizer, err = tokenizer.New(file); err != nil {
		return err
	}
	backend, device, err := openDevice(o.Device, o)
	if err != nil {
		return err
	}
	e.Device = device
	e.chain = chain{model: e.Model, pages: pages, links: []link{{stage: e.Model.Whole(), backend: backend}}}
	e.pool = newPagePool(pages)
	return e.chain.load()
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
