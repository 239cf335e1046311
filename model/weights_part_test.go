package model

import (
	"math"
	"strings"
	"testing"

	"eclat/loader/quant"
)

// TestParts takes rows and elements of a file's tensors as weights of their own.
func TestParts(t *testing.T) {
	f := parts(t)
	for _, c := range []struct {
		name              string
		part              func(b *Builder) ID
		wrong             string // in the error; "" for a sound one
		rows, cols, bytes int
		from              int // byte of the tensor
	}{
		{"rows", func(b *Builder) ID { return b.RowsOf("wide", 64, 32, 3, 5) }, "", 5, 32, 5 * 34, 3 * 34},
		{"all rows", func(b *Builder) ID { return b.RowsOf("wide", 64, 32, 0, 64) }, "", 64, 32, 64 * 34, 0},
		{"elements", func(b *Builder) ID { return b.ElementsOf("vector", 32, 7, 20) }, "", 1, 20, 80, 28},
		{"elements of halves", func(b *Builder) ID { return b.ElementsOf("vector16", 32, 31, 1) }, "", 1, 1, 2, 62},
		{"a row too many", func(b *Builder) ID { return b.RowsOf("wide", 64, 32, 60, 5) }, "no part", 0, 0, 0, 0},
		{"a row before the first", func(b *Builder) ID { return b.RowsOf("wide", 64, 32, -1, 5) }, "no part", 0, 0, 0, 0},
		{"an element too many", func(b *Builder) ID { return b.ElementsOf("vector", 32, 30, 3) }, "no part", 0, 0, 0, 0},
		{"elements across rows", func(b *Builder) ID { return b.ElementsOf("filter", 96, 3, 3) }, "its shape is", 0, 0, 0, 0},
		{"of another shape", func(b *Builder) ID { return b.RowsOf("wide", 63, 32, 0, 5) }, "its shape is", 0, 0, 0, 0},
		{"of nothing", func(b *Builder) ID { return b.RowsOf("none", 64, 32, 0, 5) }, "missing", 0, 0, 0, 0},
	} {
		b := NewBuilder(f, Room{Pages: 1})
		id := c.part(b)
		if c.wrong != "" {
			if b.err == nil || !strings.Contains(b.err.Error(), c.wrong) {
				t.Errorf("%s: %v, want %q", c.name, b.err, c.wrong)
			}
			continue
		}
		if b.err != nil {
			t.Errorf("%s: %v", c.name, b.err)
			continue
		}
		want := b.plan.Tensors[id]
		got, err := MappedWeight(f, want)
		whole := f.Tensor(want.Of)
		switch {
		case err != nil:
			t.Errorf("%s: %v", c.name, err)
		case want.Rows != c.rows || want.Cols != c.cols || !want.Is(got) || len(got.Data) != c.bytes || &got.Data[0] != &whole.Data[c.from]:
			t.Errorf("%s: %d rows of %d in %d bytes, want %d of %d in %d from byte %d on", c.name, want.Rows, want.Cols, len(got.Data), c.rows, c.cols, c.bytes, c.from)
		}
		want.First = math.MaxInt
		if _, err := FindWeight(f, want); err == nil {
			t.Errorf("%s from beyond the tensor is found", c.name)
		}
		want.First, want.Type = 0, quant.Q4_0
		if _, err := FindWeight(f, want); err == nil {
			t.Errorf("%s of another type is found", c.name)
		}
	}
}
