package model

import (
	"errors"
	"strings"
	"testing"

	"eclat/loader/quant"
)

// TestCacheTypes: each name stands for its type, and no other name for any.
func TestCacheTypes(t *testing.T) {
	want := []quant.Type{quant.F16, quant.F32, quant.Q8_0, quant.Q4_0}
	for i, name := range CacheTypes() {
		if c, err := ParseCacheType(name); err != nil || c.Type() != want[i] || c.String() != name {
			t.Errorf("%s is %v, %v", name, c, err)
		}
	}
	for _, name := range []string{"", "F16", "q4_k", "q8_0 ", strings.Repeat("x", 1000)} {
		if c, err := ParseCacheType(name); err == nil || len(err.Error()) > 100 {
			t.Errorf("%.20q is %v, %v", name, c, err)
		}
	}
	if (Room{}).Keys.Type() != quant.F16 || (Room{}).Values.Type() != quant.F16 {
		t.Error("a room that says nothing does not keep float16")
	}
}

// TestKeysAndValues: memory of keys and values has the room's types, where heads are whole
// blocks of them.
func TestKeysAndValues(t *testing.T) {
	for _, c := range []struct {
		keys, values CacheType
		dimK, dimV   int
		what         string // that is refused
	}{
		{0, 0, 80, 20, ""}, {CacheF32, CacheF16, 1, 1, ""}, {CacheQ8_0, CacheQ4_0, 64, 32, ""}, {CacheQ4_0, CacheF32, 96, 20, ""},
		{CacheQ8_0, 0, 80, 64, "keys"}, {0, CacheQ8_0, 64, 20, "values"}, {CacheQ4_0, CacheQ4_0, 16, 16, "keys"},
	} {
		b := NewBuilder(nil, Room{Pages: 2, Keys: c.keys, Values: c.values})
		k := b.Keys(Memory{Name: "k_cache", Cols: 4 * c.dimK}, c.dimK)
		v := b.Values(Memory{Name: "v_cache", Cols: 4 * c.dimV}, c.dimV)
		_, err := b.Plan(None)
		var e *CacheTypeError
		if c.what == "" {
			if err != nil || b.plan.Tensors[k].Type != c.keys.Type() || b.plan.Tensors[v].Type != c.values.Type() {
				t.Errorf("%+v: %v", c, err)
			}
		} else if !errors.As(err, &e) || e.What != c.what || !strings.Contains(err.Error(), c.what[:1]+"_cache has") {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

// TestWholeBlocks: a plan whose memory of integers is cut within a block, or is a state, is
// refused, however it was written.
func TestWholeBlocks(t *testing.T) {
	for _, ty := range []quant.Type{quant.Q8_0, quant.Q4_0, quant.Q5_0, quant.I32} {
		ints := ty == quant.Q8_0 || ty == quant.Q4_0
		for _, m := range []Memory{
			{Name: "m", Type: ty, Cols: 64}, {Name: "m", Type: ty, Cols: 33}, {Name: "m", Per: Window, Window: 3, Type: ty, Cols: 32}, {Name: "m", Per: Sequence, Type: ty, Cols: 64},
		} {
			b := NewBuilder(nil, Room{Pages: 1})
			id := b.Memory(m)
			if err := b.plan.CanKeep(&b.plan.Tensors[id]); (err == nil) != (ints && m.Per != Sequence && m.Cols%32 == 0) {
				t.Errorf("%+v: %v", m, err)
			}
		}
		for _, c := range []struct {
			cols, heads int
			sound       bool
		}{{64, 1, true}, {64, 2, true}, {96, 2, false}, {48, 1, false}} {
			b := NewBuilder(nil, Room{Pages: 1})
			x := b.Receive("x", c.cols)
			m := b.Memory(Memory{Name: "m", Type: ty, Cols: c.cols})
			b.Store(m, x)
			_, err := b.Plan(b.Attention("a", x, m, m, c.heads, c.heads, 1))
			if (err == nil) != (ints && c.sound) {
				t.Errorf("%d heads in %d elements of %s: %v", c.heads, c.cols, ty, err)
			}
		}
	}
}
