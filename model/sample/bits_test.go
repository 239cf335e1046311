package sample

import (
	"encoding/binary"
	"hash/fnv"
	"math"
	"testing"
)

// TestBits: the numbers that choose are the same to the bit on every machine, those whose
// compilers fuse multiplications and additions included. The sum was made by this code:
// that it is right others show, and here that all machines have it. See TestArm64.
func TestBits(t *testing.T) {
	v := letters()
	h := fnv.New64a()
	add := func(x uint64) { h.Write(binary.LittleEndian.AppendUint64(nil, x)) }
	s := Defaults()
	s.Repeat, s.Frequency, s.Presence, s.Bias = 1.13, 0.17, 0.11, []Bias{{3, 0.3}}
	s.DryMultiplier, s.TopNSigma, s.Typical, s.XTCProbability, s.XTCThreshold = 0.77, 1.7, 0.93, 0.4, 0.07
	s.DynaRange, s.DynaExponent = 0.37, 1.3
	if err := s.Prepare(v); err != nil {
		t.Fatal(err)
	}
	var p Sampler
	for n := range uint64(500) {
		row, ids := rowOf(len(v), n), said(60, len(v), n)
		s.Seed = n
		add(uint64(p.Choose(row, &s, ids)))
		for _, x := range p.logits {
			add(uint64(math.Float32bits(x)))
		}
		p.choose(row, 25)
		entropy, sum, logSum := p.entropy(p.cand)
		add(math.Float64bits(entropy))
		add(math.Float64bits(sum))
		add(math.Float64bits(logSum))
		add(uint64(math.Float32bits(p.temperature(&s, p.cand))))
		add(uint64(len(withinSigma(p.cand, row, 0.1+float32(n)/300))))
		add(uint64(len(p.typicalOf(p.cand, float32(n)/500))))
	}
	if got, want := h.Sum64(), uint64(0xa7445829a491843e); got != want {
		t.Errorf("%#x, want %#x", got, want)
	}
}
