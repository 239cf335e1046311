package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"math"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"eclat/cmd/eclat/out"
	"eclat/engine"
	"eclat/loader/quant"
	"eclat/model"
	"eclat/model/conformance"
)

func newDoctor() *cobra.Command {
	var dev deviceFlags
	var quick bool
	cmd := &cobra.Command{
		Use:   "doctor [MODEL]",
		Short: "Check every kernel of a device against the reference",
		Long: `Check every kernel, weight type and awkward shape of a device against the
reference, and measure how fast each type is read. Every variant of its kernels is
asked the questions of the check before the first token, and its answers are told as
bit-equal, within limits or wrong, with their hash. With a MODEL, its logits are
compared too.

On a software device that takes long. --quick takes one question and one case in sixteen
about each weight type, and about each op without one, at least one of each, and asks the
variant of the kernels alone that the device prefers.

The last line is a verdict to paste into a bug report. The exit code is 1 when
something is wrong.`,
		Example: `  eclat doctor
  eclat doctor model.gguf --device vulkan:0`,
		Args:              atMostOneModel,
		ValidArgsFunction: completeModel,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := dev.check(); err != nil {
				return err
			}
			return doctor(cmd.Context(), stdout, dev, args, quick)
		},
	}
	dev.add(cmd)
	cmd.Flags().BoolVar(&quick, "quick", false, "one variant, and one check in sixteen of each kind")
	return cmd
}

// quickShare: of so many cases, and of so many questions, about each weight type and about
// each op without one, --quick takes one.
const quickShare = 16

// fewCases are those of --quick.
func fewCases(all []*conformance.Case) []*conformance.Case {
	all = slices.DeleteFunc(all, func(c *conformance.Case) bool { return c.Long })
	return conformance.Deal(all, func(c *conformance.Case) string { return cmp.Or(c.Type, c.Op) }, 0, quickShare)
}

// fewQuestions are those of --quick.
func fewQuestions(all []*conformance.Question) []*conformance.Question {
	return conformance.Deal(all, func(q *conformance.Question) string {
		kernels := kernelsOf(q.Name)
		_, of, _ := strings.Cut(kernels, " ")
		if slices.ContainsFunc(quant.Decodable(), func(ty quant.Type) bool { return ty.String() == of }) {
			return of
		}
		return kernels
	}, 0, quickShare)
}

// finding is one line of the table: the cases of one op and type.
type finding struct {
	op, ty string
	cases  int
	lacks  int     // cases beyond those that ask for what the device does not claim to do
	worst  float64 // normalised mean squared error
	limit  float64
	gbps   float64
	failed []string
}

func doctor(ctx context.Context, w io.Writer, dev deviceFlags, args []string, quick bool) error {
	if len(args) > 0 { // a mistake in its name should not show after minutes
		f, err := openFile(args)
		if err != nil {
			return err
		}
		f.Close()
	}
	o := dev.options()
	o.Notice = func(string) {}          // said once is enough
	whole := context.WithoutCancel(ctx) // of a case: to be interrupted is not to fail
	open := func() (model.Backend, error) {
		b, _, err := engine.OpenDevice(whole, o)
		return b, err
	}
	ref := func() (model.Backend, error) {
		b, _, err := engine.OpenDevice(whole, engine.Options{Device: "ref"})
		return b, err
	}
	b, name, err := engine.OpenDevice(ctx, dev.options()) // an unusable device is one error, not one a case
	if err != nil {
		return err
	}
	info := b.Info()
	if err := b.Close(); err != nil {
		return err
	}
	out.Fprintf(w, "device  %s\n\n", name)
	wrong, err := askKernels(ctx, w, o, info, ref, quick)
	if err != nil {
		return err
	}

	var table []*finding
	failed, checked, lacking := wrong, wrong, 0
	cases := conformance.Cases()
	if quick {
		cases = fewCases(cases)
	}
	bar := out.NewBar("checking", false)
	defer bar.Clear()
	for i, c := range cases {
		if err := ctx.Err(); err != nil { // what was found so far may be what was sought
			bar.Clear()
			printFindings(w, table)
			return interrupted(err, fmt.Sprintf("%d of %d checks were made", i, len(cases)))
		}
		bar.Set(int64(i), int64(len(cases)))
		f := find(&table, c)
		r := c.Check(ref, open)
		if r.Unsupported != "" {
			f.lacks++
			lacking++
			continue
		}
		f.cases++
		checked++
		f.worst, f.limit = math.Max(f.worst, r.Err), math.Max(f.limit, c.Limit)
		if r.Fail != "" {
			failed++
			f.failed = append(f.failed, c.Name+": "+r.Fail)
		}
	}
	for _, f := range table {
		if f.op != model.MatMul.String() || f.cases == 0 || ctx.Err() != nil {
			continue
		}
		for _, ty := range quant.Decodable() {
			if ty.String() != f.ty {
				continue
			}
			if f.gbps, err = conformance.Speed(ty, open); err != nil {
				failed++
				f.failed = append(f.failed, "speed: "+err.Error())
			}
		}
	}
	bar.Clear()
	printFindings(w, table)
	if err := ctx.Err(); err != nil {
		return interrupted(err, "not every speed was measured")
	}

	if len(args) > 0 {
		e, err := compareLogits(ctx, dev, args)
		if err != nil {
			return err
		}
		verdict := "ok"
		if !(e <= modelLimit) {
			verdict = "WRONG"
			failed++
		}
		out.Fprintf(w, "\nlogits of %s: error %.2g, limit %.0g: %s\n", args[0], e, modelLimit, verdict)
	}

	out.Fprintf(w, "\neclat %s%s, %s, %s/%s: ", release(), commit(), name, runtime.GOOS, runtime.GOARCH)
	without := ""
	if quick {
		without = fmt.Sprintf(", one in %d of each kind", quickShare)
	}
	if lacking > 0 {
		without += fmt.Sprintf(", %d more ask for what it does not support", lacking)
	}
	if failed > 0 {
		out.Fprintf(w, "%d of %d checks FAILED%s\n", failed, checked, without)
		return fmt.Errorf("%d checks failed on %s", failed, name)
	}
	out.Fprintf(w, "all %d checks passed%s\n", checked, without)
	return nil
}

// find returns the table's line for a case, a new one where there is none.
func find(table *[]*finding, c *conformance.Case) *finding {
	for _, f := range *table {
		if f.op == c.Op && f.ty == c.Type {
			return f
		}
	}
	f := &finding{op: c.Op, ty: c.Type}
	*table = append(*table, f)
	return f
}

func printFindings(w io.Writer, table []*finding) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	out.Fprintf(t, "OP\tTYPE\tCASES\tERROR\tLIMIT\tGB/s\t\n")
	for _, f := range table {
		errs, limit, speed, verdict := "–", "–", "–", "ok"
		if f.limit > 0 {
			errs, limit = sci(f.worst), fmt.Sprintf("%.0e", f.limit)
		}
		if f.gbps > 0 {
			speed = fmt.Sprintf("%.1f", f.gbps)
		}
		if len(f.failed) > 0 {
			verdict = fmt.Sprintf("%d WRONG", len(f.failed))
		}
		if f.lacks > 0 && f.cases == 0 {
			verdict = "not supported"
		} else if f.lacks > 0 {
			verdict += fmt.Sprintf(", %d more not supported", f.lacks)
		}
		out.Fprintf(t, "%s\t%s\t%d\t%s\t%s\t%s\t%s\n", f.op, f.ty, f.cases, errs, limit, speed, verdict)
	}
	t.Flush()
	for _, f := range table {
		for _, why := range f.failed {
			out.Fprintf(w, "  %s %s\n", f.op, why)
		}
	}
}

// modelLimit bounds the normalised mean squared error of a whole model's logits:
// every layer adds to it.
const modelLimit = 1e-4

// compareLogits runs the model's first tokens on the device and on the reference.
func compareLogits(ctx context.Context, dev deviceFlags, args []string) (float64, error) {
	const tokens = 8
	dev.context = 2 * tokens
	logits := func(device string) (all []float32, err error) {
		dev.device = device
		e, err := dev.open(ctx, args)
		if err != nil {
			return nil, err
		}
		defer e.Close()
		ids := e.Prompt("The quick brown fox jumps over the lazy dog", false)
		err = e.Score(ctx, ids[:min(tokens, len(ids))], engine.ScoreOptions{}, func(r engine.Row) error {
			all = append(all, r.Logits...)
			return nil
		})
		return all, err
	}
	got, err := logits(dev.device)
	if err != nil {
		return 0, err
	}
	want, err := logits("ref")
	if err != nil {
		return 0, err
	}
	return conformance.NMSE(want, got), nil
}
