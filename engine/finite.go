package engine

import (
	"context"
	"fmt"

	"eclat/loader"
)

// NotFinite is the error of logits that are not finite, ErrNotFinite, after the token at
// a position. Where a weight is at fault it is named, and the error is a
// *loader.FormatError too: all of the file is read for it, once.
func (e *Engine) NotFinite(ctx context.Context, pos int) (err error) {
	if fault := e.do(ctx, func() error { err = e.owner.notFinite(ctx, pos); return nil }); fault != nil {
		return fmt.Errorf("%w at position %d", ErrNotFinite, pos)
	}
	return err
}

func (o *owner) notFinite(ctx context.Context, pos int) error {
	if !o.looked {
		var bad *loader.FormatError
		err := o.e.Model.File.CheckFinite(ctx, nil, func(b *loader.FormatError) bool { bad = b; return false })
		if o.looked = err == nil; bad != nil {
			o.unsound = bad
		}
	}
	switch {
	case o.unsound != nil:
		return fmt.Errorf("%w at position %d: %w", ErrNotFinite, pos, o.unsound)
	case o.looked:
		return fmt.Errorf("%w at position %d; all weights are: a sum overflows, or the device is faulty", ErrNotFinite, pos)
	}
	return fmt.Errorf("%w at position %d", ErrNotFinite, pos)
}
