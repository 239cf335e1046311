package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"strings"
	"text/tabwriter"

	"eclat/cmd/eclat/out"
	"eclat/engine"
	"eclat/model"
	"eclat/model/conformance"
)

// asked is how the kernels of one kind and variant answered what is asked of a device
// before its first token.
type asked struct {
	kernels, variant   string
	equal, near, wrong int
	worst              float64 // normalised mean squared error of those that are near
	hash               hash.Hash
	different          []string
}

// askKernels asks every question of every variant of a device's kernels, prints how they
// answered, and returns how many answers are wrong. Quick asks the preferred variant alone.
func askKernels(ctx context.Context, w io.Writer, o engine.Options, variants []string, ref conformance.Opener, quick bool) (wrong int, err error) {
	if len(variants) == 0 {
		variants = []string{""}
	} else if quick {
		variants = variants[:1]
	}
	var table []*asked
	defer func() { printAsked(w, table) }()
	list := conformance.Questions()
	bar := out.NewBar("asking", false)
	defer bar.Clear()
	for v, variant := range variants {
		o.Variant = variant
		open := func() (model.Backend, error) {
			b, _, err := engine.OpenDevice(context.WithoutCancel(ctx), o)
			return b, err
		}
		for i, q := range list {
			if err := ctx.Err(); err != nil {
				bar.Clear()
				return wrong, interrupted(err, fmt.Sprintf("partial: %d of %d questions were asked", v*len(list)+i, len(variants)*len(list)))
			}
			bar.Set(int64(v*len(list)+i), int64(len(variants)*len(list)))
			kernels, _, _ := strings.Cut(q.Name, ",")
			if kernels, _, _ = strings.Cut(kernels, " in "); strings.HasPrefix(kernels, "attention") {
				kernels = "attention"
			}
			if len(table) == 0 || table[len(table)-1].kernels != kernels || table[len(table)-1].variant != variant {
				table = append(table, &asked{kernels: kernels, variant: variant, hash: sha256.New()})
			}
			a := table[len(table)-1]
			answer, err := q.Answer(open)
			a.hash.Write([]byte(answer))
			if err == nil && answer == q.Right() {
				a.equal++
				continue
			}
			var e float64
			if err == nil {
				e, err = q.Compare(ref, open)
			}
			switch {
			case err != nil:
				a.wrong, wrong = a.wrong+1, wrong+1
				a.different = append(a.different, err.Error())
			case e <= conformance.LimitQuant:
				a.near++
				a.worst = max(a.worst, e)
				a.different = append(a.different, fmt.Sprintf("%s: within limits, error %.1e (%s, not %s)", q.Name, e, answer, q.Right()))
			default:
				a.wrong, wrong = a.wrong+1, wrong+1
				a.different = append(a.different, fmt.Sprintf("%s: WRONG, error %.1e (%s, not %s)", q.Name, e, answer, q.Right()))
			}
		}
	}
	return wrong, nil
}

func printAsked(w io.Writer, table []*asked) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	out.Fprintf(t, "KERNELS\tVARIANT\tQUESTIONS\tANSWERS\tHASH\t\n")
	for _, a := range table {
		verdict := "bit-equal"
		switch {
		case a.wrong > 0:
			verdict = fmt.Sprintf("%d WRONG", a.wrong)
		case a.near > 0:
			verdict = fmt.Sprintf("%d within limits, error %.1e", a.near, a.worst)
		}
		variant := a.variant
		if variant == "" {
			variant = "–"
		}
		out.Fprintf(t, "%s\t%s\t%d\t%s\t%s\t\n", a.kernels, variant, a.equal+a.near+a.wrong, verdict, hex.EncodeToString(a.hash.Sum(nil)[:8]))
	}
	t.Flush()
	for _, a := range table {
		for _, d := range a.different {
			out.Fprintf(w, "  %s %s\n", a.variant, d)
		}
	}
	out.Fprintf(w, "\n")
}
