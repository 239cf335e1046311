package sample

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Field is one number among the settings.
type Field struct {
	Flag  string // its name on the command line
	JSON  string // and in requests
	Key   string // and in a model's file, after general.sampling.; "" for none
	Usage string // for people, with the value that turns it off

	Float func(*Settings) *float32 // where it is; nil for a whole number
	Whole func(*Settings) *int32

	least, most float64
	want        string // the range in words
}

const (
	most  = math.MaxFloat32
	count = 1 << 30
)

// Fields lists all numbers but the seed, in the order in which they take effect.
var Fields = []Field{
	{"repeat-penalty", "repeat_penalty", "penalty_repeat", "penalty on recently used tokens; 1 is off",
		func(s *Settings) *float32 { return &s.Repeat }, nil, math.SmallestNonzeroFloat32, most, "a number above 0"},
	{"repeat-last-n", "repeat_last_n", "penalty_last_n", "how many tokens the penalties look back; 0 is none, -1 the whole context",
		nil, func(s *Settings) *int32 { return &s.LastN }, -1, count, ""},
	{"frequency-penalty", "frequency_penalty", "", "penalty for each time a token was used recently; 0 is off",
		func(s *Settings) *float32 { return &s.Frequency }, nil, -most, most, "a finite number"},
	{"presence-penalty", "presence_penalty", "", "penalty for a token's having been used recently; 0 is off",
		func(s *Settings) *float32 { return &s.Presence }, nil, -most, most, "a finite number"},
	{"dry-multiplier", "dry_multiplier", "", "penalty on tokens that go on repeating what was said; 0 is off",
		func(s *Settings) *float32 { return &s.DryMultiplier }, nil, 0, most, "a number from 0 on"},
	{"dry-base", "dry_base", "", "what the DRY penalty grows by with each repeated token",
		func(s *Settings) *float32 { return &s.DryBase }, nil, 1, most, "a number from 1 on"},
	{"dry-allowed-length", "dry_allowed_length", "", "how many repeated tokens DRY lets pass",
		nil, func(s *Settings) *int32 { return &s.DryAllowed }, 0, count, ""},
	{"dry-penalty-last-n", "dry_penalty_last_n", "", "how many tokens DRY looks back; 0 is none, -1 the whole context",
		nil, func(s *Settings) *int32 { return &s.DryLastN }, -1, count, ""},
	{"top-nsigma", "top_n_sigma", "", "keep logits within N deviations of the largest; -1 is off",
		func(s *Settings) *float32 { return &s.TopNSigma }, nil, -1, most, "a number from -1 on"},
	{"top-k", "top_k", "top_k", "keep the K most likely tokens; 0 is off",
		nil, func(s *Settings) *int32 { return &s.TopK }, 0, count, ""},
	{"typical", "typical_p", "", "keep the most typical tokens that together exceed P; 1 is off",
		func(s *Settings) *float32 { return &s.Typical }, nil, 0, 1, "from 0 to 1"},
	{"top-p", "top_p", "top_p", "keep the most likely tokens that together reach P; 1 is off",
		func(s *Settings) *float32 { return &s.TopP }, nil, 0, 1, "from 0 to 1"},
	{"min-p", "min_p", "min_p", "keep tokens at least P times as likely as the best; 0 is off",
		func(s *Settings) *float32 { return &s.MinP }, nil, 0, 1, "from 0 to 1"},
	{"xtc-probability", "xtc_probability", "xtc_probability", "probability of leaving out the likeliest tokens (XTC); 0 is off",
		func(s *Settings) *float32 { return &s.XTCProbability }, nil, 0, 1, "from 0 to 1"},
	{"xtc-threshold", "xtc_threshold", "xtc_threshold", "probability that makes a token one of those; above 0.5 is off",
		func(s *Settings) *float32 { return &s.XTCThreshold }, nil, 0, 1, "from 0 to 1"},
	{"temp", "temperature", "temp", "temperature; 0 always takes the most likely token",
		func(s *Settings) *float32 { return &s.Temp }, nil, 0, most, "a number from 0 on"},
	{"dynatemp-range", "dynatemp_range", "", "let the temperature vary so far with the entropy; 0 is off",
		func(s *Settings) *float32 { return &s.DynaRange }, nil, 0, most, "a number from 0 on"},
	{"dynatemp-exp", "dynatemp_exponent", "", "exponent of the entropy in that",
		func(s *Settings) *float32 { return &s.DynaExponent }, nil, 0, 100, "from 0 to 100"},
}

func (f *Field) get(s *Settings) float64 {
	if f.Float != nil {
		return float64(*f.Float(s))
	}
	return float64(*f.Whole(s))
}

// Copy takes the field's value over.
func (f *Field) Copy(to, from *Settings) {
	if f.Float != nil {
		*f.Float(to) = *f.Float(from)
	} else {
		*f.Whole(to) = *f.Whole(from)
	}
}

// Check says, as an *Error, that the field's value is none that may be given. (Settings
// of which nothing is said may be 0 all the same.)
func (f *Field) Check(s *Settings) error {
	x := f.get(s)
	if x >= f.least && x <= f.most {
		return nil
	}
	if f.Float != nil {
		return &Error{f.Flag, fmt.Sprintf("%g is not %s", float32(x), f.want)}
	}
	if x < f.least && f.least < 0 {
		return &Error{f.Flag, fmt.Sprintf("%.0f is below %.0f", x, f.least)}
	}
	return &Error{f.Flag, fmt.Sprintf("%.0f is not from %.0f to 2^30", x, f.least)}
}

// String is the chain that is in force, in order, and the seed.
func (s *Settings) String() string {
	var chain []string
	add := func(on bool, format string, args ...any) {
		if on {
			chain = append(chain, fmt.Sprintf(format, args...))
		}
	}
	window := func(n int32) string {
		if n < 0 {
			return "all tokens"
		}
		return fmt.Sprintf("%d tokens", n)
	}
	add(len(s.Bias) > 0, "logit bias on %d", len(s.Bias))
	if s.penalises() {
		last := window(s.LastN)
		add(s.Repeat != 0 && s.Repeat != 1, "repeat %g over %s", s.Repeat, last)
		add(s.Frequency != 0, "frequency %g over %s", s.Frequency, last)
		add(s.Presence != 0, "presence %g over %s", s.Presence, last)
	}
	add(s.dry(), "DRY %g·%g^(n−%d) over %s", s.DryMultiplier, s.DryBase, s.DryAllowed, window(s.DryLastN))
	add(s.TopNSigma > 0, "top %gσ", s.TopNSigma)
	add(s.TopK > 0, "top-k %d", s.TopK)
	add(s.typical(), "typical %g", s.Typical)
	add(s.TopP > 0 && s.TopP < 1, "top-p %g", s.TopP)
	add(s.MinP > 0, "min-p %g", s.MinP)
	add(s.xtc(), "XTC %g from %g", s.XTCProbability, s.XTCThreshold)
	switch {
	case s.DynaRange > 0:
		add(true, "temp %g ± %g by entropy^%g", s.Temp, s.DynaRange, s.DynaExponent)
	case s.Temp > 0:
		add(true, "temp %g", s.Temp)
	default:
		add(true, "the most likely")
	}
	return fmt.Sprintf("%s, seed %d", strings.Join(chain, " → "), s.Seed)
}

// ParseBias reads a token's id and what to add to its logit: 15+1.5, 15-1, 15-inf.
func ParseBias(text string) (Bias, error) {
	bad := &Error{"logit-bias", fmt.Sprintf("%.40q is not a token's id with + or - and a number, or -inf", text)}
	at := strings.IndexAny(text, "+-")
	if at < 0 {
		return Bias{}, bad
	}
	id, err := strconv.ParseInt(text[:at], 10, 32)
	if err != nil || id < 0 {
		return Bias{}, bad
	}
	add, err := strconv.ParseFloat(text[at:], 32)
	if err != nil || add != add || add > most {
		return Bias{}, bad
	}
	return Bias{int32(id), float32(add)}, nil
}
