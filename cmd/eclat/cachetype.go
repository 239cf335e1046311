package main

import (
	"errors"

	"github.com/spf13/cobra"

	"eclat/model"
)

// cacheFlags say how keys and values are kept.
type cacheFlags struct{ keys, values cacheFlag }

// cacheFlag is a type of memory.
type cacheFlag struct{ model.CacheType }

func (c *cacheFlag) Set(s string) (err error) {
	c.CacheType, err = model.ParseCacheType(s)
	return err
}

func (c *cacheFlag) Type() string { return "type" }

func (c *cacheFlags) add(cmd *cobra.Command) {
	cmd.Flags().Var(&c.keys, "cache-type-k", "keep keys as f16, f32, q8_0 or q4_0")
	cmd.Flags().Var(&c.values, "cache-type-v", "keep values as f16, f32, q8_0 or q4_0")
	for _, name := range []string{"cache-type-k", "cache-type-v"} {
		cmd.RegisterFlagCompletionFunc(name, cobra.FixedCompletions(model.CacheTypes(), cobra.ShellCompDirectiveNoFileComp))
	}
}

// room is a page of memory of these types.
func (c *cacheFlags) room() model.Room {
	return model.Room{Pages: 1, Keys: c.keys.CacheType, Values: c.values.CacheType}
}

// named says by which flag a model cannot be opened, where one of these is at fault.
func (c *cacheFlags) named(err error) error {
	var e *model.CacheTypeError
	if !errors.As(err, &e) {
		return err
	}
	flag := "k"
	if e.What == "values" {
		flag = "v"
	}
	return usagef("--cache-type-%s %s: %v", flag, e.Type, e)
}
