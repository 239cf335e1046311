package host

import (
	"fmt"
	"math"
	"sort"

	"eclat/model"
)

// Fit says how much of a model the processor holds. All weights stay where the file
// is mapped, so all layers that are asked for fit, and memory decides how many
// positions do. work is the bytes that all programs of a stage take, and copied those
// of the weights that a backend keeps in another form.
func Fit(m *model.Model, r model.FitRequest, work func([]model.Planned) int64, copied func(p *model.Plan) int64) (*model.Fitting, error) {
	f := &model.Fitting{Stage: m.Whole(), Available: r.Host}
	switch {
	case r.Stage != nil:
		f.Stage = *r.Stage
	case r.Layers >= 0:
		f.Stage = m.Last(min(r.Layers, m.Config.NLayer))
	case r.Layers != model.AutoLayers && r.Layers != model.AllLayers:
		return nil, fmt.Errorf("host: %d layers", r.Layers)
	}
	if r.Pages < 0 {
		return nil, fmt.Errorf("host: %d pages", r.Pages)
	}
	f.Layers = f.Stage.Layers()

	// count fills f for a number of pages.
	count := func(pages int) (need int64, err error) {
		p, programs, err := r.Plans(m, f.Stage, pages)
		if err != nil {
			return 0, err
		}
		f.Pages, f.Memory, f.Work, f.Weights, f.Mapped = pages, memoryBytes(p), work(programs), copied(p), 0
		for _, t := range p.Weights() {
			size, _ := t.Type.RowBytes(uint64(t.Rows) * uint64(t.Cols))
			f.Mapped += int64(size)
		}
		return sum(sum(f.Memory, f.Work), f.Weights), nil
	}
	if _, err := count(1); err != nil {
		return nil, err
	}
	// most returns the largest number of pages, up to limit, that a number of bytes holds.
	most := func(limit int, bytes int64) int {
		return sort.Search(limit, func(i int) bool {
			need, err := count(i + 1)
			return err != nil || need > bytes
		})
	}
	const longest = math.MaxInt32 / model.PageLen // positions are int32
	half, budget := r.Host/2, r.Host-r.Host/10
	if r.Host <= 0 {
		half, budget = addressable, addressable
	}
	pages := r.Pages
	if pages == 0 { // half, for the file's own pages want room too
		pages = max(1, most(min(r.Max, longest), half))
	}
	var need int64 = math.MaxInt64
	if pages > 0 && pages <= longest {
		var err error
		if need, err = count(pages); err != nil {
			return nil, err
		}
	}
	if need > budget {
		fits := most(min(pages, longest), budget)
		if fits == 0 { // no shorter context helps
			if _, err := count(1); err != nil {
				return nil, err
			}
			return nil, fmt.Errorf("%w: %d MiB of work memory and %d MiB for a context of %d tokens are needed, %d MiB are available",
				model.ErrNoMemory, mib(f.Work), mib(sum(f.Memory, f.Weights)), model.PageLen, budget>>20)
		}
		takes := "more than can be addressed"
		if need < addressable {
			takes = fmt.Sprintf("%d MiB", mib(need))
		}
		return nil, fmt.Errorf("%w: a context of %d tokens takes %s, %d MiB are available; the longest that fits is %d",
			model.ErrNoMemory, product(int64(pages), model.PageLen), takes, budget>>20, fits*model.PageLen)
	}
	return f, nil
}

// memoryBytes is Plan.MemoryBytes, within range.
func memoryBytes(p *model.Plan) (n int64) {
	for i, pool := range p.Pools {
		n = sum(n, product(p.UnitBytes(i), int64(pool.Units)))
	}
	return n
}
