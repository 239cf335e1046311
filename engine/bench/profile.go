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

// ProfileContext is the least context that RunProfile takes, in tokens: one to warm
// up and one to measure.
const ProfileContext = 2

// profiling is the probe that RunProfile opens.
var profiling = engine.ProbeOptions{Tokens: 1, Profile: true}

// Probe is an engine.Options.Probe for RunProfile.
func Probe(*engine.Engine) (engine.ProbeOptions, error) { return profiling, nil }

// RunProfile times every step of tokens tokens after a warm-up of as many.
func RunProfile(ctx context.Context, e *engine.Engine, tokens int) (*Profile, error) {
	p, err := e.NewProbe(ctx, profiling)
	if err != nil {
		return nil, err
	}
	defer p.Close()
	ids := prompt(e, 2*tokens)
	sum := make([]time.Duration, len(p.Steps))
	out := &Profile{Tokens: tokens, Depth: tokens}
	for i := range ids {
		start := time.Now()
		if _, err := p.Run(ctx, ids[i:i+1]); err != nil {
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
	out.add(&e.Model.Config, p.Steps, sum)
	return out, nil
}

// add sums the steps of one kind. A step without a time was done together with the
// one before it that has one: what it reads counts there, and products carry its
// name too, as in "ffn_gate+ffn_up".
func (p *Profile) add(c *model.Config, steps []engine.ProbeStep, sum []time.Duration) {
	// read is what a step reads of weights and of key–value memory, in bytes a token.
	read := func(s *engine.ProbeStep) int64 {
		bytes := s.Fixed + s.Row
		if s.Cache > 0 {
			bytes += s.Cache * int64(seen(p.Depth, p.Tokens, c.At(s.Layer).Window)) / int64(p.Tokens)
		}
		return bytes
	}
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
		bytes := read(&s)
		for i++; i < len(steps) && sum[i] == 0; i++ {
			bytes += read(&steps[i])
			if op := steps[i].Op; op == model.MatMul || op == model.MatMulExperts {
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
