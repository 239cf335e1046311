package engine

import (
	"sort"

	"eclat/engine/apart"
	"eclat/model"
)

// fitExperts is fit of a model with experts on a GPU. The experts of some layers, the
// first ones, may stay on the processor while the rest is on the GPU: of n layers, or
// with AutoLayers of as few as make all layers fit. It returns the device that does so,
// which is d itself where no experts are apart.
func (e *Engine) fitExperts(d model.Device, r model.FitRequest, n int) (model.Device, *model.Fitting, error) {
	all, rest := e.Model.Config.NLayer, processor(&e.options)
	var whole *model.Fitting
	if n == model.AutoLayers {
		fit, err := e.fit(d, r)
		if err != nil || fit.Layers == all || r.Layers != model.AutoLayers {
			return d, fit, err
		}
		whole = fit
	}
	// A batch goes through both.
	chunk := e.Chunk
	if err := e.setChunk(min(chunk, rest.Info().Chunk)); err != nil {
		return nil, nil, err
	}
	least := n
	if n < 0 || n > all {
		least = all
	}
	if whole != nil {
		want := r
		want.Layers = model.AllLayers
		fits := sort.Search(all-1, func(i int) bool {
			_, err := e.fit(apart.New(d, rest, i+1), want)
			return err == nil
		})
		least = fits + 1
	}
	two := apart.New(d, rest, least)
	fit, err := e.fit(two, r)
	if whole == nil { // it was asked for
		return two, fit, err
	}
	if err != nil || fit.Apart == nil { // its experts cannot be apart, or that does not help
		return d, whole, e.setChunk(chunk)
	}
	fit.Why = whole.Why
	return two, fit, nil
}

// hasExperts reports whether the model has experts in any layer.
func (e *Engine) hasExperts() bool {
	for l := range e.Model.Config.NLayer {
		if e.Model.Config.At(l).Experts.N > 0 {
			return true
		}
	}
	return false
}
