package gpu

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"eclat/gpu/vk"
	"eclat/loader"
	"eclat/model"
)

// weight is a tensor of the file with its place on the device.
type weight struct {
	WeightInfo
	src    *loader.Tensor
	repack *Repack
	parts  []region // beside WeightInfo.Parts
}

const (
	align = 256 // bytes; at least what any device asks of a binding's offset
	slack = 256 // bytes after each part that a kernel may read and ignore
)

// newWeight cuts a tensor into parts that one binding can hold.
func newWeight(t *loader.Tensor, want model.Tensor, repack *Repack, l vk.Limits) (*weight, error) {
	w := &weight{src: t, repack: repack}
	w.WeightInfo = WeightInfo{Type: t.Type, Rows: want.Rows, Cols: want.Cols, RowBytes: t.RowBytes, Repacked: repack != nil}
	if repack != nil {
		w.RowBytes = repack.RowBytes(want.Cols)
	}
	most := int(bindable(l) / int64(w.RowBytes))
	if most == 0 {
		return nil, fmt.Errorf("gpu: %s: a row of %d bytes is longer than a binding of %d", t.Name, w.RowBytes, bindable(l))
	}
	// Equal parts keep every part's dispatch alike.
	n := (w.Rows + most - 1) / most
	each := (w.Rows + n - 1) / n
	for first := 0; first < w.Rows; first += each {
		rows := min(each, w.Rows-first)
		w.Parts = append(w.Parts, Part{First: first, Rows: rows, Bytes: (int64(rows)*int64(w.RowBytes) + 15) &^ 15})
	}
	return w, nil
}

// bindable is the most bytes that one binding can hold, as storage or as texels.
func bindable(l vk.Limits) int64 {
	return min(l.MaxStorageRange, l.MaxTexelElements*16, l.MaxBuffer, l.MaxAllocation) &^ (align - 1)
}

// bufferLimit is the size to which weights are collected in one buffer.
func bufferLimit(l vk.Limits) int64 {
	const few = 4 << 30 // for a handful of buffers whatever the model
	return min(l.MaxBuffer, l.MaxAllocation, few) &^ (align - 1)
}

// demand is what a set of tensors needs on the device: the sizes of its buffers,
// with each tensor's place in them.
type demand struct {
	weights []*weight
	caches  []*cache
	names   []string // of weights, then of caches
	buffers []int64  // bytes
	at      []place  // of every part of every weight in order, then of every cache
	upload  int64    // bytes of weights on the device
	cached  int64    // bytes of caches
}

type place struct {
	buffer    int
	off, size int64
}

// errCacheRange says that a cache is larger than one binding.
var errCacheRange = errors.New("too long a context")

// plan finds the tensors in keep and gives each a place. Nothing is allocated.
func (k *Kernels) plan(src *loader.File, keep []model.Tensor) (*demand, error) {
	l := k.info.Limits
	d := &demand{}
	var ws, cs []model.Tensor
	for _, t := range keep {
		if t.Kind == model.Cache {
			cs = append(cs, t)
		} else {
			ws = append(ws, t)
		}
	}
	// The output matrix first: memory given out late may be slower, and it is read
	// whole for every token. It has the most rows and comes late in the plan.
	slices.Reverse(ws)
	slices.SortStableFunc(ws, func(a, b model.Tensor) int { return cmp.Compare(b.Rows, a.Rows) })

	limit := bufferLimit(l)
	put := func(size int64) {
		last := len(d.buffers) - 1
		if last < 0 || d.buffers[last]+size+slack > limit {
			d.buffers = append(d.buffers, 0)
			last++
		}
		d.at = append(d.at, place{last, d.buffers[last], size})
		d.buffers[last] += (size + slack + align - 1) &^ (align - 1)
	}
	for _, t := range ws {
		ft := src.Tensor(t.Name)
		if ft == nil {
			return nil, fmt.Errorf("gpu: the file has no tensor %s", t.Name)
		}
		w, err := newWeight(ft, t, k.Repack(ft.Type), l)
		if err != nil {
			return nil, err
		}
		for _, p := range w.Parts {
			put(p.Bytes)
			d.upload += p.Bytes
		}
		d.weights, d.names = append(d.weights, w), append(d.names, t.Name)
	}
	for _, t := range cs {
		c := &cache{rows: t.Rows, cols: t.Cols}
		c.size = int64(t.Rows) * int64(t.Cols) * 2
		if c.size > bindable(l) {
			return nil, fmt.Errorf("gpu: %s: %d positions are %d MiB, the device binds %d MiB: %w; use a context of %d or less",
				t.Name, t.Rows, mib(c.size), mib(bindable(l)), errCacheRange, int(bindable(l)/int64(t.Cols*2))/model.PageLen*model.PageLen)
		}
		put(c.size)
		d.cached += c.size
		d.caches, d.names = append(d.caches, c), append(d.names, t.Name)
	}
	return d, nil
}

// load allocates the buffers, uploads the weights and clears the caches.
func (b *Backend) load(src *loader.File, keep []model.Tensor) error {
	d, err := b.kernels.plan(src, keep)
	if err != nil {
		return err
	}
	for i, size := range d.buffers {
		buf, err := b.dev.NewBuffer(fmt.Sprintf("weights %d of %d", i+1, len(d.buffers)), size, vk.OnDevice)
		if err != nil {
			return fmt.Errorf("gpu: %s: %d MiB of weights and %d MiB of key–value memory: %w", b.info.Name, mib(d.upload), mib(d.cached), err)
		}
		b.held = append(b.held, buf)
	}
	at := d.at
	take := func() (r region) {
		r = region{b.held[at[0].buffer], at[0].off, at[0].size}
		at = at[1:]
		return r
	}
	for i, w := range d.weights {
		for range w.Parts {
			w.parts = append(w.parts, take())
		}
		b.weights[d.names[i]] = w
	}
	if err := b.clearRegions(d); err != nil {
		return err
	}
	for i, c := range d.caches {
		c.region = take()
		b.caches[d.names[len(d.weights)+i]] = c
	}
	return b.upload(src, d.weights, d.upload)
}

// clearRegions zeroes the caches: a kernel may read a few positions beyond the
// context and multiply them by zero, which must not meet a NaN.
func (b *Backend) clearRegions(d *demand) error {
	r, err := b.dev.NewRecorder()
	if err != nil {
		return fmt.Errorf("gpu: %w", err)
	}
	for _, p := range d.at[len(d.at)-len(d.caches):] {
		r.Fill(b.held[p.buffer], p.off, p.size, 0)
	}
	return b.once(r)
}

// once runs what r recorded and frees it.
func (b *Backend) once(r *vk.Recorder) error {
	c, err := r.End()
	if err != nil {
		return fmt.Errorf("gpu: %w", err)
	}
	defer c.Close()
	if err := b.start(c, "memory"); err != nil {
		return b.failed(err, "", "")
	}
	if err := b.dev.Wait(c); err != nil {
		return b.failed(err, "", "")
	}
	return nil
}

func mib(bytes int64) int64 { return (bytes + 1<<20 - 1) >> 20 }
