package gpu

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"eclat/gpu/lower"
	"eclat/gpu/vk"
	"eclat/loader"
	"eclat/loader/quant"
	"eclat/model"
)

// weight is a tensor of the file with its place on the device.
type weight struct {
	lower.WeightInfo
	src    *loader.Tensor
	repack *lower.Repack
	parts  []region // beside WeightInfo.Parts
}

const (
	align = 256 // bytes; at least what any device asks of a binding's offset
	slack = 256 // bytes after each part that a kernel may read and ignore
)

// newWeight cuts a tensor into parts of at most bindable bytes, that one binding can hold.
func newWeight(t *loader.Tensor, want model.Tensor, repack *lower.Repack, bindable int64) (*weight, error) {
	w := &weight{src: t, repack: repack}
	w.WeightInfo = lower.WeightInfo{Type: t.Type, Rows: want.Rows, Cols: want.Cols, RowBytes: t.RowBytes, Repacked: repack != nil}
	if repack != nil {
		w.RowBytes = repack.RowBytes(want.Cols)
	}
	table := int64(lower.TableBytes(t.Type))
	most := int(max(0, bindable-table) / int64(w.RowBytes))
	if most == 0 {
		return nil, fmt.Errorf("%s: a row of %d bytes is longer than a binding of %d", t.Name, w.RowBytes, bindable)
	}
	// Equal parts keep every part's dispatch alike.
	n := (w.Rows + most - 1) / most
	each := (w.Rows + n - 1) / n
	for first := 0; first < w.Rows; first += each {
		rows := min(each, w.Rows-first)
		w.Parts = append(w.Parts, lower.Part{First: first, Rows: rows, Bytes: (int64(rows)*int64(w.RowBytes)+15)&^15 + table})
	}
	return w, nil
}

// bindableBy is the most bytes that one binding of the kernels can hold, as storage and,
// where they read any, as texels.
func bindableBy(k *lower.Kernels, l vk.Limits) int64 {
	most := min(l.MaxStorageRange, l.MaxBuffer, l.MaxAllocation)
	if k.Texels() {
		most = min(most, l.MaxTexelElements*16)
	}
	return most &^ (align - 1)
}

// bufferLimit is the size to which weights are collected in one buffer.
func bufferLimit(l vk.Limits) int64 {
	const few = 4 << 30 // for a handful of buffers whatever the model
	return min(l.MaxBuffer, l.MaxAllocation, few) &^ (align - 1)
}

// demand is what a plan's weights and memory need on the device: the sizes of the
// buffers, with each tensor's place in them.
type demand struct {
	weights  []*weight
	names    []string // of weights
	memories []*memory
	buffers  []int64 // bytes
	at       []place // of every part of every weight in order, then of every memory
	upload   int64   // bytes of weights
	kept     int64   // bytes of memory
}

type place struct {
	buffer    int
	off, size int64
}

// bytes is all of it, as the buffers take it.
func (d *demand) bytes() (n int64) {
	for _, size := range d.buffers {
		n += size
	}
	return n
}

// mostUnits bounds the units of a pool: positions are 32 bits wide.
const mostUnits = 1 << 31 / model.PageLen

// demandOf finds the plan's tensors and gives each a place. Nothing is allocated.
func demandOf(k *lower.Kernels, l vk.Limits, src model.Weights, p *model.Plan) (*demand, error) {
	d := &demand{}
	// The output matrix first: memory given out late may be slower, and it is read
	// whole for every token. It has the most rows and comes late in the plan.
	ws := p.Weights()
	slices.Reverse(ws)
	slices.SortStableFunc(ws, func(a, b model.Tensor) int { return cmp.Compare(b.Rows, a.Rows) })

	limit, bindable := bufferLimit(l), bindableBy(k, l)
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
		ft, err := model.FindWeight(src, t)
		if err != nil {
			return nil, err
		}
		w, err := newWeight(ft, t, k.Repack(ft.Type), bindable)
		if err != nil {
			return nil, err
		}
		for _, p := range w.Parts {
			put(p.Bytes)
			d.upload += p.Bytes
		}
		d.weights, d.names = append(d.weights, w), append(d.names, t.Name)
	}
	for _, t := range p.Memory() {
		m, err := newMemory(p, t, bindable)
		if err != nil {
			return nil, err
		}
		put(m.size)
		d.kept += m.size
		d.memories = append(d.memories, m)
	}
	return d, nil
}

// newMemory sizes up what a plan keeps in one tensor: one binding, of at most bindable
// bytes, must hold it.
func newMemory(p *model.Plan, t model.Tensor, bindable int64) (*memory, error) {
	if err := p.CanKeep(&t); err != nil {
		return nil, err
	}
	if t.Type == quant.Q4_0 {
		bindable = min(bindable, 2<<30) // elements are counted in 32 bits (lib/kept.glsl)
	}
	pool := p.Pools[t.Pool]
	row, ok := t.Type.RowBytes(uint64(t.Cols))
	if !ok || row == 0 || pool.Units < 0 || pool.Units > mostUnits {
		return nil, fmt.Errorf("%s: %d rows of %d elements: %w", t.Name, t.Rows, t.Cols, model.ErrNoMemory)
	}
	m := &memory{Tensor: t}
	m.size = int64(pool.Units) * int64(pool.RowsOf()) * int64(row)
	if m.size > bindable {
		if pool.Per == model.Sequence {
			return nil, fmt.Errorf("%s: %d states are %d MiB, %w of %d MiB; use %d sequences or fewer",
				t.Name, pool.Units, mib(m.size), errRange, mib(bindable), bindable/int64(row))
		}
		return nil, fmt.Errorf("%s: %d MiB are %w of %d MiB; use a context of %d or less",
			t.Name, mib(m.size), errRange, mib(bindable), bindable/int64(row)/model.PageLen*model.PageLen)
	}
	return m, nil
}

// errRange says that a memory is larger than one binding.
var errRange = vkError{errors.New("too much for one binding"), model.ErrNoMemory}

// load allocates the buffers, uploads the weights and clears the memory.
func (b *Backend) load(ctx context.Context, src model.Weights, p *model.Plan) error {
	d, err := demandOf(b.kernels, b.info.Limits, src, p)
	if err != nil {
		return fmt.Errorf("gpu: %w", err)
	}
	for _, t := range p.Weights() {
		if _, err := model.MappedWeight(src, t); err != nil {
			return fmt.Errorf("gpu: %w", err)
		}
	}
	for i, size := range d.buffers {
		buf, err := b.buffer(fmt.Sprintf("weights %d of %d", i+1, len(d.buffers)), size, vk.OnDevice)
		if err != nil {
			return fmt.Errorf("%w (%d MiB of weights and %d MiB of memory)", err, mib(d.upload), mib(d.kept))
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
	if err := b.clearMemories(d); err != nil {
		return err
	}
	for _, m := range d.memories {
		m.region = take()
		b.memories[m.Name] = m
	}
	return b.upload(ctx, src, d.weights, d.upload)
}

// clearMemories zeroes the memory: a kernel may read a few positions beyond the
// context and multiply them by zero, which must not meet a NaN.
func (b *Backend) clearMemories(d *demand) error {
	if len(d.memories) == 0 {
		return nil
	}
	r, err := b.record()
	if err != nil {
		return err
	}
	for _, p := range d.at[len(d.at)-len(d.memories):] {
		r.Fill(b.held[p.buffer], p.off, (p.size+3)&^3, 0)
	}
	return b.once(r, "memory")
}

func mib(bytes int64) int64 { return (bytes + 1<<20 - 1) >> 20 }
