package sample

import (
	"fmt"
	"math"
)

// Settings say how to pick a token. The zero value takes the most likely; a setting's
// zero turns it off, so that Params alone are Settings too.
type Settings struct {
	Params

	Bias []Bias // added to logits, in order

	Allow []uint64 // the tokens that may be chosen: id where Allow[id/64]>>(id%64)&1 is 1; nil for all

	LastN     int32   // how many of the last tokens the penalties look at; −1 for all
	Repeat    float32 // divides positive logits and multiplies the others; 0 or 1 is off
	Frequency float32 // taken off for each time
	Presence  float32 // taken off once

	DryMultiplier float32  // of the penalty; 0 is off
	DryBase       float32  // it grows by for each token more, ≥ 1
	DryAllowed    int32    // repeated tokens from which on it counts
	DryLastN      int32    // how many of the last tokens it looks at; −1 for all, 0 is off
	DryBreakers   []string // text that ends a repetition

	TopNSigma float32 // deviations a logit may lie below the largest; ≤ 0 is off
	Typical   float32 // probability that the typical tokens kept exceed; 0 or 1 is off

	XTCProbability float32 // of leaving out the likeliest; 0 is off
	XTCThreshold   float32 // probability from which on a token is one of them; above 0.5 there is one at most, and XTC off

	DynaRange    float32 // the temperature is within Temp ± DynaRange, by the entropy; 0 is off
	DynaExponent float32 // of entropy/ln N, N being the tokens left

	breakers *breakers // of DryBreakers, made by Prepare
}

// Bias is added to the logit of a token; −∞ bans it.
type Bias struct {
	ID  int32
	Add float32
}

const (
	maxBias       = 1 << 16 // entries
	maxBreakers   = 32
	maxBreakerLen = 40 // bytes
)

// Defaults are the field's: what llama.cpp samples with where nothing is said.
func Defaults() Settings {
	return Settings{
		Params: Params{Temp: 0.8, TopK: 40, TopP: 0.95, MinP: 0.05},
		LastN:  64, Repeat: 1,
		DryBase: 1.75, DryAllowed: 2, DryLastN: -1, DryBreakers: []string{"\n", ":", "\"", "*"},
		TopNSigma: -1, Typical: 1, XTCThreshold: 0.1, DynaExponent: 1,
	}
}

// Error says which setting is wrong.
type Error struct {
	Field  string // its Field.Flag, or logit-bias or dry-sequence-breaker
	Reason string // what follows the name in a sentence
}

func (e *Error) Error() string { return fmt.Sprintf("sampling: %s %s", e.Field, e.Reason) }

// OnHost reports whether the token has to be chosen by Choose on the host, from a row of
// logits: backends do what Params say and nothing else.
func (s *Settings) OnHost() bool {
	return s.adjusts() || s.TopNSigma > 0 || s.typical() || s.xtc() || s.DynaRange > 0
}

// adjusts reports whether logits are changed before tokens are left out.
func (s *Settings) adjusts() bool {
	return len(s.Bias) > 0 || s.Allow != nil || s.penalises() || s.dry()
}

func (s *Settings) penalises() bool {
	return s.LastN != 0 && (s.Repeat != 0 && s.Repeat != 1 || s.Frequency != 0 || s.Presence != 0)
}

func (s *Settings) dry() bool     { return s.DryMultiplier > 0 && s.DryLastN != 0 }
func (s *Settings) typical() bool { return s.Typical > 0 && s.Typical < 1 }
func (s *Settings) xtc() bool     { return s.XTCProbability > 0 && s.XTCThreshold <= 0.5 }

// Check says what is wrong with settings, as an *Error; Prepare asks for it too.
func (s *Settings) Check() error {
	for i := range Fields {
		if Fields[i].get(s) == 0 {
			continue
		}
		if err := Fields[i].Check(s); err != nil {
			return err
		}
	}
	if s.DryMultiplier > 0 && s.DryBase == 0 {
		return &Error{"dry-base", "0 is not a number from 1 on"}
	}
	if len(s.Bias) > maxBias {
		return &Error{"logit-bias", fmt.Sprintf("has %d entries, the most allowed is %d", len(s.Bias), maxBias)}
	}
	for _, b := range s.Bias {
		if b.ID < 0 || b.Add != b.Add || b.Add > math.MaxFloat32 {
			return &Error{"logit-bias", fmt.Sprintf("of token %d is %g: give an id from 0 on, and a finite number or -inf", b.ID, b.Add)}
		}
	}
	if len(s.DryBreakers) > maxBreakers {
		return &Error{"dry-sequence-breaker", fmt.Sprintf("is given %d times, the most allowed is %d", len(s.DryBreakers), maxBreakers)}
	}
	for _, text := range s.DryBreakers {
		if text == "" || len(text) > maxBreakerLen {
			return &Error{"dry-sequence-breaker", fmt.Sprintf("%.50q is not from 1 to %d bytes long", text, maxBreakerLen)}
		}
	}
	return nil
}

// Vocabulary is what a tokenizer tells of its tokens.
type Vocabulary interface {
	Size() int                                        // ids are 0 to Size()−1
	Append(dst []byte, id int32, special bool) []byte // the bytes that a token stands for
}

// Prepare checks settings against a model's vocabulary, and reads that through where DRY
// is on and its breakers have not been prepared: milliseconds. Copies of
// prepared settings are prepared.
func (s *Settings) Prepare(v Vocabulary) error {
	if err := s.Check(); err != nil {
		return err
	}
	banned := make(map[int32]bool, len(s.Bias))
	for _, b := range s.Bias {
		if int(b.ID) >= v.Size() {
			return &Error{"logit-bias", fmt.Sprintf("of token %d, and the vocabulary has %d", b.ID, v.Size())}
		}
		if b.Add < -math.MaxFloat32 {
			banned[b.ID] = true
		}
	}
	if len(banned) == v.Size() {
		return &Error{"logit-bias", "bans every token"}
	}
	if s.dry() && !s.breakers.are(s.DryBreakers, v) {
		s.breakers = newBreakers(s.DryBreakers, v)
	}
	return nil
}
