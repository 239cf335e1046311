package main

import (
	"cmp"
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

// reply is how a variant of the kernels answered a question.
type reply struct {
	question, answer, right string  // answer and right are hashes
	off                     float64 // normalised mean squared error of an answer that is not right
	err                     error   // nothing was answered
}

// kernelsOf names the kernels that a question is about.
func kernelsOf(question string) string {
	kernels, _, _ := strings.Cut(question, ",")
	if kernels, _, _ = strings.Cut(kernels, " in "); strings.HasPrefix(kernels, "attention") {
		return "attention"
	}
	return kernels
}

// add counts a reply of a variant and reports whether it is wrong. Questions about the
// same kernels come one after the other.
func add(table *[]*asked, variant string, r reply) (wrong bool) {
	kernels := kernelsOf(r.question)
	if n := len(*table); n == 0 || (*table)[n-1].kernels != kernels || (*table)[n-1].variant != variant {
		*table = append(*table, &asked{kernels: kernels, variant: variant, hash: sha256.New()})
	}
	a := (*table)[len(*table)-1]
	a.hash.Write([]byte(r.answer))
	switch {
	case r.err != nil:
		a.wrong++
		a.different = append(a.different, r.err.Error())
		return true
	case r.answer == r.right:
		a.equal++
	case r.off <= conformance.LimitQuant:
		a.near++
		a.worst = max(a.worst, r.off)
		a.different = append(a.different, fmt.Sprintf("%s: within limits, error %.1e (%s, not %s)", r.question, r.off, r.answer, r.right))
	default:
		a.wrong++
		a.different = append(a.different, fmt.Sprintf("%s: WRONG, error %.1e (%s, not %s)", r.question, r.off, r.answer, r.right))
		return true
	}
	return false
}

// askKernels asks every question of every variant of a device's kernels, prints how they
// answered, and returns how many answers are wrong. Quick asks the preferred variant alone,
// one question in quickShare.
func askKernels(ctx context.Context, w io.Writer, o engine.Options, info model.DeviceInfo, ref conformance.Opener, quick bool) (wrong int, err error) {
	variants, list := info.Variants, conformance.Questions()
	if len(variants) == 0 {
		variants = []string{""}
	}
	if quick {
		variants = variants[:1]
		list = fewQuestions(list)
	}
	var table []*asked
	defer func() { printAsked(w, table) }()
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
			r := reply{question: q.Name, right: q.Right()}
			if r.answer, r.err = q.Answer(open); r.err == nil && r.answer != r.right {
				r.off, r.err = q.Compare(ref, open)
			}
			if add(&table, cmp.Or(variant, info.Kernels), r) {
				wrong++
			}
		}
	}
	return wrong, nil
}

func printAsked(w io.Writer, table []*asked) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	out.Fprintf(t, "KERNELS\tVARIANT\tQUESTIONS\tANSWERS\tHASH\n")
	for _, a := range table {
		verdict := "bit-equal"
		switch {
		case a.wrong > 0:
			verdict = fmt.Sprintf("%d WRONG", a.wrong)
		case a.near > 0:
			verdict = fmt.Sprintf("%d within limits, error %.1e", a.near, a.worst)
		}
		out.Fprintf(t, "%s\t%s\t%d\t%s\t%s\n", a.kernels, cmp.Or(a.variant, "–"), a.equal+a.near+a.wrong, verdict, hex.EncodeToString(a.hash.Sum(nil)[:8]))
	}
	t.Flush()
	for _, a := range table {
		for _, d := range a.different {
			out.Fprintf(w, "  %s: %s\n", cmp.Or(a.variant, a.kernels), d)
		}
	}
	out.Fprintf(w, "A hash is of all answers in its line: where it is the same on two devices, every bit is.\n\n")
}
