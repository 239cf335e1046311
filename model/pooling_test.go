package model

import (
	"math"
	"slices"
	"testing"
)

// TestPooler: numbers worked out by hand.
func TestPooler(t *testing.T) {
	for _, c := range []struct {
		rows [][]float32
		want []float32
	}{
		{[][]float32{{3, 4}}, []float32{0.6, 0.8}},
		{[][]float32{{0, 8}, {6, 0}}, []float32{0.6, 0.8}},
		{[][]float32{{0, 0}}, []float32{0, 0}},
		{[][]float32{{1, 2}, {-1, -2}}, []float32{0, 0}},
		{[][]float32{{math.MaxFloat32, 0}, {math.MaxFloat32, 0}}, []float32{1, 0}},                  // a sum beyond float32
		{[][]float32{{1e38, 0}, {1, 0}, {-1e38, -0.5}}, []float32{0, -1}},                           // a sum from first to last
		{[][]float32{{1e-30, 0}}, []float32{1, 0}},                                                  // a square below float32
		{[][]float32{{1, 1, 1, 1, 1}}, slices.Repeat([]float32{float32(1 / math.Sqrt(5))}, 5)},      // an odd width
		{[][]float32{{1, float32(math.Inf(1))}}, nil}, {[][]float32{{float32(math.NaN()), 0}}, nil}, // no number
	} {
		p := NewPooler(len(c.rows[0]))
		for i, row := range c.rows {
			if p.Rows() != i {
				t.Errorf("%d rows, want %d", p.Rows(), i)
			}
			p.Add(row)
		}
		for range 2 { // asking changes nothing
			got, ok := p.Vector()
			if !slices.Equal(got, c.want) || ok != (c.want != nil) {
				t.Errorf("%v: got %v, %v, want %v", c.rows, got, ok, c.want)
			}
		}
	}
}

func TestPoolingNames(t *testing.T) {
	for _, p := range []Pooling{MeanPooling, CLSPooling, LastPooling} {
		if got, err := ParsePooling(p.String()); got != p || err != nil {
			t.Errorf("%s: %v, %v", p, got, err)
		}
	}
	for _, name := range []string{"", "none", "Mean", "rank"} {
		if p, err := ParsePooling(name); err == nil {
			t.Errorf("%q is %v", name, p)
		}
	}
	if a, b := MeanPooling.Rows(5); a != 0 || b != 5 {
		t.Errorf("mean of %d to %d", a, b)
	}
	if a, b := LastPooling.Rows(5); a != 4 || b != 5 {
		t.Errorf("last of %d to %d", a, b)
	}
}
