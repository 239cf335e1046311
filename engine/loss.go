package engine

import (
	"errors"
	"fmt"
	"slices"
)

// calmSteps is after how many steps without a loss devices need no care any more.
const calmSteps = 256

// maxLosses is with how many losses in one answer the layers move to the processor.
const maxLosses = 3

// ready loads the chain where it is not loaded.
func (o *owner) ready() error {
	if o.broken == nil {
		return nil
	}
	if err := o.chain.load(o.e.ctx, o.careful); err != nil {
		o.chain.close()
		if o.e.ctx.Err() != nil {
			return ErrClosed
		}
		o.broken = err
		return fmt.Errorf("%w: it could not be opened again: %w", ErrLost, err)
	}
	o.broken = nil
	if len(o.e.options.Peers) > 0 {
		o.e.moved()
	}
	o.e.down.Store(false)
	return nil
}

// movable reports whether the layers may move to the processor when a device turns out
// to be of no use: nobody asked for that device.
func (o *owner) movable() bool {
	d := o.e.options.Device
	return (d == "" || d == "auto") && !o.e.options.RequireGPU && o.chain.onDevice()
}

// lost brings lost devices back: they are closed and opened anew, and the
// sequences run the tokens they have once more. After the third loss in one answer
// the layers move to the processor, and at once where a device computes wrongly.
func (o *owner) lost(err error) {
	o.epoch++
	o.careful++
	o.calm = 0
	o.e.losses.Add(1)
	wrong := errors.Is(err, ErrDevice) && !errors.Is(err, ErrLost) // a lost one may not be there any more either
	often := wrong
	o.pages = newPages(o.chain.kinds)
	o.index = newIndex(o.pages)
	for i, q := range o.active {
		q.stats.Losses++
		often = often || q.stats.Losses >= maxLosses
		q.units, q.stored, q.shared, q.pages, q.tail, q.tried = nil, 0, nil, 0, nil, false
		if o.checking { // what was not told may be wrong
			q.back(q.sure)
		}
		o.follow(q, o.active[:i])
	}
	next := "opening the device again"
	if wrong {
		next = "it is not used"
	}
	o.e.options.notice(fmt.Sprintf("%v; %s", err, next))
	o.broken = err
	o.e.down.Store(true)
	// A lost device may not even close; that matters less than going on.
	if wrong || often {
		o.chain.close()
	} else {
		o.chain.closeLost()
	}
	if often && o.chain.onDevice() {
		links, fault := o.e.placeOnProcessor()
		if fault == nil {
			o.chain.close()
			o.chain.links = links
			o.e.moved()
			why := fmt.Sprintf("the device was lost %d times in one answer", maxLosses)
			if wrong {
				why = "the device computes wrongly"
			}
			o.e.options.notice(fmt.Sprintf("%s: all layers move to %s", why, links[0].device.Info().ID))
		} else {
			o.e.options.notice(fmt.Sprintf("the layers cannot move to the processor: %v", fault))
		}
	}
	if !wrong || !o.chain.onDevice() { // a device that computes wrongly would do so again
		err = o.ready()
	}
	if err != nil {
		for _, q := range slices.Clone(o.active) {
			o.end(q, "", err)
		}
	}
}

// hear counts the losses that nothing but one stage noticed.
func (o *owner) hear() {
	o.chain.mu.Lock()
	news := o.chain.replays
	o.chain.replays = nil
	o.chain.mu.Unlock()
	if len(news) > 0 {
		o.e.moved()
	}
	for _, r := range news {
		o.swaps++
		o.e.losses.Add(1)
		for _, q := range o.active {
			q.stats.Losses++
			q.stats.Replays = append(q.stats.Replays, r)
		}
		o.e.options.notice(r.String())
	}
}
