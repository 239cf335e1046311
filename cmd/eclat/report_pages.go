package main

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"eclat/cmd/eclat/out"
	"eclat/cmd/eclat/report"
	"eclat/engine/bench"
	"eclat/engine/compare"
	"eclat/engine/stats"
	"eclat/loader/atomicfile"
	"eclat/loader/manifest"
)

// writeReport writes a page to a file that takes its name when complete.
func writeReport(path string, p *report.Page) error {
	err := atomicfile.Write(path, atomicfile.Options{}, func(out io.Writer) error {
		w := bufio.NewWriter(out)
		if err := report.Write(w, p); err != nil {
			return err
		}
		return w.Flush()
	})
	if err == nil {
		out.Messagef("report: %s\n", path)
	}
	return err
}

// footer says what made a page, and when.
func footer() string {
	return build() + ", " + time.Now().UTC().Format("2006-01-02 15:04 MST")
}

// page shows a benchmark.
func (b *benchRun) page() *report.Page {
	p := &report.Page{Title: "eclat bench: " + b.model.kind, Subtitle: b.model.file, Footer: footer()}
	p.Facts = []report.Fact{
		{Name: "Weights", Value: fmt.Sprintf("%.2f %s in %.2f %s", params(b.model.params), paramsName(b.model.params), float64(b.model.bytes)/unit(b.model.bytes), unitName(b.model.bytes))},
	}
	for _, d := range b.devices {
		p.Facts = append(p.Facts, deviceFacts(d)...)
	}
	if b.model.sum != "" {
		p.Facts = append(p.Facts, report.Fact{Name: "File, SHA-256", Value: b.model.sum})
	}
	note := fmt.Sprintf("mean of %d repetitions ± standard deviation", b.repeat)
	for _, c := range []struct {
		title string
		gen   bool
	}{{"Reading a prompt, tokens a second", false}, {"Generating, tokens a second", true}} {
		if chart, ok := b.rateChart(c.title, note, c.gen); ok {
			p.Charts = append(p.Charts, chart)
		}
	}
	for _, d := range b.devices {
		if d.Kernels != nil {
			p.Charts = append(p.Charts, kernelChart(d))
		}
	}
	p.Tables = append(p.Tables, b.resultTable())
	for _, d := range b.devices {
		if d.Kernels != nil {
			p.Tables = append(p.Tables, kernelTable(d))
		}
	}
	return p
}

func deviceFacts(d *bench.Device) []report.Fact {
	var facts []report.Fact
	for _, p := range d.Parts {
		s := p.Name
		if p.Threads > 0 {
			s += fmt.Sprintf(", threads: %d", p.Threads)
		}
		if p.Driver != "" {
			s += ", driver " + p.Driver
		}
		facts = append(facts, report.Fact{Name: "Device, " + p.Backend, Value: s})
		if p.Read > 0 {
			facts = append(facts, report.Fact{Name: p.Backend + " reads memory at", Value: fmt.Sprintf("%.1f GB/s", p.Read/1e9)})
		}
		if p.Copy > 0 {
			facts = append(facts, report.Fact{Name: p.Backend + " copies memory at", Value: fmt.Sprintf("%.1f GB/s (read + written)", p.Copy/1e9)})
		}
	}
	name := d.Parts[len(d.Parts)-1].Backend
	if d.MatMul > 0 {
		facts = append(facts, report.Fact{Name: name + " multiplies at", Value: flops(d.MatMul)})
	}
	memory := mib(d.HostPeak) + " of main memory at most"
	if d.GPUMemory > 0 {
		memory += ", " + mib(d.GPUMemory) + " on the device"
	}
	return append(facts, report.Fact{Name: name + " loading", Value: brief(d.Load)}, report.Fact{Name: name + " memory", Value: memory})
}

// rateChart draws rates over depths, or as bars where there is one depth only.
func (b *benchRun) rateChart(title, note string, gen bool) (report.Chart, bool) {
	c := report.Chart{Title: title, Note: note, Kind: report.Lines, X: "tokens in the context before", Y: "tokens/s"}
	depths := map[int]bool{}
	for _, d := range b.devices {
		for i := range d.Results {
			r := &d.Results[i]
			if (r.Gen > 0) != gen {
				continue
			}
			depths[r.Depth] = true
			mean, dev := r.Rate()
			name := bench.Test{Prompt: r.Prompt, Gen: r.Gen}.Name()
			if len(b.devices) > 1 {
				name += " · " + shortDevice(d)
			}
			c.Points = append(c.Points, report.Point{
				X: float64(r.Depth), Y: mean, Dev: dev, Series: name,
				Tip: fmt.Sprintf("%s: %.2f ± %.2f tokens/s", r.Name(), mean, dev),
			})
		}
	}
	if len(depths) == 1 {
		c.Kind, c.X = report.Bars, "tokens/s"
		for i := range c.Points {
			p := &c.Points[i]
			p.Label, p.X, p.Y = p.Series, p.Y, 0
		}
	}
	return c, len(c.Points) > 0
}

// shortDevice is a device's name without what is in brackets.
func shortDevice(d *bench.Device) string {
	name, _, _ := strings.Cut(d.Name, " (")
	return name
}

func kernelLabel(k *bench.Kernel) string {
	s := k.Op.String()
	if s == "matmul" || s == "embed" {
		s += " " + k.Name + " " + k.Type.String()
	} else if s != k.Name {
		s += " " + k.Name
	}
	return s
}

func kernelChart(d *bench.Device) report.Chart {
	p := d.Kernels
	c := report.Chart{
		Title: "A generated token by op, " + shortDevice(d), Kind: report.Bars, X: "µs",
		Note: fmt.Sprintf("mean of %d tokens at depth %d; %s in all", p.Tokens, p.Depth, micro(p.Total)),
	}
	for i := range p.Kernels {
		k := &p.Kernels[i]
		if k.Share < 0.002 && i > 12 {
			continue
		}
		c.Points = append(c.Points, report.Point{
			X: k.Time.Seconds() * 1e6, Series: k.Op.String(), Label: kernelLabel(k),
			Tip: fmt.Sprintf("%s: %s in %d calls, %.1f %%, %.1f GB/s", kernelLabel(k), micro(k.Time), k.Calls, 100*k.Share, k.Rate()/1e9),
		})
	}
	return c
}

func (b *benchRun) resultTable() report.Table {
	t := report.Table{Title: "Results", Head: []string{"device", "test", "tokens/s", "±", "of limit", "mean time", "samples, tokens/s"}, Numbers: 2}
	for _, r := range b.rows() {
		var samples []string
		for _, s := range r.SamplesTS {
			samples = append(samples, fmt.Sprintf("%.1f", s))
		}
		t.Rows = append(t.Rows, []string{r.Device, r.Test, fmt.Sprintf("%.2f", r.AvgTS), fmt.Sprintf("%.2f", r.StdTS),
			b.cells(&r, false)[7], fmt.Sprintf("%.1f ms", float64(r.AvgNS)/1e6), strings.Join(samples, " ")})
	}
	return t
}

func kernelTable(d *bench.Device) report.Table {
	t := report.Table{Title: "A generated token by op, " + d.Name, Head: []string{"op", "calls", "time", "share", "GB/s"}, Numbers: 1}
	for i := range d.Kernels.Kernels {
		k := &d.Kernels.Kernels[i]
		rate := "–"
		if k.Bytes > 0 && k.Time > 0 {
			rate = fmt.Sprintf("%.1f", k.Rate()/1e9)
		}
		t.Rows = append(t.Rows, []string{kernelLabel(k), fmt.Sprint(k.Calls), micro(k.Time), fmt.Sprintf("%.1f %%", 100*k.Share), rate})
	}
	return t
}

// comparePage shows a comparison.
func comparePage(r *compare.Result) *report.Page {
	l := &r.Logits
	p := &report.Page{
		Title: "eclat compare", Subtitle: fmt.Sprintf("%d tokens, %d tensors", r.Positions, len(r.Tensors)), Footer: footer(),
		Verdict: "PASS: all limits are kept", Good: r.Pass(),
	}
	if r.Want.Model != "" {
		p.Title += ": " + r.Want.Model
	}
	if !p.Good {
		p.Verdict = "FAIL: " + strings.Join(r.Failures, "; ")
	}
	flip := "none"
	if x := l.FirstFlip; x != nil {
		flip = fmt.Sprintf("after position %d: %d instead of %d (%.2g nats behind)", x.Position, x.Got, x.Want, x.Margin)
	}
	p.Facts = []report.Fact{
		{Name: "Bits", Value: equality(r)},
		{Name: "Judged", Value: sideName(r.Got)},
		{Name: "Against", Value: sideName(r.Want)},
		{Name: "Mean KL, 99 % KL", Value: sci(l.KLMean) + ", " + sci(l.KL99) + " nats"},
		{Name: "Mean |Δ log p|", Value: sci(l.LogProb) + " nats"},
		{Name: "Largest |Δ logit|", Value: sci(l.MaxDiff)},
		{Name: "Same most likely token", Value: fmt.Sprintf("%.1f %%", 100*l.SameTop)},
		{Name: "First differing greedy token", Value: flip},
		{Name: "First divergent tensor", Value: pointText(r.First, "none")},
		{Name: "Limits", Value: fmt.Sprintf("row error %s, mean KL %s, 99 %% KL %s, |Δ log p| %s, same token %.0f %%",
			sci(r.Limits.Row), sci(r.Limits.KLMean), sci(r.Limits.KL99), sci(r.Limits.LogProb), 100*r.Limits.SameTop)},
	}
	p.Charts = []report.Chart{errorChart(r), klChart(r)}
	p.Tables = []report.Table{layerTable(r), tensorTable(r)}
	return p
}

// residual is the series of what one layer hands to the next.
const residual = "output of the layer"

func errorChart(r *compare.Result) report.Chart {
	c := report.Chart{
		Title: "Error by layer", Note: "worst row of each tensor, Σ(a−b)²/Σb²; equal tensors are not drawn",
		Kind: report.Dots, X: "layer", Y: "error", Log: true, Limit: r.Limits.Row, Line: residual,
	}
	lastOf := map[int]string{}
	for i := range r.Tensors {
		lastOf[r.Tensors[i].Layer] = r.Tensors[i].Name
	}
	for i := range r.Tensors {
		t := &r.Tensors[i]
		if t.Layer < 0 {
			continue
		}
		series := group(t)
		if lastOf[t.Layer] == t.Name {
			series = residual
		}
		c.Points = append(c.Points, report.Point{X: float64(t.Layer), Y: t.Worst, Series: series, Tip: fmt.Sprintf("%s: worst row %s, mean %s", t.Name, sci(t.Worst), sci(t.Error))})
	}
	// The joined series comes first in the legend.
	slices.SortStableFunc(c.Points, func(a, b report.Point) int {
		return boolInt(b.Series == residual) - boolInt(a.Series == residual)
	})
	return c
}

// group is the part of a layer that a tensor belongs to; a colour for every
// tensor would be too many.
func group(t *compare.TensorResult) string {
	_, name := manifest.CutLayer(t.Name)
	switch {
	case t.Op == "rmsnorm":
		return "norms"
	case strings.HasPrefix(name, "ffn") || t.Op == "swiglu":
		return "feed-forward"
	case t.Op == "attention" || strings.HasPrefix(name, "attn_output") || strings.HasPrefix(name, "attn_residual"):
		return "attention"
	}
	return "queries, keys, values"
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

func klChart(r *compare.Result) report.Chart {
	c := report.Chart{
		Title: "Divergence by position", Note: "KL of the predictions after each token; equal ones are not drawn",
		Kind: report.Dots, X: "position", Y: "KL, nats", Log: true, Limit: r.Limits.KL99,
	}
	for i, kl := range r.KL {
		c.Points = append(c.Points, report.Point{X: float64(i), Y: kl, Series: "KL", Tip: fmt.Sprintf("position %d: %s nats", i, sci(kl))})
	}
	if med := stats.Quantile(r.KL, 0.5); med > 0 {
		c.Note += fmt.Sprintf("; median %s nats", sci(med))
	}
	return c
}

func layerTable(r *compare.Result) report.Table {
	t := report.Table{Title: "Layers", Head: []string{"layer", "worst tensor", "error", "largest difference", "error of its output"}, Numbers: 2}
	for i, y := range r.Layers {
		t.Rows = append(t.Rows, []string{layerName(r, i), worstName(&y), sci(y.Error), sci(float64(y.Diff)), sci(y.Out)})
	}
	return t
}

func tensorTable(r *compare.Result) report.Table {
	t := report.Table{Title: "Tensors, in the order of computing", Head: []string{"tensor", "op", "error", "worst row", "largest difference", "position", "element"}, Numbers: 2}
	for i := range r.Tensors {
		x := &r.Tensors[i]
		at, el := "–", "–"
		if !x.Equal {
			at, el = fmt.Sprint(x.Max.Position), fmt.Sprint(x.Max.Element)
		}
		t.Rows = append(t.Rows, []string{x.Name, x.Op, sci(x.Error), sci(x.Worst), sci(float64(x.Diff)), at, el})
	}
	return t
}
