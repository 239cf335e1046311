package peer

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"eclat/model"
	"eclat/model/numerics"
)

// Loading a stage takes longer than sending it all its rows again. So the peer that would
// take the place of the present one can hold the stage too (Device.Preload): it is opened
// and loaded behind the first one, and waits.

// preload opens and loads the stage of b on the next peer. That it cannot is told, and no
// fault of b's.
func (d *Device) preload(ctx context.Context, b *backend, w model.Weights, p *model.Plan) {
	for _, at := range d.inOrder() {
		peer := d.Peers[at]
		if at == d.at || d.losses[peer] > 0 || slices.Contains(b.o.Except, idOf(peer)) {
			continue
		}
		l, err := d.dial(ctx, peer, d.model)
		if err == nil {
			spare := &backend{d: d, line: l, o: b.o, at: at, was: at}
			if err = spare.load(ctx, w, p); err == nil {
				d.spare = spare
				return
			}
			l.stream.Close()
		}
		if b.o.Warn != nil {
			b.o.Warn(fmt.Sprintf("peer %s does not stand by: %v", short(peer), err))
		}
	}
}

// loadSomewhere loads a stage on the worker of b or, where that does not take the layers, as
// for want of memory, on the next of its device's peers that does. Where none does the error
// says what the first one lacks.
func (b *backend) loadSomewhere(ctx context.Context, w model.Weights, p *model.Plan) error {
	first := b.load(ctx, w, p)
	asked := []int{b.at}
	for err := first; err != nil; err = b.load(ctx, w, p) {
		if errors.Is(err, model.ErrLost) {
			return err // whoever opens the device again asks the others
		}
		if ctx.Err() != nil || !b.next(ctx, &asked, err) {
			return first
		}
	}
	return nil
}

// next moves b to a peer that was not asked yet; it reports whether there is one.
func (b *backend) next(ctx context.Context, asked *[]int, refusal error) bool {
	d := b.d
	for _, at := range d.inOrder() {
		peer := d.Peers[at]
		if slices.Contains(*asked, at) || d.losses[peer] >= mostLosses || slices.Contains(b.o.Except, idOf(peer)) {
			continue
		}
		*asked = append(*asked, at)
		l, err := d.dial(ctx, peer, d.model)
		if err != nil {
			b.warn(peer, err)
			continue
		}
		b.warn(d.Peers[b.at], refusal)
		b.line.stream.Close()
		b.line, b.at = l, at
		d.at, d.info = at, l.device
		return true
	}
	if len(*asked) > 1 {
		b.warn(d.Peers[b.at], refusal)
	}
	return false
}

// warn tells that a peer does not take the stage.
func (b *backend) warn(peer string, err error) {
	if b.o.Warn != nil {
		b.o.Warn(fmt.Sprintf("peer %s does not take the layers: %v", short(peer), err))
	}
}

// takeSpare is the peer that waits, where the present one is not to be asked first and it
// still answers; nil where there is none.
func (d *Device) takeSpare(ctx context.Context, o model.OpenOptions) *backend {
	b := d.spare
	if b == nil || d.inOrder()[0] == d.at && !slices.Contains(o.Except, idOf(d.Peers[d.at])) {
		return nil
	}
	d.spare = nil
	peer := d.Peers[b.at]
	if slices.Contains(o.Except, idOf(peer)) {
		b.line.stream.Close()
		return nil
	}
	if _, _, err := b.line.ask(ctx, &request{Op: opHello, Hello: &hello{numerics.Version, d.model}}, nil, 0, nil); err != nil {
		b.line.stream.Close()
		return nil
	}
	b.o, b.ready = o, true
	return b
}

// dropSpare lets the peer that waits go.
func (d *Device) dropSpare() {
	if d.spare != nil {
		d.spare.line.stream.Close()
		d.spare = nil
	}
}
