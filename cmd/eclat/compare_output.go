package main

import (
	"fmt"
	"io"
	"strings"

	"eclat/cmd/eclat/out"
	"eclat/engine/compare"
)

// printComparison writes a comparison for people.
func printComparison(w io.Writer, r *compare.Result, tensors, colour bool) {
	out.Fprintf(w, "%s\n", equality(r))
	out.Fprintf(w, "judged  %s\nagainst %s\n%d tokens, %d tensors, %d computed at once\n\n",
		sideName(r.Got), sideName(r.Want), r.Positions, len(r.Tensors), r.Got.Batch)
	t := out.NewTable("<layer", "error", "largest difference", "<worst tensor", "error of its output")
	for i, y := range r.Layers {
		t.Add(layerName(r, i), sci(y.Error), sci(float64(y.Diff)), worstName(&y), sci(y.Out))
		if r.First != nil && r.First.Layer == y.Layer && holds(r, i, r.First.Tensor) {
			t.Look(1, out.Red)
			t.Look(3, out.Red)
		}
	}
	t.Text(w, colour)
	if tensors {
		out.Fprintf(w, "\n")
		printTensors(w, r, colour)
	}
	out.Fprintf(w, "\n")
	out.Fprintf(w, "first divergent tensor  %s\n", pointText(r.First, "none: no row's error is over the limit"))
	out.Fprintf(w, "\n")
	printLogits(w, r, colour)
	out.Fprintf(w, "\n")
	if r.Pass() {
		out.Fprintf(w, "%s all limits are kept\n", out.Paint(colour, out.Green, "PASS"))
		return
	}
	out.Fprintf(w, "%s %s\n", out.Paint(colour, out.Red, "FAIL"), strings.Join(r.Failures, "; "))
}

// equality tells whether every bit is equal, and if not, which number is the first that
// is not: nine digits are enough for any two floats to look apart.
func equality(r *compare.Result) string {
	if p := r.FirstDiff; p != nil {
		return fmt.Sprintf("unequal: %s, position %d, element %d: %.9g, want %.9g", p.Tensor, p.Position, p.Element, p.Got, p.Want)
	}
	return fmt.Sprintf("equal: %d tensors × %d tokens, %d numbers, sha256 %s", len(r.Tensors), r.Positions, r.Numbers, r.Sum)
}

func sideName(h *compare.Header) string {
	s := h.Device
	if h.Driver != "" {
		s += ", driver " + h.Driver
	}
	s = fmt.Sprintf("%.80s on %s", h.File, s)
	if h.Time != "" {
		s += ", " + h.Time + ", " + h.Program
	}
	return s
}

// layerName names entry i of a result's layers.
func layerName(r *compare.Result, i int) string {
	switch {
	case r.Layers[i].Layer >= 0:
		return fmt.Sprint(r.Layers[i].Layer)
	case i == 0:
		return "input"
	}
	return "output"
}

// worstName is a dash for a layer whose tensors are all equal.
func worstName(y *compare.LayerResult) string {
	if y.Error == 0 {
		return "–"
	}
	return y.Worst
}

// holds reports whether a tensor belongs to entry i: input and output are both
// outside the layers.
func holds(r *compare.Result, i int, tensor string) bool {
	if r.Layers[i].Layer >= 0 {
		return true
	}
	return (i == 0) == (tensor == r.Tensors[0].Name)
}

func printTensors(w io.Writer, r *compare.Result, colour bool) {
	t := out.NewTable("<tensor", "<op", "error", "worst row", "largest difference", "at", "got", "want")
	for i := range r.Tensors {
		x := &r.Tensors[i]
		at, got, want := "–", "–", "–"
		if !x.Equal {
			at = fmt.Sprintf("%d:%d", x.Max.Position, x.Max.Element)
			got, want = fmt.Sprintf("%.6g", x.Max.Got), fmt.Sprintf("%.6g", x.Max.Want)
		}
		t.Add(x.Name, x.Op, sci(x.Error), sci(x.Worst), sci(float64(x.Diff)), at, got, want)
		if r.First != nil && r.First.Tensor == x.Name {
			t.Look(0, out.Red)
		}
	}
	t.Text(w, colour)
}

// pointText tells where two sides are apart.
func pointText(p *compare.Point, none string) string {
	if p == nil {
		return none
	}
	where := ""
	if p.Layer >= 0 {
		where = fmt.Sprintf("layer %d, ", p.Layer)
	}
	return fmt.Sprintf("%s (%sposition %d, element %d: %.6g, want %.6g; error of the row %s)",
		p.Tensor, where, p.Position, p.Element, p.Got, p.Want, sci(p.Error))
}

func printLogits(w io.Writer, r *compare.Result, colour bool) {
	l, limits := &r.Logits, &r.Limits
	t := out.NewTable("<predictions", "value", "limit")
	line := func(what string, value, limit float64, over bool) {
		text := "–"
		if limit > 0 {
			text = sci(limit)
		}
		t.Add(what, sci(value), text)
		if limit > 0 && over {
			t.Look(1, out.Red)
		}
	}
	worst := 0.0
	for i := range r.Tensors {
		worst = max(worst, r.Tensors[i].Worst)
	}
	line("worst row of a tensor, error", worst, limits.Row, !(worst <= limits.Row))
	line("largest |Δ logit|", l.MaxDiff, 0, false)
	line("mean KL, nats", l.KLMean, limits.KLMean, !(l.KLMean <= limits.KLMean))
	line("99 % KL, nats", l.KL99, limits.KL99, !(l.KL99 <= limits.KL99))
	line("mean |Δ log p|, nats", l.LogProb, limits.LogProb, !(l.LogProb <= limits.LogProb))
	limit := "–"
	if limits.SameTop > 0 {
		limit = fmt.Sprintf("%.1f %%", 100*limits.SameTop)
	}
	t.Add("same most likely token", fmt.Sprintf("%.1f %%", 100*l.SameTop), limit)
	t.Text(w, colour)
	if x := l.FirstFlip; x != nil {
		out.Fprintf(w, "\nfirst differing greedy token: after position %d, %d instead of %d, which was %.2g nats ahead\n", x.Position, x.Got, x.Want, x.Margin)
	} else {
		out.Fprintf(w, "\nno greedy token differs\n")
	}
}

// sci prints small numbers shortly: 0, 1.2e-08, 0.034.
func sci(x float64) string {
	switch {
	case x == 0:
		return "0"
	case x < 1e-3 || x >= 1e5:
		return fmt.Sprintf("%.1e", x)
	}
	return fmt.Sprintf("%.3g", x)
}
