package openai

import (
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"

	"eclat/model/sample"
	"eclat/serve/core"
	"eclat/serve/field"
)

const (
	maxBias     = 4096 // entries of logit_bias
	maxBreakers = 32
	maxSeed     = math.MaxInt64
)

// readSampling reads how tokens are chosen. What is not said is as the model's file
// recommends, else as is usual; /props shows it.
func readSampling(o *field.Object, m *core.Model) sample.Settings {
	s := m.Engine.Sampling
	for i := range sample.Fields {
		f := &sample.Fields[i]
		if !o.Has(f.JSON) {
			o.Without(f.JSON)
			continue
		}
		if f.Float != nil {
			*f.Float(&s) = float32(o.Float(f.JSON, 0, -math.MaxFloat32, math.MaxFloat32))
		} else {
			*f.Whole(&s) = int32(o.Int(f.JSON, 0, math.MinInt32, math.MaxInt32))
			if f.JSON == "top_k" {
				s.TopK = max(s.TopK, 0) // −1 is off elsewhere
			}
		}
		if wrong := (*sample.Error)(nil); errors.As(f.Check(&s), &wrong) {
			o.Failf(f.JSON, "%s", wrong.Reason)
		}
	}
	if o.Has("dry_sequence_breakers") {
		s.DryBreakers = o.Texts("dry_sequence_breakers", maxBreakers, 40)
	}
	s.Bias = readBias(o)
	seed := int64(-1)
	if v := o.Value("seed"); !v.Null() {
		var err error
		seed, err = v.Whole(-1, maxSeed)
		o.Fail(err)
	}
	if s.Seed = uint64(seed); seed < 0 {
		s.Seed = uint64(rand.Uint32())
	}
	o.Only("mirostat", "0", "there is no mirostat")
	o.Refuse("samplers", "the samplers have one order")
	o.Refuse("min_keep", "there is no such limit")
	if o.Err() == nil { // what fields say together
		if err := s.Prepare(m.Engine.Tokenizer); err != nil {
			wrong := (*sample.Error)(nil)
			if !errors.As(err, &wrong) {
				o.Fail(err)
			} else if wrong.Field == "logit-bias" {
				o.Failf("logit_bias", "%s", wrong.Reason)
			} else {
				o.Failf("dry_sequence_breakers", "%s", wrong.Reason)
			}
		}
	}
	return s
}

// readBias reads logit_bias: an object of ids, as OpenAI has it, or an array of pairs, as
// llama.cpp's server has it, in which false bans a token.
func readBias(o *field.Object) (bias []sample.Bias) {
	v := o.Value("logit_bias")
	add := func(id int64, by field.Value) {
		b := sample.Bias{ID: int32(id)}
		if by.Is('f') {
			b.Add = float32(math.Inf(-1))
		} else {
			x, err := by.Number()
			if err == nil && math.Abs(x) > math.MaxFloat32 {
				err = by.Errorf("is %s, too large a number", by.Raw)
			}
			o.Fail(err)
			b.Add = float32(x)
		}
		bias = append(bias, b)
	}
	switch {
	case v.Null():
	case v.Is('{'):
		e := o.Object("logit_bias")
		if len(e.Keys()) > maxBias {
			o.Failf("logit_bias", "has more than %d entries", maxBias)
			return nil
		}
		for _, key := range e.Keys() {
			id, err := strconv.ParseInt(key, 10, 32)
			if err != nil || id < 0 {
				o.Failf("logit_bias", "has the key %.40q, which is no token's id", key)
				return nil
			}
			add(id, e.Value(key))
		}
	default:
		for _, pair := range o.List("logit_bias", maxBias) {
			p, err := pair.List(2)
			if err == nil && len(p) != 2 {
				err = pair.Errorf("is not a token's id and a number")
			}
			if err != nil {
				o.Fail(err)
				return nil
			}
			id, err := p[0].Whole(0, math.MaxInt32)
			o.Fail(err)
			add(id, p[1])
		}
	}
	slices.SortFunc(bias, func(a, b sample.Bias) int { return int(a.ID) - int(b.ID) }) // the order changes nothing
	return bias
}
