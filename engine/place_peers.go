package engine

import (
	"fmt"
	"strings"

	"eclat/model"
)

// placeOnPeers deals the model's layers out to this machine's device and to other
// machines after it. The embedding, the first layers and, after the last machine, the norm
// and the output matrix stay here: others see rows of activations, never a token. r is what
// each is asked to hold, but for the stage.
func (e *Engine) placeOnPeers(own model.Device, r model.FitRequest) ([]link, error) {
	o, n := &e.options, e.Model.Config.NLayer
	devices := append([]model.Device{own}, o.Peers...)
	layers, err := e.deal(devices)
	if err != nil {
		return nil, err
	}
	var links []link
	var notice strings.Builder
	var shape []string
	pages := 0
	place := func(d model.Device, st model.Stage, check *second) error {
		info := d.Info()
		r := r
		r.Stage = &st
		fit, err := e.fit(d, r)
		if err != nil {
			return fmt.Errorf("layers %d–%d on %s: %w", st.First, st.End-1, info.ID, err)
		}
		if pages == 0 || fit.Pages < pages {
			pages = fit.Pages
		}
		if check != nil && !check.own {
			if _, err := e.fit(check.device, r); err != nil {
				return fmt.Errorf("a second copy of layers %d–%d: %w", st.First, st.End-1, err)
			}
		}
		fit.Stage = st
		if st.Layers() > 0 {
			fitLines(&notice, fit, e.Model, info, o.kept())
			shape = append(shape, fmt.Sprintf("%d layers on %s", st.Layers(), info.Describe()))
		}
		links = append(links, link{stage: st, device: d, fit: fit, remote: d != own, check: check})
		return nil
	}
	first := 0
	for i, d := range devices {
		st := model.Stage{First: first, End: first + layers[i], Embed: i == 0}
		if first = st.End; layers[i] == 0 && i > 0 {
			continue
		}
		var check *second
		if i > 0 {
			check = o.second(i-1, own)
		}
		if err := place(d, st, check); err != nil {
			return nil, err
		}
	}
	if err := place(own, model.Stage{First: n, End: n, Head: true}, nil); err != nil {
		return nil, err
	}
	if e.Context < 0 {
		e.Context = pages * model.PageLen
	}
	e.Device = strings.Join(shape, ", ")
	o.notice(strings.TrimRight(notice.String(), "\n"))
	return links, nil
}

// deal says how many layers each device gets: by how fast each reads its memory, which is
// what a token's time is made of.
func (e *Engine) deal(devices []model.Device) ([]int, error) {
	n := e.Model.Config.NLayer
	if given := e.options.Layers; given != nil {
		sum := 0
		for _, l := range given {
			if l < 0 {
				return nil, fmt.Errorf("engine: %d layers", l)
			}
			sum += l
		}
		if len(given) != len(devices) || sum != n {
			return nil, fmt.Errorf("engine: %v layers are not those of %d machines, %d in all", given, len(devices), n)
		}
		return given, nil
	}
	rates, sum := make([]float64, len(devices)), 0.
	for i, d := range devices {
		rate, err := d.ReadRate()
		if err != nil {
			return nil, err
		}
		if rate <= 0 {
			rate, _ = d.CopyRate()
		}
		rates[i] = max(rate, 1)
		sum += rates[i]
	}
	layers, before, dealt := make([]int, len(devices)), 0., 0
	for i, r := range rates {
		before += r
		layers[i] = int(before/sum*float64(n)+0.5) - dealt
		dealt += layers[i]
	}
	return layers, nil
}

// Home stands in Options.Checks for this machine's own device.
var Home model.Device = home{}

type home struct{ model.Device }

// second is what checks a peer; nil for nothing.
func (o *Options) second(peer int, own model.Device) *second {
	if peer >= len(o.Checks) || o.Checks[peer] == nil {
		return nil
	}
	if o.Checks[peer] == Home {
		return &second{link: link{device: own}, own: true}
	}
	return &second{link: link{device: o.Checks[peer]}}
}
