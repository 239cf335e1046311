package model

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// Pooling says how the hidden rows of a text become one vector, its embedding. The
// numbers are those of the key pooling_type.
type Pooling uint8

const (
	NoPooling   Pooling = iota // the model is not made for it
	MeanPooling                // the mean of all rows
	CLSPooling                 // the first row
	LastPooling                // the last row
)

var poolingNames = [...]string{"none", "mean", "cls", "last"}

func (p Pooling) String() string { return poolingNames[p] }

// MarshalText writes the pooling's name.
func (p Pooling) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// ParsePooling reads a pooling's name: mean, cls or last.
func ParsePooling(name string) (Pooling, error) {
	if i := slices.Index(poolingNames[1:], name); i >= 0 {
		return Pooling(1 + i), nil
	}
	return NoPooling, fmt.Errorf("pooling %.20q: give %s", name, strings.Join(poolingNames[1:], ", "))
}

// Rows says which of a text's n hidden rows are pooled: first…end−1.
func (p Pooling) Rows(n int) (first, end int) {
	switch p {
	case MeanPooling:
		return 0, n
	case CLSPooling:
		return 0, 1
	}
	return n - 1, n
}

// Pooler makes the embedding of a text of its hidden rows h, by numerics' definition:
//
//	s[j] = Σ h[t][j]          over the pooled rows, t rising
//	m[j] = s[j] / rows
//	v[j] = m[j] / √Σ m[j]²    j rising; 0 where the sum is 0
//
// in float64, each operation rounded by itself, and v rounded once to float32.
type Pooler struct {
	sum  []float64
	rows int
}

// NewPooler is for rows of cols elements.
func NewPooler(cols int) *Pooler { return &Pooler{sum: make([]float64, cols)} }

// Add takes the next row, (cols).
func (p *Pooler) Add(row []float32) {
	p.rows++
	for j, x := range row {
		p.sum[j] += float64(x)
	}
}

// Rows is how many rows were added.
func (p *Pooler) Rows() int { return p.rows }

// Vector returns the embedding, (cols), of length 1; false where a row was not finite.
func (p *Pooler) Vector() ([]float32, bool) {
	squares := 0.0
	for _, s := range p.sum {
		m := s / float64(p.rows)
		squares += float64(m * m)
	}
	if math.IsNaN(squares) || math.IsInf(squares, 0) {
		return nil, false
	}
	v := make([]float32, len(p.sum))
	if length := math.Sqrt(squares); length > 0 {
		for j, s := range p.sum {
			v[j] = float32(s / float64(p.rows) / length)
		}
	}
	return v, true
}
