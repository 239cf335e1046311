package main

import (
	"context"
	"errors"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"eclat/cmd/eclat/out"
	"eclat/loader"
	"eclat/loader/fragment"
	"eclat/loader/manifest"
)

func newVerify() *cobra.Command {
	var layers string
	cmd := &cobra.Command{
		Use:   "verify DIR",
		Short: "Check the sums of a fragments folder",
		Long: `Check every sum of a fragments folder: manifest, chunks, blobs and the source as a
whole.

What is missing or damaged is listed on stdout, a line each; the exit code is 3
then. A damaged blob can be deleted and made again with eclat fragment. With
--layers only the header and these layers are checked, as a machine needs that
runs no others. DIR may also be a manifest; of a folder all are checked.`,
		Example: `  eclat verify magistral
  eclat verify magistral --layers 0-19`,
		Args:              oneFolder,
		ValidArgsFunction: completeModel,
		RunE: func(cmd *cobra.Command, args []string) error {
			span, err := parseLayers(layers)
			if err != nil {
				return err
			}
			manifests := args
			if st, err := os.Stat(args[0]); err != nil {
				return err
			} else if st.IsDir() {
				if manifests, err = manifest.List(args[0]); err != nil {
					return err
				}
			}
			var failed error
			for _, path := range manifests {
				err := verify(cmd.Context(), path, span, true)
				if errors.Is(err, context.Canceled) {
					return interrupted(err, "not everything was checked")
				}
				if err != nil && failed != nil { // the last one is main's to print
					out.Error(describe(failed))
				}
				if err != nil {
					failed = err
				}
			}
			return failed
		},
	}
	cmd.Flags().StringVar(&layers, "layers", "", "check only these, as in 0-19 or 7")
	return cmd
}

// parseLayers reads "a-b" or "a"; nil for "".
func parseLayers(s string) (*fragment.Layers, error) {
	if s == "" {
		return nil, nil
	}
	a, b, isRange := strings.Cut(s, "-")
	if !isRange {
		b = a
	}
	first, err1 := strconv.ParseUint(a, 10, 16)
	last, err2 := strconv.ParseUint(b, 10, 16)
	if err1 != nil || err2 != nil || first > last {
		return nil, usagef("--layers %.20q is not a range such as 0-19", s)
	}
	return &fragment.Layers{First: int(first), Last: int(last)}, nil
}

// verify checks one manifest's blobs and lists what is wrong with them; list also
// says that nothing is.
func verify(ctx context.Context, path string, layers *fragment.Layers, list bool) error {
	bar := out.NewBar("verifying", true)
	r, err := fragment.Verify(ctx, path, layers, fragment.Options{Progress: bar.Set})
	bar.Clear()
	var none *fragment.LayersError
	if errors.As(err, &none) {
		return usageError{err}
	}
	if err != nil {
		return err
	}
	if list {
		for _, p := range r.Problems {
			stdout.Printf("%s\n", p)
		}
		if len(r.Problems) == 0 {
			stdout.Printf("sound  %s  %d blobs, %s\n", r.Path, r.Blobs, mib(r.Bytes))
		}
	}
	return r.Err()
}

// verifyModel is --verify: it checks the sums of a fragments folder before the
// model is loaded from it.
func verifyModel(ctx context.Context, how string, f *loader.File) error {
	switch {
	case how == "quick":
		return nil
	case how != "full":
		return usagef("--verify %.20q is neither quick nor full", how)
	case f.Manifest() == nil:
		return usagef("--verify=full needs a fragments folder: a GGUF file has no sums to check")
	}
	return verify(ctx, f.Path, nil, false)
}
