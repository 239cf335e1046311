package main

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"eclat/cmd/eclat/out"
	"eclat/engine"
	"eclat/engine/bench"
	"eclat/engine/stats"
	"eclat/model"
)

// benchRow is one test on one device. The names up to samples_ts are llama-bench's;
// those after are eclat's own. Times are in nanoseconds, sizes in bytes.
type benchRow struct {
	BuildCommit string    `json:"build_commit"`
	BuildNumber int       `json:"build_number"`
	CPUInfo     string    `json:"cpu_info"`
	GPUInfo     string    `json:"gpu_info"`
	Backends    string    `json:"backends"`
	File        string    `json:"model_filename"`
	Type        string    `json:"model_type"`
	Size        int64     `json:"model_size"`
	Params      int64     `json:"model_n_params"`
	Batch       int       `json:"n_batch"`
	UBatch      int       `json:"n_ubatch"`
	Threads     int       `json:"n_threads"`
	TypeK       string    `json:"type_k"`
	TypeV       string    `json:"type_v"`
	GPULayers   int       `json:"n_gpu_layers"`
	MMap        bool      `json:"use_mmap"`
	NPrompt     int       `json:"n_prompt"`
	NGen        int       `json:"n_gen"`
	NDepth      int       `json:"n_depth"`
	TestTime    string    `json:"test_time"`
	AvgNS       int64     `json:"avg_ns"`
	StdNS       int64     `json:"stddev_ns"`
	AvgTS       float64   `json:"avg_ts"`
	StdTS       float64   `json:"stddev_ts"`
	SamplesNS   []int64   `json:"samples_ns"`
	SamplesTS   []float64 `json:"samples_ts"`

	Version   string  `json:"eclat_version"`
	Sum       string  `json:"model_sha256"`
	Test      string  `json:"test"`
	Device    string  `json:"device"`
	Driver    string  `json:"driver"`
	LoadNS    int64   `json:"load_ns"`
	FirstNS   int64   `json:"ttft_ns"`        // time to first token after this prompt; 0 for generating
	Read      float64 `json:"read_bandwidth"` // of the processor, bytes a second; 0 without
	Copy      float64 `json:"copy_bandwidth"` // of a GPU, read plus written
	MatMul    float64 `json:"matmul_flops"`
	OfLimit   float64 `json:"of_limit"` // share of the bandwidth or of matmul_flops reached; 0 unknown
	PerJoule  float64 `json:"tokens_per_joule,omitempty"`
	HostPeak  int64   `json:"peak_memory_host"`
	GPUMemory int64   `json:"memory_device"`

	LogitsSum  string `json:"logits_sha256"` // of the proof's run; empty without --proof
	LogitsRows int    `json:"logits_rows"`

	Kernels []kernelRow `json:"kernels,omitempty"` // in a device's first row
}

// kernelRow is one kind of step of a generated token.
type kernelRow struct {
	Op    string  `json:"op"`
	Name  string  `json:"name"`
	Type  string  `json:"type"`
	Calls int     `json:"calls"`
	NS    int64   `json:"ns"`
	Bytes int64   `json:"bytes"`
	Rate  float64 `json:"bytes_per_second"`
	Share float64 `json:"share"`
}

// rows flattens the measurements.
func (b *benchRun) rows() []benchRow {
	var out []benchRow
	for i, d := range b.devices {
		for j := range d.Results {
			r := b.row(d, &d.Results[j])
			r.Batch, r.UBatch = b.chunk[i], b.chunk[i]
			if j == 0 && d.Kernels != nil {
				r.Kernels = kernelRows(d.Kernels)
			}
			out = append(out, r)
		}
	}
	return out
}

func (b *benchRun) row(d *bench.Device, r *bench.Result) benchRow {
	seconds, rates := r.Seconds(), r.Rates()
	row := benchRow{
		BuildCommit: strings.Trim(commit(), " ()"), CPUInfo: engine.Processor().Name,
		File: b.model.file, Type: b.model.kind, Size: b.model.bytes, Params: b.model.params, Sum: b.model.sum,
		TypeK: b.typeK, TypeV: b.typeV, MMap: true,
		NPrompt: r.Prompt, NGen: r.Gen, NDepth: r.Depth, TestTime: r.Start.UTC().Format(time.RFC3339),
		AvgNS: int64(stats.Mean(seconds) * 1e9), StdNS: int64(stats.StdDev(seconds) * 1e9), SamplesTS: rates,
		Version: release(), Test: r.Name(), Device: d.Name, LoadNS: d.Load.Nanoseconds(),
		MatMul: d.MatMul, OfLimit: r.OfLimit, PerJoule: r.TokensPerJoule(), HostPeak: d.HostPeak, GPUMemory: d.GPUMemory,
	}
	row.AvgTS, row.StdTS = r.Rate()
	if row.BuildCommit == "" {
		row.BuildCommit = "unknown"
	}
	if p := r.Proof; p.Rows > 0 {
		row.LogitsSum, row.LogitsRows = p.Hex(), p.Rows
	}
	if r.Prompt > 0 {
		row.FirstNS = row.AvgNS
	}
	for _, s := range r.Samples {
		row.SamplesNS = append(row.SamplesNS, s.Nanoseconds())
	}
	var names []string
	for _, p := range d.Parts {
		names = append(names, p.Backend)
		row.Threads = max(row.Threads, p.Threads)
		row.Read, row.Copy = max(row.Read, p.Read), max(row.Copy, p.Copy)
		if p.GPU() {
			row.GPUInfo, row.Driver = p.Name, p.Driver
			row.GPULayers += p.Layers
		}
	}
	row.Backends = strings.Join(names, ",")
	return row
}

func kernelRows(p *bench.Profile) []kernelRow {
	var out []kernelRow
	for i := range p.Kernels {
		k := &p.Kernels[i]
		out = append(out, kernelRow{k.Op.String(), k.Name, k.Type.String(), k.Calls, k.Time.Nanoseconds(), k.Bytes, k.Rate(), k.Share})
	}
	return out
}

// print writes the measurements in a format. The breakdown by op follows a table
// where it was asked for; JSON holds it wherever it was measured.
func (b *benchRun) print(w io.Writer, format string, colour, kernels bool) error {
	switch format {
	case "json":
		return out.JSON(w, b.rows(), true)
	case "jsonl":
		for _, r := range b.rows() {
			if err := out.JSON(w, r, false); err != nil {
				return err
			}
		}
		return nil
	case "csv":
		return b.csv(w)
	}
	b.markdown(w, colour, kernels)
	return nil
}

// csv writes what fits in one cell each, under the names of JSON.
func (b *benchRun) csv(w io.Writer) error {
	sheet := csv.NewWriter(w)
	for i, r := range b.rows() {
		text, err := json.Marshal(r)
		if err != nil {
			return err
		}
		// Decoded token by token: a map would lose the order of the fields.
		dec := json.NewDecoder(strings.NewReader(string(text)))
		dec.UseNumber()
		var names, cells []string
		dec.Token() // {
		for dec.More() {
			name, _ := dec.Token()
			var v any
			if err := dec.Decode(&v); err != nil {
				return err
			}
			if _, list := v.([]any); list || name == "tokens_per_joule" {
				continue
			}
			names, cells = append(names, name.(string)), append(cells, out.Escape(fmt.Sprint(v)))
		}
		if i == 0 {
			sheet.Write(names)
		}
		sheet.Write(cells)
	}
	sheet.Flush()
	return sheet.Error()
}

// markdown writes llama-bench's table with what it lacks at the right, and the
// devices below.
func (b *benchRun) markdown(w io.Writer, colour, kernels bool) {
	head := []string{"<model", "size", "params", "<backend", "ngl", "test", "t/s", "of limit"}
	if b.kept() {
		head = slices.Insert(head, 5, "type_k", "type_v")
	}
	joules := false
	for _, d := range b.devices {
		for i := range d.Results {
			joules = joules || d.Results[i].Joules > 0
		}
	}
	if joules {
		head = append(head, "tokens/J")
	}
	if len(b.devices) > 1 {
		head = append(head, "<device")
	}
	t := out.NewTable(head...)
	for _, r := range b.rows() {
		cells := b.cells(&r, joules)
		if b.kept() {
			cells = slices.Insert(cells, 5, r.TypeK, r.TypeV)
		}
		t.Add(cells...)
		t.Look(slices.Index(head, "t/s"), out.Bold)
	}
	t.Markdown(w, colour)
	out.Fprintf(w, "\n")
	for _, d := range b.devices {
		b.deviceLines(w, d)
	}
	out.Fprintf(w, "build: %s\n", build())
	for _, d := range b.devices {
		if kernels && d.Kernels != nil {
			out.Fprintf(w, "\n")
			printKernels(w, d, colour)
		}
	}
}

// kept reports whether keys or values are kept otherwise than as f16, as they are unless
// asked for.
func (b *benchRun) kept() bool { return b.typeK != "f16" || b.typeV != "f16" }

func (b *benchRun) cells(r *benchRow, joules bool) []string {
	limit := "–"
	if r.OfLimit > 0 {
		what := "matmul"
		switch {
		case r.NGen > 0 && r.Copy > 0: // beside which what the processor reads counts too
			what = "copy"
		case r.NGen > 0:
			what = "read"
		}
		limit = fmt.Sprintf("%.0f %% of %s", 100*r.OfLimit, what)
	}
	out := []string{
		r.Type, fmt.Sprintf("%.2f %s", float64(r.Size)/unit(r.Size), unitName(r.Size)), fmt.Sprintf("%.2f %s", params(r.Params), paramsName(r.Params)),
		r.Backends, fmt.Sprint(r.GPULayers), r.Test, fmt.Sprintf("%.2f ± %.2f", r.AvgTS, r.StdTS), limit,
	}
	if joules {
		out = append(out, fmt.Sprintf("%.2f", r.PerJoule))
	}
	if len(b.devices) > 1 {
		out = append(out, r.Device)
	}
	return out
}

// Sizes are in MiB or GiB and weights in M or B, as llama-bench prints them.
func unit(n int64) float64 {
	if n >= 1<<30 {
		return 1 << 30
	}
	return 1 << 20
}

func unitName(n int64) string {
	if n >= 1<<30 {
		return "GiB"
	}
	return "MiB"
}

func params(n int64) float64 {
	if n >= 1e9 {
		return float64(n) / 1e9
	}
	return float64(n) / 1e6
}

func paramsName(n int64) string {
	if n >= 1e9 {
		return "B"
	}
	return "M"
}

// deviceLines tells what stands behind the rates of a device.
func (b *benchRun) deviceLines(w io.Writer, d *bench.Device) {
	out.Fprintf(w, "device: %s\n", d.Name)
	for _, p := range d.Parts {
		line := p.Name
		if p.Kernels != "" {
			line += ", kernels " + p.Kernels
		}
		if p.Driver != "" {
			line += ", driver " + p.Driver
		}
		if p.Read > 0 {
			line += fmt.Sprintf(", reads %.1f GB/s", p.Read/1e9)
		}
		if p.Copy > 0 {
			line += fmt.Sprintf(", copies %.1f GB/s", p.Copy/1e9)
		}
		if d.MatMul > 0 {
			line += fmt.Sprintf(", multiplies %s", flops(d.MatMul))
		}
		out.Fprintf(w, "  %s\n", line)
	}
	line := "loaded in " + brief(d.Load)
	for i := range d.Results {
		if r := &d.Results[i]; r.Prompt > 0 {
			mean := time.Duration(stats.Mean(r.Seconds()) * 1e9)
			line += fmt.Sprintf(", first token of %s after %s", r.Name(), brief(mean))
		}
	}
	if d.HostPeak > 0 {
		line += fmt.Sprintf(", %s of main memory at most", mib(d.HostPeak))
	}
	if d.GPUMemory > 0 {
		line += fmt.Sprintf(", %s on the device", mib(d.GPUMemory))
	}
	out.Fprintf(w, "  %s\n", line)
	for i := range d.Results {
		if r := &d.Results[i]; r.Proof.Rows > 0 {
			out.Fprintf(w, "  proof of %s: %s\n", r.Name(), r.Proof)
		}
	}
}

func flops(x float64) string {
	if x >= 1e12 {
		return fmt.Sprintf("%.1f TFLOP/s", x/1e12)
	}
	return fmt.Sprintf("%.1f GFLOP/s", x/1e9)
}

// printKernels writes the breakdown of a token.
func printKernels(w io.Writer, d *bench.Device, colour bool) {
	p := d.Kernels
	out.Fprintf(w, "a token by op on %s, mean of %d at depth %d: %s in all\n\n", d.Name, p.Tokens, p.Depth, micro(p.Total))
	t := out.NewTable("<op", "<tensor", "<type", "calls", "time", "share", "GB/s")
	var sum time.Duration
	for i := range p.Kernels {
		k := &p.Kernels[i]
		sum += k.Time
		rate, ty := "–", "–"
		if k.Bytes > 0 && k.Time > 0 {
			rate = fmt.Sprintf("%.1f", k.Rate()/1e9)
		}
		if k.Op == model.MatMul || k.Op == model.MatMulExperts || k.Op == model.Embed {
			ty = k.Type.String()
		}
		t.Add(k.Op.String(), k.Name, ty, fmt.Sprint(k.Calls), micro(k.Time), fmt.Sprintf("%.1f %%", 100*k.Share), rate)
		if k.Share >= 0.2 {
			t.Look(5, out.Bold)
		}
	}
	t.Text(w, colour)
	out.Fprintf(w, "\nbetween the ops: %s\n", micro(max(0, p.Total-sum)))
}

// micro prints a time in microseconds, or milliseconds from ten thousand on.
func micro(d time.Duration) string {
	if d >= 10*time.Millisecond {
		return fmt.Sprintf("%.2f ms", d.Seconds()*1e3)
	}
	return fmt.Sprintf("%.1f µs", d.Seconds()*1e6)
}

// brief prints a time in milliseconds, or in seconds from one on.
func brief(d time.Duration) string {
	if d >= time.Second {
		return fmt.Sprintf("%.2f s", d.Seconds())
	}
	return fmt.Sprintf("%.1f ms", d.Seconds()*1e3)
}
