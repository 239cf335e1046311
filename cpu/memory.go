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
// two types.
type memory struct {
	tensor model.Tensor
	rows   int       // in a unit of its pool
	keys   bool      // a unit lies (Cols, rows) and not (rows, Cols): positions side by side
	half   []uint16  // of type F16
	full   []float32 // of type F32
}

// makeMemory makes the memories of p, zeroed.
func (b *Backend) makeMemory(p *model.Plan) (err error) {
	b.memory, b.pools = map[string]*memory{}, make([][]*memory, len(p.Pools))
	for _, t := range p.Memory() {
		m := &memory{tensor: t, rows: p.Pools[t.Pool].RowsOf()}
		switch t.Type {
		case quant.F16:
			m.half, err = host.Make[uint16](int64(t.Rows), int64(t.Cols), t.Name)
		case quant.F32:
			m.full, err = host.Make[float32](int64(t.Rows), int64(t.Cols), t.Name)
		default:
			err = model.Unsupported(fmt.Errorf("cpu: memory %s of type %s", t.Name, t.Type))
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

// from returns a unit's elements from element at on.
func (m *memory) from(unit int32, at int) kernel.Kept {
	at += int(unit) * m.rows * m.tensor.Cols
	if m.half != nil {
		return kernel.Kept{Half: m.half[at:]}
	}
	return kernel.Kept{Full: m.full[at:]}
}

// unit returns the bytes of unit u.
func (m *memory) unit(u int32) []byte {
	n := m.rows * m.tensor.Cols
	if m.half != nil {
		return asBytes(m.half[int(u)*n:][:n])
	}
	return asBytes(m.full[int(u)*n:][:n])
}

// save copies unit u to dst, row by row, and restore copies it back.
func (m *memory) save(u int32, dst []byte) {
	switch unit := m.unit(u); {
	case !m.keys:
		copy(dst, unit)
	case m.half != nil:
		transpose(dst, unit, m.tensor.Cols, m.rows, 2)
	default:
		transpose(dst, unit, m.tensor.Cols, m.rows, 4)
	}
}

func (m *memory) restore(u int32, src []byte) {
	switch unit := m.unit(u); {
	case !m.keys:
		copy(unit, src)
	case m.half != nil:
		transpose(unit, src, m.rows, m.tensor.Cols, 2)
	default:
		transpose(unit, src, m.rows, m.tensor.Cols, 4)
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
