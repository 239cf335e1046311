package ref

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"

	"eclat/cpu/host"
	"eclat/loader/quant"
	"eclat/model"
	"eclat/model/numerics"
)

// pool is the memory of one pool: its units one after the other, and in a unit the
// rows of each of its memories.
type pool struct {
	data []byte // (Units, unit)
	unit int    // bytes
	rows int    // rows of a memory in a unit
}

// memory is where a memory lies in its pool's units.
type memory struct {
	tensor model.Tensor
	at     int // bytes from the start of a unit
	row    int // bytes of a row, of its share where a page's scales lie apart
	rows   int // in a unit
}

// place is a row of a memory.
type place struct {
	*memory
	unit []byte // (rows, Cols) elements of tensor.Type, or as model.InBlocks has them
	r    int
}

// ints are the places of a row's integers and scales in its unit, in bytes.
func (p place) ints() (q, d int) {
	cols := p.tensor.Cols
	bytes := p.row - cols/numerics.BlockLen*2 // of a row's integers
	return p.r * bytes, p.rows*bytes + p.r*cols/numerics.BlockLen*2
}

// makeMemory makes the pools of p, zeroed.
func (b *Backend) makeMemory(p *model.Plan) error {
	b.memory = map[string]*memory{}
	longest := 0
	for i, pl := range p.Pools {
		q := pool{rows: pl.RowsOf()}
		for _, t := range p.Memory() {
			if t.Pool != i {
				continue
			}
			if err := p.CanKeep(&t); err != nil {
				return fmt.Errorf("ref: %w", err)
			}
			row, _ := t.Type.RowBytes(uint64(t.Cols))
			b.memory[t.Name] = &memory{t, q.unit, int(row), q.rows}
			q.unit += q.rows * int(row)
			longest = max(longest, t.Cols)
		}
		var err error
		if q.data, err = host.Make[byte](int64(pl.Units), int64(q.unit), "memory of sequences"); err != nil {
			return err
		}
		b.pools = append(b.pools, q)
	}
	b.got = make([]float32, longest)
	return nil
}

// rowAt returns the row r of unit u of a memory.
func (b *Backend) rowAt(m *memory, u int32, r int) place {
	q := &b.pools[m.tensor.Pool]
	return place{m, q.data[int(u)*q.unit+m.at:][:m.rows*m.row], r}
}

// get returns n elements of a row from element at on, good until the next get.
func (b *Backend) get(p place, at, n int) []float32 {
	got := b.got[:n]
	if !model.InBlocks(p.tensor.Type) {
		size := p.row / p.tensor.Cols
		quant.Decode(p.tensor.Type, got, p.unit[p.r*p.row+at*size:][:n*size])
		return got
	}
	q, d := p.ints()
	for i := range got {
		k := at + i
		scale := binary.LittleEndian.Uint16(p.unit[d+k/numerics.BlockLen*2:])
		if p.tensor.Type == quant.Q4_0 {
			got[i] = numerics.Kept(int8(p.unit[q+k/2]>>(k%2*4)&15)-8, scale)
		} else {
			got[i] = numerics.Kept(int8(p.unit[q+k]), scale)
		}
	}
	return got
}

// put writes a whole row as memory holds it.
func (b *Backend) put(p place, x []float32) {
	row := p.unit[p.r*p.row:]
	switch p.tensor.Type {
	case quant.F16:
		for i, v := range x {
			binary.LittleEndian.PutUint16(row[2*i:], numerics.Half(v))
		}
	case quant.F32:
		for i, v := range x {
			binary.LittleEndian.PutUint32(row[4*i:], math.Float32bits(numerics.Single(v)))
		}
	case quant.Q8_0:
		p.putBlocks(&numerics.Keep8, x, func(q []byte, k int, v int8) { q[k] = byte(v) })
	case quant.Q4_0:
		p.putBlocks(&numerics.Keep4, x, func(q []byte, k int, v int8) {
			shift := k % 2 * 4
			q[k/2] = q[k/2]&^(15<<shift) | byte(v+8)<<shift
		})
	}
}

// putBlocks writes a row in blocks; set writes integer k of them.
func (p place) putBlocks(how *numerics.Keeping, x []float32, set func(q []byte, k int, v int8)) {
	var ints [numerics.BlockLen]int8
	q, d := p.ints()
	for k := 0; k < len(x); k += numerics.BlockLen {
		binary.LittleEndian.PutUint16(p.unit[d+k/numerics.BlockLen*2:], how.Block(&ints, x[k:]))
		for i, v := range ints {
			set(p.unit[q:], k+i, v)
		}
	}
}

// keep writes a whole row of float32 as it is, infinities too.
func (b *Backend) keep(p place, x []float32) {
	for i, v := range x {
		binary.LittleEndian.PutUint32(p.unit[p.r*p.row+4*i:], math.Float32bits(v))
	}
}

// pages implements model.PageIO.
type pages struct{ b *Backend }

// unit returns the bytes of a unit, or what is wrong with its number.
func (p pages) unitOf(ctx context.Context, pool int, u int32) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if pool < 0 || pool >= len(p.b.pools) {
		return nil, fmt.Errorf("ref: pool %d of %d", pool, len(p.b.pools))
	}
	q := &p.b.pools[pool]
	if at := int(u) * q.unit; u >= 0 && at+q.unit <= len(q.data) {
		return q.data[at : at+q.unit], nil
	}
	return nil, fmt.Errorf("ref: unit %d of pool %d, which has %d bytes", u, pool, len(q.data))
}

func (p pages) UnitBytes(pool int) int {
	if pool < 0 || pool >= len(p.b.pools) {
		return 0
	}
	return p.b.pools[pool].unit
}

func (p pages) Copy(ctx context.Context, pool int, from, to int32) error {
	src, err := p.unitOf(ctx, pool, from)
	if err != nil {
		return err
	}
	dst, err := p.unitOf(ctx, pool, to)
	copy(dst, src)
	return err
}

func (p pages) Save(ctx context.Context, pool int, unit int32, dst []byte) error {
	src, err := p.unitOf(ctx, pool, unit)
	if err == nil && len(dst) != len(src) {
		err = fmt.Errorf("ref: %d bytes for a unit of %d", len(dst), len(src))
	}
	if err == nil {
		copy(dst, src)
	}
	return err
}

func (p pages) Restore(ctx context.Context, pool int, unit int32, src []byte) error {
	dst, err := p.unitOf(ctx, pool, unit)
	if err == nil && len(dst) != len(src) {
		err = fmt.Errorf("ref: a unit of %d bytes from %d", len(dst), len(src))
	}
	if err == nil {
		copy(dst, src)
	}
	return err
}
