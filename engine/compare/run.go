package compare

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"math"
	"slices"

	"eclat/engine/stats"
	"eclat/model/sample"
)

// Point is a place where two sides are apart. Got is the side that is judged,
// Want the one it is judged by.
type Point struct {
	Tensor   string  `json:"tensor"`
	Layer    int     `json:"layer"`
	Position int     `json:"position"` // of the token
	Element  int     `json:"element"`  // of the tensor's row, where the two differ most; of first_unequal the first that differs
	Got      Float   `json:"got"`
	Want     Float   `json:"want"`
	Error    float64 `json:"error"` // normalised squared error of the row
}

// Float is a number that JSON can hold whatever it is.
type Float float32

// MarshalJSON writes NaN and the infinities as text.
func (f Float) MarshalJSON() ([]byte, error) {
	if x := float64(f); x != x || math.IsInf(x, 0) {
		return fmt.Appendf(nil, "%q", fmt.Sprint(x)), nil
	}
	return fmt.Appendf(nil, "%g", float32(f)), nil
}

// TensorResult is how far apart the sides are in one tensor over all positions.
type TensorResult struct {
	Tensor
	Error float64 `json:"nmse"`      // Σ(got−want)² / Σ want²
	Worst float64 `json:"worst_row"` // the largest of the rows' own
	Max   Point   `json:"max"`       // the largest difference of two elements
	Diff  Float   `json:"max_diff"`  // and what it is
	Equal bool    `json:"equal"`     // bit for bit

	diff, norm float64
}

// LayerResult is the worst of a layer's tensors; layer −1 is what stands outside.
type LayerResult struct {
	Layer int     `json:"layer"`
	Error float64 `json:"nmse"`
	Diff  Float   `json:"max_diff"`
	Worst string  `json:"worst_tensor"`
	Out   float64 `json:"output_nmse"` // of the layer's last tensor, what the next one gets
}

// LogitsResult is how far apart the sides' predictions are.
type LogitsResult struct {
	MaxDiff   float64 `json:"max_logit_diff"`
	KLMean    float64 `json:"kl_mean"` // nats, of the judged side from the other
	KL99      float64 `json:"kl_p99"`
	KLMax     float64 `json:"kl_max"`
	LogProb   float64 `json:"mean_logprob_diff"` // mean |Δ log p| of the tokens of the text
	SameTop   float64 `json:"same_top"`          // share of positions whose most likely token agrees
	FirstFlip *Flip   `json:"first_differing_token"`
	flips     int
}

// Flip is a position where the most likely tokens differ.
type Flip struct {
	Position int     `json:"position"`
	Got      int32   `json:"got"`
	Want     int32   `json:"want"`
	Margin   float64 `json:"margin"` // by how many nats Want is ahead of Got on the side judged by
}

// Result is all that a comparison found.
type Result struct {
	Got       *Header        `json:"got"`
	Want      *Header        `json:"want"`
	Positions int            `json:"positions"`
	First     *Point         `json:"first_divergent"` // over the limit, in the order of computing; nil for none
	FirstDiff *Point         `json:"first_unequal"`   // not equal bit for bit; nil for none
	Numbers   int64          `json:"numbers"`         // compared, of all tensors and positions
	Sum       string         `json:"sha256"`          // of all numbers of two equal sides, by position and tensor, little endian; else ""
	Logits    LogitsResult   `json:"logits"`
	KL        []float64      `json:"kl"` // nats, by position
	Layers    []LayerResult  `json:"layers"`
	Tensors   []TensorResult `json:"tensors"`
	Limits    Limits         `json:"limits"`
	Failures  []string       `json:"failures"` // which limits were passed; empty for a sound side
}

// Run compares got with want, which it is judged by. progress is told positions
// and may be nil.
func Run(ctx context.Context, got, want Side, limits Limits, progress func(done, total int64)) (*Result, error) {
	g, w := got.Header(), want.Header()
	if err := mismatch(g, w); err != nil {
		return nil, err
	}
	r := &Result{Got: g, Want: w, Positions: len(g.Tokens), Limits: limits}
	c := comparison{Result: r, sum: sha256.New(), firsts: make([]*Point, len(g.Tensors)), unequal: make([]*Point, len(g.Tensors)),
		logP: make([]float64, w.Vocab), logQ: make([]float64, w.Vocab)}
	for i, t := range g.Tensors {
		t.Every = max(t.Every, w.Tensors[i].Every)
		r.Tensors = append(r.Tensors, TensorResult{Tensor: t, Equal: true})
	}
	for pos := range g.Tokens {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		a, err := got.Row(ctx, pos)
		if err != nil {
			return nil, err
		}
		b, err := want.Row(ctx, pos)
		if err != nil {
			return nil, err
		}
		for i := range a {
			c.row(i, pos, a[i], b[i])
		}
		last := len(a) - 1
		c.logits(pos, a[last], b[last])
		if progress != nil {
			progress(int64(pos+1), int64(len(g.Tokens)))
		}
	}
	c.finish()
	return r, nil
}

// mismatch says why two sides cannot be compared.
func mismatch(g, w *Header) error {
	switch {
	case g.Vocab != w.Vocab:
		return fmt.Errorf("the vocabularies differ: %d and %d tokens", g.Vocab, w.Vocab)
	case !slices.Equal(g.Tokens, w.Tokens):
		return errors.New("the two sides were given different tokens")
	case !sameTensors(g, w):
		return fmt.Errorf("the models have different steps: %d and %d, or other names or shapes", len(g.Tensors), len(w.Tensors))
	}
	for i := range g.Tensors {
		if a, b := g.Tensors[i].Every, w.Tensors[i].Every; a != b && a != 1 && b != 1 {
			return errors.New("the two saved runs keep different elements")
		}
	}
	return nil
}

// comparison is a Result under construction.
type comparison struct {
	*Result
	firsts, unequal []*Point  // by tensor
	logP, logQ      []float64 // (vocab)
	sumLP           float64   // Σ |Δ log p|
	bufA, bufB      []float32
	sum             hash.Hash // of what was compared; nil from the first difference on
	bytes           []byte
}

// row takes the rows of tensor i at a position.
func (c *comparison) row(i, pos int, a, b []float32) {
	t := &c.Tensors[i]
	first := pos % t.Every
	if c.Got.Tensors[i].Every == 1 && t.Every > 1 {
		c.bufA = pick(c.bufA, a, &t.Tensor, pos)
		a = c.bufA
	}
	if c.Want.Tensors[i].Every == 1 && t.Every > 1 {
		c.bufB = pick(c.bufB, b, &t.Tensor, pos)
		b = c.bufB
	}
	var diff, norm float64
	at, most := 0, -1.0
	differs := -1 // the first element whose bits do, or that is no number
	for j := range a {
		x, y := float64(a[j]), float64(b[j])
		d := math.Abs(x - y)
		if d != d { // NaN, or the same infinity: no number to trust either way
			d = math.Inf(1)
		}
		if differs < 0 && (math.Float32bits(a[j]) != math.Float32bits(b[j]) || math.IsInf(d, 1)) {
			differs = j
		}
		if d > most {
			at, most = j, d
		}
		diff += d * d
		norm += y * y
	}
	t.diff += diff
	t.norm += norm
	c.Numbers += int64(len(a))
	if differs < 0 {
		c.add(a)
		return
	}
	t.Equal, c.sum = false, nil
	e := ratio(diff, norm)
	point := func(j int) Point {
		return Point{t.Name, t.Layer, pos, first + j*t.Every, Float(a[j]), Float(b[j]), e}
	}
	p := point(at)
	t.Worst = math.Max(t.Worst, e)
	if most > float64(t.Diff) || t.Max.Tensor == "" {
		t.Diff, t.Max = Float(most), p
	}
	if c.unequal[i] == nil {
		q := point(differs)
		c.unequal[i] = &q
	}
	if c.firsts[i] == nil && !(e <= c.Limits.Row) {
		c.firsts[i] = &p
	}
}

// add sums numbers that are equal on both sides.
func (c *comparison) add(row []float32) {
	if c.sum == nil {
		return
	}
	c.bytes = c.bytes[:0]
	for _, x := range row {
		c.bytes = binary.LittleEndian.AppendUint32(c.bytes, math.Float32bits(x))
	}
	c.sum.Write(c.bytes)
}

// ratio is diff/norm, where 0/0 is no error and anything that is no number is the worst.
func ratio(diff, norm float64) float64 {
	switch e := diff / norm; {
	case diff == 0:
		return 0
	case e != e:
		return math.MaxFloat64
	default:
		return math.Min(e, math.MaxFloat64) // JSON has no infinity
	}
}

// logits takes the predictions at a position, which a Side has seen to be finite.
func (c *comparison) logits(pos int, a, b []float32) {
	l := &c.Logits
	stats.LogSoftmax(c.logP, b)
	stats.LogSoftmax(c.logQ, a)
	for i := range a {
		l.MaxDiff = math.Max(l.MaxDiff, math.Abs(float64(a[i])-float64(b[i])))
	}
	c.KL = append(c.KL, stats.KL(c.logP, c.logQ))
	if pos+1 < c.Positions {
		next := c.Got.Tokens[pos+1]
		c.sumLP += math.Abs(c.logP[next] - c.logQ[next])
	}
	if top, other := sample.Argmax(b), sample.Argmax(a); top != other {
		l.flips++
		if l.FirstFlip == nil {
			l.FirstFlip = &Flip{pos, other, top, c.logP[top] - c.logP[other]}
		}
	}
}

// finish computes what needs all positions.
func (c *comparison) finish() {
	if c.sum != nil {
		c.Sum = hex.EncodeToString(c.sum.Sum(nil))
	}
	l := &c.Logits
	l.KLMean, l.KL99, l.KLMax = stats.Mean(c.KL), stats.Quantile(c.KL, 0.99), slices.Max(c.KL)
	l.LogProb = c.sumLP / float64(max(1, c.Positions-1))
	l.SameTop = 1 - float64(l.flips)/float64(c.Positions)
	for i := range c.Tensors {
		t := &c.Tensors[i]
		t.Error = ratio(t.diff, t.norm)
		if c.First == nil {
			c.First = c.firsts[i]
		}
		if c.FirstDiff == nil {
			c.FirstDiff = c.unequal[i]
		}
		if i == 0 || t.Layer != c.Layers[len(c.Layers)-1].Layer {
			c.Layers = append(c.Layers, LayerResult{Layer: t.Layer, Worst: t.Name})
		}
		y := &c.Layers[len(c.Layers)-1]
		if t.Error > y.Error {
			y.Error, y.Worst = t.Error, t.Name
		}
		y.Diff, y.Out = max(y.Diff, t.Diff), t.Error
	}
	c.Failures = c.Limits.judge(c.Result)
}
