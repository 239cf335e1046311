package main

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"eclat/engine/bench"
	"eclat/engine/stats"
)

var quickBench = []string{"bench", "--device", "cpu", "-p", "16", "-n", "4", "-r", "2"}

func quick(t *testing.T, args ...string) string {
	t.Helper()
	return ok(t, "", append(slices.Clone(quickBench), args...)...)
}

// TestBenchMarkdown: llama-bench's columns in its order, aligned, and no colour
// where there is no terminal.
func TestBenchMarkdown(t *testing.T) {
	out := quick(t, "-d", "0,20", "--kernels")
	lines := strings.Split(out, "\n")
	var cells []string
	for _, c := range strings.Split(strings.Trim(lines[0], "| "), "|") {
		cells = append(cells, strings.TrimSpace(c))
	}
	if want := []string{"model", "size", "params", "backend", "ngl", "test", "t/s", "of limit"}; !slices.Equal(cells, want) {
		t.Errorf("columns %q, want %q", cells, want)
	}
	for i, want := range []string{"pp16", "tg4", "pp16 @ d20", "tg4 @ d20"} {
		line := lines[2+i]
		if !strings.Contains(line, " "+want+" |") || !regexp.MustCompile(`\d+\.\d\d ± \d+\.\d\d`).MatchString(line) {
			t.Errorf("line %d: %q, want test %s", i, line, want)
		}
		if len([]rune(line)) != len([]rune(lines[0])) {
			t.Errorf("line %d is not aligned: %q", i, line)
		}
	}
	for _, want := range []string{"llama 8.0M Q4_K - Medium", "4.69 MiB", "8.00 M", "CPU", "% of matmul", "% of read", "reads", "GB/s", "FLOP/s",
		"device: cpu", "loaded in", "first token of pp16", "main memory", "build: eclat", "ffn_down", "between the ops"} {
		if !strings.Contains(out, want) {
			t.Errorf("the output lacks %q:\n%s", want, out)
		}
	}
	if strings.Contains(out, "\x1b") {
		t.Error("coloured, but not on a terminal")
	}
}

// TestBenchCacheTypes: how keys and values are kept is told where it is not the usual way.
func TestBenchCacheTypes(t *testing.T) {
	table := quick(t, "--cache-type-k", "q8_0", "--cache-type-v", "q4_0")
	if head, row, _ := strings.Cut(table, "\n"); !strings.Contains(head, "| type_k | type_v |") || !strings.Contains(row, "|   q8_0 |   q4_0 |") {
		t.Errorf("neither head nor row tell of q8_0 and q4_0:\n%s", table)
	}
	if rows := quick(t, "--output", "json", "--cache-type-v", "f32"); !strings.Contains(rows, `"type_k": "f16"`) || !strings.Contains(rows, `"type_v": "f32"`) {
		t.Errorf("the rows tell otherwise:\n%s", rows)
	}
}

// llamaBench is what a reader of llama-bench's JSON declares.
type llamaBench struct {
	BuildCommit string    `json:"build_commit"`
	CPUInfo     string    `json:"cpu_info"`
	Backends    string    `json:"backends"`
	Filename    string    `json:"model_filename"`
	Type        string    `json:"model_type"`
	Size        uint64    `json:"model_size"`
	Params      uint64    `json:"model_n_params"`
	Batch       int       `json:"n_batch"`
	Threads     int       `json:"n_threads"`
	GPULayers   int       `json:"n_gpu_layers"`
	NPrompt     int       `json:"n_prompt"`
	NGen        int       `json:"n_gen"`
	NDepth      int       `json:"n_depth"`
	TestTime    string    `json:"test_time"`
	AvgNS       uint64    `json:"avg_ns"`
	StdNS       uint64    `json:"stddev_ns"`
	AvgTS       float64   `json:"avg_ts"`
	StdTS       float64   `json:"stddev_ts"`
	SamplesNS   []uint64  `json:"samples_ns"`
	SamplesTS   []float64 `json:"samples_ts"`

	Sum     string           `json:"model_sha256"`
	Read    float64          `json:"read_bandwidth"`
	OfLimit float64          `json:"of_limit"`
	Kernels []map[string]any `json:"kernels"`
}

func (r *llamaBench) check(t *testing.T) {
	t.Helper()
	if r.Backends != "CPU" || r.Type != "llama 8.0M Q4_K - Medium" || r.Size != 4916224 || r.Params != 7998720 ||
		r.BuildCommit == "" || r.CPUInfo == "" || r.TestTime == "" || r.Threads < 1 || r.Batch < 1 || !(r.Read > 0) || !(r.OfLimit > 0) {
		t.Errorf("%+v", r)
	}
	n := float64(r.NPrompt + r.NGen)
	if !(math.Abs(r.AvgTS-stats.Mean(r.SamplesTS)) < 1e-9) || !(math.Abs(r.StdTS-stats.StdDev(r.SamplesTS)) < 1e-9) ||
		len(r.SamplesNS) != 2 || !(math.Abs(r.SamplesTS[1]-n*1e9/float64(r.SamplesNS[1])) < 1e-6*r.SamplesTS[1]) {
		t.Errorf("%+v", r)
	}
}

// TestBenchJSON: the names are llama-bench's.
func TestBenchJSON(t *testing.T) {
	var rows []llamaBench
	if err := json.Unmarshal([]byte(quick(t, "-o", "json", "--kernels")), &rows); err != nil {
		t.Fatal(err)
	}
	if len(rows) != 2 || rows[0].NPrompt != 16 || rows[1].NGen != 4 || len(rows[0].Kernels) < 10 || rows[1].Kernels != nil {
		t.Fatalf("%+v", rows)
	}
	for i := range rows {
		rows[i].check(t)
		if rows[i].Sum != "4e70bca54fde6f5f1734c61cc7bbd9de944ceef6f9162e37243e29c793ea450e" {
			t.Errorf("the file's hash is %s", rows[i].Sum)
		}
	}
	for i, line := range strings.Split(strings.TrimSpace(quick(t, "-o", "jsonl")), "\n") {
		var row llamaBench
		if err := json.Unmarshal([]byte(line), &row); err != nil || i > 1 {
			t.Fatalf("line %d: %v", i, err)
		}
		row.check(t)
	}
	table, err := csv.NewReader(strings.NewReader(quick(t, "-o", "csv"))).ReadAll()
	if err != nil || len(table) != 3 {
		t.Fatalf("%d lines, %v", len(table), err)
	}
	at := slices.Index(table[0], "avg_ts")
	if x, err := strconv.ParseFloat(table[2][at], 64); err != nil || !(x > 0) || slices.Index(table[0], "n_prompt") < 0 {
		t.Errorf("avg_ts %q: %v", table[2][at], err)
	}
}

// runRates are the lines in which `eclat run` says how many tokens took how long.
var runRates = regexp.MustCompile(`(?m)^(prompt|generate) +([\d.]+) s +(\d+) tokens +([\d.]+) tokens/s`)

// besides returns what run and bench say of one prompt and the n tokens after it:
// tokens/s of the prompt and of the text, the best of bench's samples. It checks that
// both count the same tokens.
func besides(t testing.TB, n int) (run, measured [2]float64) {
	t.Helper()
	prompt := strings.Repeat(" the", 64)
	ids := strings.Fields(ok(t, prompt, "tokenize"))
	p := len(ids) + 1 // and the beginning-of-sequence token
	_, errs, code := eclat(t, "", "run", "--device", "cpu", "--temp", "0", "--ignore-eos", "-n", fmt.Sprint(n+1), "-p", prompt)
	lines := runRates.FindAllStringSubmatch(errs, -1)
	if code != 0 || len(lines) != 2 || lines[0][3] != fmt.Sprint(p) || lines[1][3] != fmt.Sprint(n+1) {
		t.Fatalf("exit code %d; want %d and %d tokens: %q", code, p, n+1, errs)
	}
	for i, m := range lines {
		run[i], _ = strconv.ParseFloat(m[4], 64)
	}
	for i, args := range [][]string{
		{"-p", fmt.Sprint(p), "-n", "0"},
		{"-p", "0", "-n", fmt.Sprint(n), "-d", fmt.Sprint(p)}, // the text begins after the prompt: at that depth
	} {
		var rows []llamaBench
		out := ok(t, "", append([]string{"bench", "--device", "cpu", "-r", "2", "-o", "json"}, args...)...)
		if err := json.Unmarshal([]byte(out), &rows); err != nil || len(rows) != 1 || len(rows[0].SamplesTS) != 2 {
			t.Fatalf("%v: %s", err, out)
		}
		if r := rows[0]; r.NPrompt != []int{p, 0}[i] || r.NGen != []int{0, n}[i] || r.NDepth != []int{0, p}[i] {
			t.Errorf("%+v", r)
		}
		measured[i] = slices.Max(rows[0].SamplesTS)
	}
	return run, measured
}

// TestBenchAndRun: bench measures what run does, token for token.
func TestBenchAndRun(t *testing.T) {
	run, measured := besides(t, 8)
	for i := range run {
		if !(run[i] > 0) || !(measured[i] > 0) {
			t.Errorf("run %g, bench %g tokens/s", run[i], measured[i])
		}
	}
}

// BenchmarkBenchAndRun reports the best rates of `eclat run` and of `eclat bench`,
// which take turns: on a quiet machine they differ by a few percent.
func BenchmarkBenchAndRun(b *testing.B) {
	var run, measured [2]float64
	for b.Loop() {
		r, m := besides(b, 48)
		for i := range r {
			run[i], measured[i] = max(run[i], r[i]), max(measured[i], m[i])
		}
	}
	b.ReportMetric(run[0], "run-prompt-t/s")
	b.ReportMetric(measured[0], "bench-prompt-t/s")
	b.ReportMetric(run[1], "run-text-t/s")
	b.ReportMetric(measured[1], "bench-text-t/s")
}

// TestBenchSynthetic: a shape is benched without its weights, and its file is gone
// afterwards.
func TestBenchSynthetic(t *testing.T) {
	if testing.Short() {
		t.Skip("writes 190 MB")
	}
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	out := ok(t, "", "bench", "--synthetic", "tinyllama-1.1b:1", "--device", "cpu", "-p", "0", "-n", "2", "-r", "1", "-o", "jsonl")
	var row llamaBench
	if err := json.Unmarshal([]byte(out), &row); err != nil || row.Filename != "synthetic tinyllama-1.1b:1" || row.Size != 118_530_048 {
		t.Errorf("%+v, %v", row, err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestBenchErrors(t *testing.T) {
	for _, c := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"-p", "-1"}, 2, "-p -1"},
		{[]string{"-p", "0", "-n", "0"}, 2, "nothing to measure"},
		{[]string{"-r", "0"}, 2, "-r 0"},
		{[]string{"-o", "xml"}, 2, "xml"},
		{[]string{"-c", "10"}, 2, "the tests need 512"},
		{[]string{"--synthetic", "gpt-oss-21b"}, 2, "the nearest is gpt-oss-20b"},
		{[]string{"--synthetic", "llama-3.2-1b:99"}, 2, "1 to 16"},
		{[]string{"--synthetic", "llama-3.2-1b:99"}, 2, "1 to 16"},
		{[]string{"--synthetic", "llama-3.2-1b", "model.gguf"}, 2, "exclude"},
		{[]string{"--device", "cpu,abacus"}, 4, "abacus"},
		{[]string{"--device", "cpu,,ref"}, 2, "a name is empty"},
		{[]string{"none.gguf"}, 1, "none.gguf"},
		{[]string{"-p", "1", "-n", "0", "-r", "1", "--device", "cpu", "--report", filepath.Join(t.TempDir(), "no", "such", "a.html")}, 1, "no such"},
	} {
		out, errs, code := eclat(t, "", append([]string{"bench"}, c.args...)...)
		lines := strings.Split(strings.TrimSpace(errs), "\n")
		if code != c.code || !strings.Contains(lines[len(lines)-1], c.says) || c.code != 1 && out != "" {
			t.Errorf("%v: exit code %d, want %d; stdout %q, stderr %q", c.args, code, c.code, out, errs)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(os.TempDir(), "eclat-llama*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// TestBenchLeastContext: the break-down by op has room where the tests need none.
func TestBenchLeastContext(t *testing.T) {
	ok(t, "", "bench", "-p", "1", "-n", "0", "-r", "1", "--no-warmup", "--device", "ref", "--kernels")
}

// TestBenchShapes: the list names every shape, with what is known of it.
func TestBenchShapes(t *testing.T) {
	list := ok(t, "", "bench", "--synthetic", "help")
	for _, s := range bench.Shapes {
		if !strings.Contains(list, s.Name+" ") {
			t.Errorf("%s is not listed:\n%s", s.Name, list)
		}
	}
	for _, want := range []string{"qwen35moe", "23.6 · 10⁹", "14.3 GB"} {
		if !strings.Contains(list, want) {
			t.Errorf("%q is not in the list:\n%s", want, list)
		}
	}
}
