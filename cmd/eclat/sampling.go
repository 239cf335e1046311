package main

import (
	"errors"

	"github.com/spf13/pflag"

	"eclat/engine"
	"eclat/model/sample"
)

// samplingFlags say how tokens are chosen.
type samplingFlags struct {
	given    sample.Settings // what the flags say, or the defaults
	bias     []string
	breakers []string
}

func (f *samplingFlags) add(fs *pflag.FlagSet) {
	f.given = sample.Defaults()
	for i := range sample.Fields {
		field := &sample.Fields[i]
		if field.Float != nil {
			p := field.Float(&f.given)
			fs.Float32Var(p, field.Flag, *p, field.Usage)
		} else {
			p := field.Whole(&f.given)
			fs.Int32Var(p, field.Flag, *p, field.Usage)
		}
	}
	fs.StringArrayVar(&f.bias, "logit-bias", nil, "add to a token's logit, as in 15+1.5, 15-1, 15-inf; may be given again")
	fs.StringArrayVar(&f.breakers, "dry-sequence-breaker", nil,
		"text over which DRY sees no repetition, or none; may be given again (default: line break, : \" *)")
}

// check refuses what no model would take.
func (f *samplingFlags) check() error {
	switch {
	case len(f.breakers) == 1 && f.breakers[0] == "none":
		f.given.DryBreakers = nil
	case f.breakers != nil:
		f.given.DryBreakers = f.breakers
	}
	f.given.Bias = f.given.Bias[:0]
	for _, text := range f.bias {
		b, err := sample.ParseBias(text)
		if err != nil {
			return flagged(err)
		}
		f.given.Bias = append(f.given.Bias, b)
	}
	for i := range sample.Fields {
		if err := sample.Fields[i].Check(&f.given); err != nil {
			return flagged(err)
		}
	}
	return flagged(f.given.Check())
}

// settings are those of the flags given, for the others the model's.
func (f *samplingFlags) settings(fs *pflag.FlagSet, e *engine.Engine) (sample.Settings, error) {
	how := f.given
	for i := range sample.Fields {
		if !fs.Changed(sample.Fields[i].Flag) {
			sample.Fields[i].Copy(&how, &e.Sampling)
		}
	}
	return how, flagged(how.Prepare(e.Tokenizer))
}

// flagged names the flag that a setting comes from.
func flagged(err error) error {
	var wrong *sample.Error
	if errors.As(err, &wrong) {
		return usagef("--%s %s", wrong.Field, wrong.Reason)
	}
	return err
}
