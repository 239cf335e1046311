package conformance

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"eclat/loader/quant"
	"eclat/model"
)

// pages are the cases of PageIO.
func pages() []*Case {
	return []*Case{
		{Op: "memory", Name: "saved, restored and copied", check: savedAndCopied},
		{Op: "memory", Name: "what Save writes", check: savedFloats},
		{Op: "memory", Name: "integers that another device saved", check: savedIntegers},
		{Op: "memory", Name: "units outside are refused", check: outside},
		{Op: "memory", Name: "fresh memory is zero", check: zeroed},
	}
}

// unitsOf calls f for each unit that a sequence has.
func unitsOf(a *actor, f func(pool, i int, u int32) error) error {
	for pool, units := range a.units {
		for i, u := range units {
			if u >= 0 {
				if err := f(pool, i, u); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// savedAndCopied takes a sequence of every kind of memory to position 75 and lets it
// go on: undisturbed, copied to other units, restored there from bytes, and restored
// in a fresh backend. All give the same bits, and the original is none the worse.
func savedAndCopied(_ *Case, _, open Opener) (float64, error) {
	c := miniature(38, 1, false)
	c.room = model.Room{Pages: 12, Seqs: 4, Chunk: 38}
	more := []int{1, 9, 1, 30, 1}
	ctx := context.Background()
	type unit struct{ pool, i int }
	saved := map[unit][]byte{}
	var want []answer
	goOn := func(r *rig, p model.Program, cast *cast, from *actor) ([]answer, error) {
		cast.seqs[0] = &actor{from.pos, cloneUnits(from.units)}
		var got []answer
		for _, b := range cast.alone(0, more...) {
			x, err := r.run(p, b)
			if err != nil {
				return nil, err
			}
			got = append(got, x)
		}
		return got, nil
	}
	same := func(what string, got []answer) error {
		for i := range want {
			if !sameBits(want[i].rows, got[i].rows) {
				return fmt.Errorf("%s, run %d: other bits; %s", what, i, worst(want[i].rows, got[i].rows))
			}
		}
		return nil
	}
	// What a sequence feeds in depends on its number, so it goes on as sequence 0
	// wherever its units are.
	other := func(cast *cast, from *actor) *actor {
		a := &actor{pos: from.pos, units: cloneUnits(from.units)}
		for pool := range a.units {
			for i, u := range a.units[pool] {
				if u >= 0 {
					a.units[pool][i] = cast.take(pool)
				}
			}
		}
		return a
	}
	err := c.with(open, func(r *rig) error {
		p, err := r.compile(c.opts)
		if err != nil {
			return err
		}
		io := r.be.Pages()
		cast := newCast(r.plan)
		for _, b := range cast.alone(0, 38, 36, 1) {
			if _, err := r.run(p, b); err != nil {
				return err
			}
		}
		begun := cast.seqs[0]
		if err := unitsOf(begun, func(pool, i int, u int32) error {
			n := io.UnitBytes(pool)
			if n < 1 {
				return fmt.Errorf("a unit of pool %d takes %d bytes", pool, n)
			}
			saved[unit{pool, i}] = make([]byte, n)
			return io.Save(ctx, pool, u, saved[unit{pool, i}])
		}); err != nil {
			return err
		}
		copied, restored := other(cast, begun), other(cast, begun)
		if err := unitsOf(begun, func(pool, i int, u int32) error {
			return errors.Join(io.Copy(ctx, pool, u, copied.units[pool][i]),
				io.Copy(ctx, pool, u, u), // onto itself: nothing
				io.Restore(ctx, pool, restored.units[pool][i], saved[unit{pool, i}]))
		}); err != nil {
			return err
		}
		if want, err = goOn(r, p, cast, begun); err != nil {
			return err
		}
		for what, a := range map[string]*actor{"copied": copied, "restored beside the original": restored} {
			got, err := goOn(r, p, cast, a)
			if err == nil {
				err = same(what, got)
			}
			if err != nil {
				return err
			}
		}
		// The original's units hold what came after; put back, it goes on as before.
		cast = newCast(r.plan)
		for pool, units := range begun.units { // those are taken
			for _, u := range units {
				if u >= 0 {
					cast.keep(pool, u)
				}
			}
		}
		if err := unitsOf(begun, func(pool, i int, u int32) error { return io.Restore(ctx, pool, u, saved[unit{pool, i}]) }); err != nil {
			return err
		}
		got, err := goOn(r, p, cast, begun)
		if err != nil {
			return err
		}
		return same("restored in place", got)
	})
	if err != nil {
		return 0, err
	}
	return 0, c.with(open, func(r *rig) error {
		p, err := r.compile(c.opts)
		if err != nil {
			return err
		}
		cast := newCast(r.plan)
		a := &actor{pos: 75, units: make([][]int32, len(r.plan.Pools))}
		for pool, pl := range r.plan.Pools {
			n := 1
			if pl.Per != model.Sequence {
				n = model.Pages(75)
			}
			for i := range n {
				u := int32(-1)
				if data := saved[unit{pool, i}]; data != nil {
					u = cast.take(pool)
					if err := r.be.Pages().Restore(ctx, pool, u, data); err != nil {
						return err
					}
				}
				a.units[pool] = append(a.units[pool], u)
			}
		}
		got, err := goOn(r, p, cast, a)
		if err != nil {
			return err
		}
		return same("restored elsewhere", got)
	})
}

// savedIntegers saves pages of integers on the reference and on the device: the bytes are
// alike, as package model has them, and a sequence goes on from the reference's.
func savedIntegers(_ *Case, openRef, open Opener) (float64, error) {
	ctx := context.Background()
	for _, m := range [][2]model.Memory{{eights, fours}, {fours, eights}} {
		c := attentionTest(heads{4, 2, 64, 32}, m[0], m[1], 64)
		c.room.Pages = 3
		const begun = 2 * model.PageLen
		var saved [][]byte
		var want answer
		run := func(saved *[][]byte, after *answer) func(r *rig) error {
			return func(r *rig) error {
				p, err := r.compile(c.opts)
				if err != nil {
					return err
				}
				cast := newCast(r.plan)
				if _, err := r.run(p, cast.batch(turn{0, begun})); err != nil {
					return err
				}
				for _, u := range cast.seqs[0].units[0] {
					page := make([]byte, r.be.Pages().UnitBytes(0))
					if err := r.be.Pages().Save(ctx, 0, u, page); err != nil {
						return err
					}
					*saved = append(*saved, page)
				}
				*after, err = r.run(p, cast.batch(turn{0, 9}))
				return err
			}
		}
		if err := c.with(openRef, run(&saved, &want)); err != nil {
			return 0, refFails(err)
		}
		var own [][]byte
		var got answer
		if err := c.with(open, run(&own, &got)); err != nil {
			return 0, err
		}
		for i := range saved {
			if !bytes.Equal(saved[i], own[i]) {
				return 0, fmt.Errorf("page %d of keys in %s and values in %s is saved as other bytes than the reference's", i, m[0].Type, m[1].Type)
			}
		}
		err := c.with(open, func(r *rig) error {
			p, err := r.compile(c.opts)
			if err != nil {
				return err
			}
			cast := newCast(r.plan)
			a := &actor{pos: begun, units: make([][]int32, 1)}
			cast.seqs[0] = a
			for _, page := range saved {
				u := cast.take(0)
				if err := r.be.Pages().Restore(ctx, 0, u, page); err != nil {
					return err
				}
				a.units[0] = append(a.units[0], u)
			}
			x, err := r.run(p, cast.batch(turn{0, 9}))
			if err == nil && !sameBits(x.rows, want.rows) {
				err = fmt.Errorf("keys in %s and values in %s of the reference, restored: other bits; %s", m[0].Type, m[1].Type, worst(want.rows, x.rows))
			}
			return err
		})
		if err != nil {
			return 0, err
		}
	}
	return 0, nil
}

// savedFloats looks for stored float32 numbers in what Save writes, wherever they lie
// there, and for what another unit holds, which must not be there.
func savedFloats(_ *Case, _, open Opener) (float64, error) {
	c := storeTest(quant.F32)
	return 0, c.with(open, func(r *rig) error {
		p, err := r.compile(c.opts)
		if err != nil {
			return err
		}
		cast := newCast(r.plan)
		mine, other := cast.batch(turn{0, model.PageLen}), cast.batch(turn{1, model.PageLen})
		for _, b := range []*model.Batch{mine, other} {
			if _, err := r.run(p, b); err != nil {
				return err
			}
		}
		data := make([]byte, r.be.Pages().UnitBytes(0))
		if err := r.be.Pages().Save(context.Background(), 0, cast.seqs[0].units[0][0], data); err != nil {
			return err
		}
		count := map[uint32]int{}
		for i := 0; i+4 <= len(data); i += 4 {
			count[binary.LittleEndian.Uint32(data[i:])]++
		}
		for i, x := range mine.Rows {
			if count[math.Float32bits(x)] < 2 { // a key and a value
				return fmt.Errorf("element %d of the stored rows, %g, is %d times in the saved page of two memories", i, x, count[math.Float32bits(x)])
			}
		}
		foreign := 0
		for _, x := range other.Rows {
			if count[math.Float32bits(x)] > 0 {
				foreign++
			}
		}
		if foreign > len(other.Rows)/100 { // a number may be in both by chance
			return fmt.Errorf("%d of %d numbers of another page are in the saved one", foreign, len(other.Rows))
		}
		return nil
	})
}

// outside asks for units and sizes that do not exist.
func outside(_ *Case, _, open Opener) (float64, error) {
	c, good := embedTest()
	return 0, c.with(open, func(r *rig) error {
		p, err := r.compile(c.opts)
		if err != nil {
			return err
		}
		ctx, io := context.Background(), r.be.Pages()
		want, err := r.run(p, good())
		if err != nil {
			return err
		}
		for pool, pl := range r.plan.Pools {
			end, buf := int32(pl.Units), make([]byte, io.UnitBytes(pool))
			for what, err := range map[string]error{
				"Copy from past the end": io.Copy(ctx, pool, end, 0),
				"Copy to past the end":   io.Copy(ctx, pool, 0, end),
				"Copy from −1":           io.Copy(ctx, pool, -1, 0),
				"Copy to −1":             io.Copy(ctx, pool, 0, -1),
				"Save past the end":      io.Save(ctx, pool, end, buf),
				"Save −1":                io.Save(ctx, pool, -1, buf),
				"Save to too little":     io.Save(ctx, pool, 0, buf[1:]),
				"Restore past the end":   io.Restore(ctx, pool, end, buf),
				"Restore −1":             io.Restore(ctx, pool, -1, buf),
				"Restore too little":     io.Restore(ctx, pool, 0, buf[1:]),
				"Restore too much":       io.Restore(ctx, pool, 0, append(buf, 0)),
			} {
				if err == nil {
					return fmt.Errorf("%s, pool %d: no error", what, pool)
				}
			}
		}
		for _, pool := range []int{-1, len(r.plan.Pools)} {
			if io.Copy(ctx, pool, 0, 0) == nil || io.Save(ctx, pool, 0, nil) == nil || io.Restore(ctx, pool, 0, nil) == nil {
				return fmt.Errorf("pool %d of %d: no error", pool, len(r.plan.Pools))
			}
		}
		got, err := r.run(p, good())
		if err != nil {
			return err
		}
		if !sameBits(want.rows, got.rows) {
			return fmt.Errorf("other bits afterwards; %s", worst(want.rows, got.rows))
		}
		return nil
	})
}

// zeroed saves units that nobody has written.
func zeroed(_ *Case, _, open Opener) (float64, error) {
	c := miniature(4, 1, false)
	c.room = model.Room{Pages: 2, Seqs: 2, Chunk: 4}
	return 0, c.with(open, func(r *rig) error {
		for pool, pl := range r.plan.Pools {
			data := make([]byte, r.be.Pages().UnitBytes(pool))
			for u := range pl.Units {
				for i := range data {
					data[i] = 0xff
				}
				if err := r.be.Pages().Save(context.Background(), pool, int32(u), data); err != nil {
					return err
				}
				for i, x := range data {
					if x != 0 {
						return fmt.Errorf("byte %d of unit %d of pool %d is %d", i, u, pool, x)
					}
				}
			}
		}
		return nil
	})
}

func cloneUnits(units [][]int32) [][]int32 {
	out := make([][]int32, len(units))
	for i, u := range units {
		out[i] = append([]int32{}, u...)
	}
	return out
}
