package sample

import "math"

// adjust returns logits with bias and penalties, in the Sampler's memory: finite, and −∞
// where a token is banned. ids are the sequence's tokens so far.
func (s *Sampler) adjust(logits []float32, how *Settings, ids []int32) []float32 {
	s.logits = append(s.logits[:0], logits...)
	for _, b := range how.Bias {
		if x, ok := at(s.logits, b.ID); ok {
			if b.Add < -math.MaxFloat32 {
				*x = b.Add
			} else {
				*x = within(*x + b.Add)
			}
		}
	}
	if how.Allow != nil {
		for id := range s.logits {
			if id/64 >= len(how.Allow) || how.Allow[id/64]>>(id%64)&1 == 0 {
				s.logits[id] = float32(math.Inf(-1))
			}
		}
	}
	if how.penalises() {
		s.penalise(how, window(ids, how.LastN))
	}
	if how.dry() {
		s.repeats(how, window(ids, how.DryLastN))
	}
	return s.logits
}

// window is the last n of the tokens; all for −1.
func window(ids []int32, n int32) []int32 {
	if n < 0 || int(n) >= len(ids) {
		return ids
	}
	return ids[len(ids)-int(n):]
}

// at returns where a token's number is; ids outside the vocabulary have none.
func at[T any](x []T, id int32) (*T, bool) {
	if id < 0 || int(id) >= len(x) {
		return nil, false
	}
	return &x[id], true
}

// within keeps a sum of numbers within float32: a penalty makes no infinity. What is
// banned stays so.
func within(x float32) float32 {
	if x > math.MaxFloat32 {
		return math.MaxFloat32
	}
	if x < -math.MaxFloat32 {
		return -math.MaxFloat32
	}
	return x
}

// penalise changes the logits of the tokens of a window, each once (repetition: Keskar
// et al. 2019, "CTRL"; frequency and presence: OpenAI).
func (s *Sampler) penalise(how *Settings, recent []int32) {
	counts := table(&s.counts, len(s.logits))
	for _, id := range recent {
		if c, ok := at(counts, id); ok {
			*c++
		}
	}
	for _, id := range recent {
		c, ok := at(counts, id)
		if !ok || *c == 0 {
			continue
		}
		x, n := &s.logits[id], *c
		*c = 0
		if *x < -math.MaxFloat32 {
			continue
		}
		if how.Repeat != 0 && how.Repeat != 1 {
			if *x <= 0 {
				*x = within(float32(*x * how.Repeat))
			} else {
				*x = within(*x / how.Repeat)
			}
		}
		*x = within(*x - within(float32(float32(n)*how.Frequency)))
		*x = within(*x - how.Presence)
	}
}

// table returns n zeros; who uses them puts the zeros back.
func table(t *[]int32, n int) []int32 {
	if len(*t) < n {
		*t = make([]int32, n)
	}
	return (*t)[:n]
}
