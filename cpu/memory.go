package cpu

import (
	"context"
	"fmt"
	"unsafe"

	"eclat/cpu/host"
	"eclat/cpu/kernel"
	"eclat/loader/quant"
	"eclat/model"
	"eclat/model/numerics"
)

// memory is a tensor that is kept from run to run, (Rows, Cols) elements of one of
// the types that memory has.
type memory struct {
	tensor model.Tensor
	rows   int       // in a unit of its pool
	keys   bool      // a unit lies (Cols, rows) and not (rows, Cols): positions side by side
	half   []uint16  // of type F16
	full   []float32 // of type F32
	blocks []byte    // of integers: units as package model has a page, of keys with rows and columns changed about
	ints   int       // bytes of integers in a unit of those; scales follow
	size   int       // bytes of a unit of those
}

// makeMemory makes the memories of p, zeroed.
func (b *Backend) makeMemory(p *model.Plan) (err error) {
	b.memory, b.pools = map[string]*memory{}, make([][]*memory, len(p.Pools))
	for _, t := range p.Memory() {
		m := &memory{tensor: t, rows: p.Pools[t.Pool].RowsOf()}
		if err := p.CanKeep(&t); err != nil {
			return fmt.Errorf("cpu: %w", err)
		}
		switch t.Type {
		case quant.F16:
			m.half, err = host.Make[uint16](int64(t.Rows), int64(t.Cols), t.Name)
		case quant.F32:
			m.full, err = host.Make[float32](int64(t.Rows), int64(t.Cols), t.Name)
		default:
			row, _ := t.Type.RowBytes(uint64(t.Cols))
			m.size = m.rows * int(row)
			m.ints = m.size - m.rows*t.Cols/numerics.BlockLen*2
			m.blocks, err = host.Make[byte](int64(t.Rows), int64(row), t.Name)
		}
		if err != nil {
			return err
		}
		b.memory[t.Name] = m
		b.pools[t.Pool] = append(b.pools[t.Pool], m)
	}
	for i := range p.Steps {
		if s := &p.Steps[i]; s.Op == model.Attention {
			b.memory[p.Tensors[s.Src[1]].Name].keys = true
		}
	}
	return nil
}

// set writes x, (Cols), to a row of a unit as memory holds it.
func (m *memory) set(unit int32, r int, x []float32) {
	if m.blocks != nil {
		m.setBlocks(unit, r, x)
		return
	}
	at, step := r*len(x), 1
	if m.keys {
		at, step = r, m.rows
	}
	at += int(unit) * m.rows * len(x)
	if m.half != nil {
		for i, v := range x {
			m.half[at+i*step] = numerics.Half(v)
		}
		return
	}
	for i, v := range x {
		m.full[at+i*step] = numerics.Single(v)
	}
}

// setBlocks is set of integers.
func (m *memory) setBlocks(unit int32, r int, x []float32) {
	var q [numerics.BlockLen]int8
	how, each := &numerics.Keep8, 1 // integers to a byte
	if m.tensor.Type == quant.Q4_0 {
		how, each = &numerics.Keep4, 2
	}
	ints, scales := m.unit(unit)[:m.ints], m.scales(unit)
	at, scaleAt, step := r*len(x)/each, r*len(x)/numerics.BlockLen, 1
	if m.keys {
		at, scaleAt, step = r, r, m.rows
	}
	for len(x) > 0 {
		scales[scaleAt] = how.Block(&q, x)
		if each == 1 {
			for _, v := range q {
				ints[at] = byte(v)
				at += step
			}
		} else {
			for i := 0; i < len(q); i += 2 {
				ints[at] = byte(q[i]+8) | byte(q[i+1]+8)<<4
				at += step
			}
		}
		x, scaleAt = x[numerics.BlockLen:], scaleAt+step
	}
}

// scales are those of a unit of integers.
func (m *memory) scales(unit int32) []uint16 {
	b := m.unit(unit)[m.ints:]
	return unsafe.Slice((*uint16)(unsafe.Pointer(unsafe.SliceData(b))), len(b)/2)
}

// from returns a unit's elements from element at on.
func (m *memory) from(unit int32, at int) kernel.Kept {
	switch {
	case m.blocks != nil && m.tensor.Type == quant.Q4_0:
		return kernel.Kept{Four: m.unit(unit)[at/2 : m.ints], Scales: m.scales(unit)[at/numerics.BlockLen:]}
	case m.blocks != nil:
		return kernel.Kept{Eight: m.unit(unit)[at:m.ints], Scales: m.scales(unit)[at/numerics.BlockLen:]}
	}
	at += int(unit) * m.rows * m.tensor.Cols
	if m.half != nil {
		return kernel.Kept{Half: m.half[at:]}
	}
	return kernel.Kept{Full: m.full[at:]}
}

// unit returns the bytes of unit u.
func (m *memory) unit(u int32) []byte {
	n := m.rows * m.tensor.Cols
	switch {
	case m.blocks != nil:
		return m.blocks[int(u)*m.size:][:m.size]
	case m.half != nil:
		return asBytes(m.half[int(u)*n:][:n])
	}
	return asBytes(m.full[int(u)*n:][:n])
}

// save copies unit u to dst, row by row, and restore copies it back.
func (m *memory) save(u int32, dst []byte) {
	unit := m.unit(u)
	if !m.keys {
		copy(dst, unit)
		return
	}
	m.parts(func(from, to, cols, size int) { transpose(dst[from:to], unit[from:to], cols, m.rows, size) })
}

func (m *memory) restore(u int32, src []byte) {
	unit := m.unit(u)
	if !m.keys {
		copy(unit, src)
		return
	}
	m.parts(func(from, to, cols, size int) { transpose(unit[from:to], src[from:to], m.rows, cols, size) })
}

// parts calls f for the parts of a unit that have columns: their bytes, how many columns
// of what size.
func (m *memory) parts(f func(from, to, cols, size int)) {
	switch {
	case m.blocks != nil:
		f(0, m.ints, m.ints/m.rows, 1)
		f(m.ints, m.size, m.tensor.Cols/numerics.BlockLen, 2)
	case m.half != nil:
		f(0, 2*m.rows*m.tensor.Cols, m.tensor.Cols, 2)
	default:
		f(0, 4*m.rows*m.tensor.Cols, m.tensor.Cols, 4)
	}
}

// transpose copies src, (rows, cols) elements of size bytes, to dst, (cols, rows).
func transpose(dst, src []byte, rows, cols, size int) {
	for r := range rows {
		for c := range cols {
			copy(dst[(c*rows+r)*size:][:size], src[(r*cols+c)*size:])
		}
	}
}

// asBytes is the memory of x, in this machine's byte order.
func asBytes[T uint16 | float32](x []T) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(x))), len(x)*int(unsafe.Sizeof(x[0])))
}

// pageIO implements model.PageIO.
type pageIO struct{ b *Backend }

// check says what is wrong with a call: ctx, pool, units, and the bytes of one
// where a call has some.
func (p pageIO) check(ctx context.Context, pool int, units []int32, bytes int) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if pool < 0 || pool >= len(p.b.pools) {
		return fmt.Errorf("cpu: pool %d of %d", pool, len(p.b.pools))
	}
	for _, u := range units {
		if n := p.b.units[pool]; u < 0 || int(u) >= n {
			return fmt.Errorf("cpu: unit %d of pool %d, which has %d", u, pool, n)
		}
	}
	if n := p.UnitBytes(pool); bytes != n {
		return fmt.Errorf("cpu: %d bytes for a unit of %d", bytes, n)
	}
	return nil
}

func (p pageIO) UnitBytes(pool int) (n int) {
	if pool >= 0 && pool < len(p.b.pools) {
		for _, m := range p.b.pools[pool] {
			n += len(m.unit(0))
		}
	}
	return n
}

func (p pageIO) Copy(ctx context.Context, pool int, from, to int32) error {
	if err := p.check(ctx, pool, []int32{from, to}, p.UnitBytes(pool)); err != nil {
		return err
	}
	for _, m := range p.b.pools[pool] {
		copy(m.unit(to), m.unit(from))
	}
	return nil
}

func (p pageIO) Save(ctx context.Context, pool int, unit int32, dst []byte) error {
	if err := p.check(ctx, pool, []int32{unit}, len(dst)); err != nil {
		return err
	}
	for _, m := range p.b.pools[pool] {
		m.save(unit, dst)
		dst = dst[len(m.unit(unit)):]
	}
	return nil
}

func (p pageIO) Restore(ctx context.Context, pool int, unit int32, src []byte) error {
	if err := p.check(ctx, pool, []int32{unit}, len(src)); err != nil {
		return err
	}
	for _, m := range p.b.pools[pool] {
		m.restore(unit, src)
		src = src[len(m.unit(unit)):]
	}
	return nil
}
