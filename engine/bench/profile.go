package bench

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"eclat/engine"
	"eclat/loader/manifest"
	"eclat/loader/quant"
	"eclat/model"
)

// Profile is a generated token broken down by op.
type Profile struct {
	Tokens  int           // measured
	Depth   int           // position of the first
	Total   time.Duration // wall-clock time of a token, mean
	Kernels []Kernel      // the slowest first
}

// Kernel is what one kind of step takes of a token.
type Kernel struct {
	Op    model.Op
	Name  string        // of the tensor written, without its layer: "ffn_down"
	Type  quant.Type    // of the weight; F32 without one
	Calls int           // in a token
	Time  time.Duration // in a token, all calls
	Bytes int64         // of weights and key–value memory read in a token
	Share float64       // of the sum of all kernels
}

// Rate returns the bytes a second that the kernel reads.
func (k *Kernel) Rate() float64 {
	if k.Time <= 0 {
		return 0
	}
	return float64(k.Bytes) / k.Time.Seconds()
}

// ErrNoTimes says that a device cannot time its steps.
var ErrNoTimes = errors.New("the device does not time its steps")

// RunProfile times every step of tokens tokens after a warm-up of as many.
func RunProfile(ctx context.Context, e *engine.Engine, tokens int) (*Profile, error) {
	p, err := e.NewProbe(engine.ProbeOptions{Tokens: 1, Profile: true})
	if err != nil {
		return nil, err
	}
	defer p.Close()
	ids := prompt(e, 2*tokens)
	sum := make([]time.Duration, len(p.Steps))
	out := &Profile{Tokens: tokens, Depth: tokens}
	for i := range ids {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		start := time.Now()
		if _, err := p.Run(ids[i : i+1]); err != nil {
			return nil, err
		}
		if i < tokens {
			continue
		}
		out.Total += time.Since(start) / time.Duration(tokens)
		if !p.Times(sum) {
			return nil, ErrNoTimes
		}
	}
	positions := int64(tokens) + int64(tokens+1)/2 // before the average token, itself included
	out.add(p.Steps, sum, positions)
	return out, nil
}

// add sums the steps of one kind. A step without a time was done together with the
// one before it that has one: what it reads counts there, and products carry its
// name too, as in "ffn_gate+ffn_up".
func (p *Profile) add(steps []engine.ProbeStep, sum []time.Duration, positions int64) {
	type key struct {
		op   model.Op
		name string
		ty   quant.Type
	}
	at := map[key]int{}
	var total time.Duration
	for i := 0; i < len(steps); {
		s := steps[i]
		k, took := key{s.Op, stem(s.Name), s.Type}, sum[i]
		bytes := read(&s, positions)
		for i++; i < len(steps) && sum[i] == 0; i++ {
			bytes += read(&steps[i], positions)
			if steps[i].Op == model.MatMul {
				k.name += "+" + stem(steps[i].Name)
			}
		}
		j, ok := at[k]
		if !ok {
			j = len(p.Kernels)
			at[k] = j
			p.Kernels = append(p.Kernels, Kernel{Op: s.Op, Name: k.name, Type: s.Type})
		}
		x := &p.Kernels[j]
		x.Calls++
		x.Time += took
		x.Bytes += bytes
		total += took
	}
	for i := range p.Kernels {
		x := &p.Kernels[i]
		x.Share = float64(x.Time) / float64(max(1, total))
		x.Time /= time.Duration(p.Tokens)
	}
	slices.SortStableFunc(p.Kernels, func(a, b Kernel) int { return cmp.Compare(b.Time, a.Time) })
}

// stem takes the layer off a tensor's name: "blk.3.ffn_down" is "ffn_down".
func stem(name string) string {
	_, rest := manifest.CutLayer(name)
	return rest
}

// read returns the bytes of weights and key–value memory that a step reads for a
// token with that many positions before it, itself included.
func read(s *engine.ProbeStep, positions int64) int64 { return s.Fixed + s.Row + s.Cache*positions }
