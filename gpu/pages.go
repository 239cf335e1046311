package gpu

import (
	"context"
	"fmt"

	"eclat/gpu/vk"
	"eclat/model"
)

// pages implements model.PageIO: a unit of a pool is a range of each of its memories.
// It is used between runs. Memory that the host can reach is read and written where
// it lies, other memory through a staging buffer that is made when first needed.
type pages struct {
	b    *Backend
	pool []poolUnits
	back *vk.Buffer // of the largest unit; for Save
	up   *vk.Buffer // for Restore
}

// poolUnits is what a unit of one pool is made of.
type poolUnits struct {
	units  int
	bytes  int       // of a unit over all memories
	pieces []*memory // in the order of the plan; a unit takes size/units bytes of each
}

// Pages implements model.Backend.
func (b *Backend) Pages() model.PageIO { return &b.pages }

// init finds the pieces of a loaded plan's pools.
func (g *pages) init(p *model.Plan) {
	g.pool = make([]poolUnits, len(p.Pools))
	for i, pool := range p.Pools {
		g.pool[i] = poolUnits{units: pool.Units, bytes: int(p.UnitBytes(i))}
	}
	for _, t := range p.Memory() {
		g.pool[t.Pool].pieces = append(g.pool[t.Pool].pieces, g.b.memories[t.Name])
	}
}

// UnitBytes implements model.PageIO.
func (g *pages) UnitBytes(pool int) int {
	if pool < 0 || pool >= len(g.pool) {
		return 0
	}
	return g.pool[pool].bytes
}

// check says why nothing can be done with a unit.
func (g *pages) check(ctx context.Context, pool int, unit int32) error {
	switch {
	case g.b.lost != nil:
		return g.b.lost
	case g.b.state != loaded:
		return errNotLoaded
	case pool < 0 || pool >= len(g.pool):
		return fmt.Errorf("gpu: pool %d of %d", pool, len(g.pool))
	case unit < 0 || int(unit) >= g.pool[pool].units:
		return fmt.Errorf("gpu: unit %d of pool %d, which has %d", unit, pool, g.pool[pool].units)
	}
	return ctx.Err()
}

// each calls do with the place of a unit in each memory of a pool, and with where
// that piece begins in the unit's bytes.
func (g *pages) each(pool int, unit int32, do func(buf *vk.Buffer, off, at, n int64)) {
	p, at := &g.pool[pool], int64(0)
	for _, m := range p.pieces {
		n := m.size / int64(p.units)
		do(m.buf, m.off+int64(unit)*n, at, n)
		at += n
	}
}

// Copy implements model.PageIO: all memories in one submit.
func (g *pages) Copy(ctx context.Context, pool int, from, to int32) error {
	if err := g.check(ctx, pool, from); err != nil {
		return err
	}
	if err := g.check(ctx, pool, to); err != nil || from == to {
		return err
	}
	r, err := g.b.record()
	if err != nil {
		return err
	}
	g.each(pool, from, func(buf *vk.Buffer, off, _, n int64) {
		r.Copy(buf, off, buf, off+int64(to-from)*n, n)
	})
	return g.b.once(r, "memory")
}

// Save implements model.PageIO.
func (g *pages) Save(ctx context.Context, pool int, unit int32, dst []byte) error {
	if err := g.check(ctx, pool, unit); err != nil {
		return err
	}
	if err := g.sized(pool, len(dst)); err != nil {
		return err
	}
	if g.b.readable(g.b.held[0]) {
		g.each(pool, unit, func(buf *vk.Buffer, off, at, n int64) { copy(dst[at:], buf.Bytes()[off:][:n]) })
		return nil
	}
	back, err := g.staging(&g.back, "saved units", vk.Readback)
	if err != nil {
		return err
	}
	r, err := g.b.record()
	if err != nil {
		return err
	}
	g.each(pool, unit, func(buf *vk.Buffer, off, at, n int64) { r.Copy(buf, off, back, at, n) })
	if err := g.b.once(r, "memory"); err != nil {
		return err
	}
	copy(dst, back.Bytes())
	return nil
}

// Restore implements model.PageIO.
func (g *pages) Restore(ctx context.Context, pool int, unit int32, src []byte) error {
	if err := g.check(ctx, pool, unit); err != nil {
		return err
	}
	if err := g.sized(pool, len(src)); err != nil {
		return err
	}
	if g.b.held[0].Bytes() != nil && !g.b.unmapped {
		g.each(pool, unit, func(buf *vk.Buffer, off, at, n int64) { copy(buf.Bytes()[off:][:n], src[at:]) })
		return nil
	}
	up, err := g.staging(&g.up, "restored units", vk.Upload)
	if err != nil {
		return err
	}
	copy(up.Bytes(), src)
	r, err := g.b.record()
	if err != nil {
		return err
	}
	g.each(pool, unit, func(buf *vk.Buffer, off, at, n int64) { r.Copy(up, at, buf, off, n) })
	return g.b.once(r, "memory")
}

func (g *pages) sized(pool, n int) error {
	if want := g.pool[pool].bytes; n != want {
		return fmt.Errorf("gpu: %d bytes for a unit of %d", n, want)
	}
	return nil
}

// staging returns a buffer that holds the largest unit.
func (g *pages) staging(buf **vk.Buffer, name string, use vk.Use) (*vk.Buffer, error) {
	if *buf != nil {
		return *buf, nil
	}
	most := 1
	for i := range g.pool {
		most = max(most, g.pool[i].bytes)
	}
	b, err := g.b.buffer(name, int64(most), use)
	if err == nil {
		*buf = b
	}
	return b, err
}
