package sample

import (
	"math"

	"eclat/loader"
)

// Recommended takes the settings that a model's file recommends into s, under
// general.sampling. It returns the keys of those that eclat does not have (mirostat, an
// order of its own) and so leaves out; a value out of its range is an error, and nothing
// is taken over.
func (s *Settings) Recommended(f *loader.File) (left []string, err error) {
	const prefix = "general.sampling."
	out := *s
	for i := range Fields {
		field := &Fields[i]
		v, ok := f.Get(prefix + field.Key)
		if field.Key == "" || !ok {
			continue
		}
		x, ok := number(v)
		if !ok {
			return nil, f.Errorf(prefix+field.Key, "is of type %s, not a number", v.Type)
		}
		if field.Flag == "top-k" {
			x = max(x, 0) // −1 is off in some files
		}
		switch {
		case field.Float != nil:
			*field.Float(&out) = float32(x)
		case x != math.Trunc(x) || math.Abs(x) > count:
			return nil, f.Errorf(prefix+field.Key, "%g is not a whole number up to 2^30", x)
		default:
			*field.Whole(&out) = int32(x)
		}
		if err := field.Check(&out); err != nil {
			return nil, f.Errorf(prefix+field.Key, "%s", err.(*Error).Reason)
		}
	}
	if v, ok := f.Get(prefix + "mirostat"); ok {
		if x, ok := number(v); !ok || x != 0 {
			left = append(left, prefix+"mirostat")
		}
	}
	if _, ok := f.Get(prefix + "sequence"); ok {
		left = append(left, prefix+"sequence")
	}
	*s = out
	return left, nil
}

// number reads a value of any numeric type.
func number(v loader.Value) (float64, bool) {
	switch x := v.Any(0).(type) {
	case uint64:
		return float64(x), true
	case int64:
		return float64(x), true
	case float64:
		return x, true
	}
	return 0, false
}
