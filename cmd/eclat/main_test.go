package main

import (
	"bytes"
	"encoding/json"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"eclat/loader/ggufwrite"
	"eclat/loader/quant"
	"eclat/testdata"
)

// With ECLAT_MAIN set the test binary is the program: tests run it as a user would.
func TestMain(m *testing.M) {
	if os.Getenv("ECLAT_MAIN") != "" {
		main()
	}
	os.Exit(m.Run())
}

func command(args ...string) *exec.Cmd {
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = append(os.Environ(), "ECLAT_MAIN=1")
	return cmd
}

// eclat runs the program and returns what it printed and its exit code.
func eclat(t testing.TB, stdin string, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	cmd := command(args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if stdin != "" {
		cmd.Stdin = strings.NewReader(stdin)
	}
	err := cmd.Run()
	if _, exited := err.(*exec.ExitError); err != nil && !exited {
		t.Fatal(err)
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

// ok is eclat for commands that must succeed; it returns stdout.
func ok(t testing.TB, stdin string, args ...string) string {
	t.Helper()
	out, errs, code := eclat(t, stdin, args...)
	if code != 0 {
		t.Fatalf("eclat %v: exit code %d: %s", args, code, errs)
	}
	return out
}

func TestRunBuiltIn(t *testing.T) {
	out, errs, code := eclat(t, "", "run", "-n", "40", "--seed", "3")
	if code != 0 || len(strings.Fields(out)) < 10 {
		t.Errorf("exit code %d, text %q", code, out)
	}
	for _, want := range []string{"State of the Union 8M", "seed 3", "load ", "prompt ", "generate ", "tokens/s", "token limit"} {
		if !strings.Contains(errs, want) {
			t.Errorf("stderr lacks %q: %s", want, errs)
		}
	}
	if again := ok(t, "", "run", "-n", "40", "--seed", "3"); again != out {
		t.Errorf("the same seed gave %q and %q", out, again)
	}
	if other := ok(t, "", "run", "-n", "40", "--seed", "4"); other == out {
		t.Error("another seed gave the same text")
	}
}

// TestRunPromptSources: -p, -f and a pipe are the same prompt.
func TestRunPromptSources(t *testing.T) {
	const prompt = "The people of the"
	file := filepath.Join(t.TempDir(), "prompt.txt")
	if err := os.WriteFile(file, []byte(prompt+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	greedy := []string{"run", "--temp", "0", "-n", "12"}
	want := ok(t, "", append(greedy, "-p", prompt)...)
	if !strings.HasPrefix(want, " United States") { // the space between prompt and text is text
		t.Errorf("the text is %q", want)
	}
	if got := ok(t, "", append(greedy, "-f", file)...); got != want {
		t.Errorf("from a file %q, from -p %q", got, want)
	}
	if got := ok(t, prompt, greedy...); got != want {
		t.Errorf("from a pipe %q, from -p %q", got, want)
	}
}

func TestExitCodes(t *testing.T) {
	dir := t.TempDir()
	bad := filepath.Join(dir, "bad.gguf")
	if err := os.WriteFile(bad, []byte("not a model at all"), 0o600); err != nil {
		t.Fatal(err)
	}
	cut := filepath.Join(dir, "cut.gguf")
	if err := os.WriteFile(cut, testdata.Model[:len(testdata.Model)-1000], 0o600); err != nil {
		t.Fatal(err)
	}
	other := filepath.Join(dir, "other.gguf")
	f := ggufwrite.File{}
	f.Set("general.architecture", "mamba")
	f.Add("token_embd.weight", quant.F32, []int{4, 4}, make([]float32, 16))
	if err := f.WriteFile(other); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args []string
		code int
		says []string
	}{
		{[]string{"fly"}, 2, []string{`"fly"`}},
		{[]string{"run", "--wings"}, 2, []string{"--wings"}},
		{[]string{"run", "a", "b"}, 2, []string{"one model"}},
		{[]string{"run", "--temp", "-1"}, 2, []string{"--temp"}},
		{[]string{"run", "--top-p", "1.5"}, 2, []string{"--top-p"}},
		{[]string{"run", "--min-p", "NaN"}, 2, []string{"--min-p"}},
		{[]string{"run", "--top-k", "-3"}, 2, []string{"--top-k"}},
		{[]string{"run", "--repeat-penalty", "0"}, 2, []string{"--repeat-penalty"}},
		{[]string{"run", "--seed", "-2"}, 2, []string{"--seed"}},
		{[]string{"run", "-c", "-5"}, 2, []string{"--context"}},
		{[]string{"run", "-g", "some"}, 2, []string{"--gpu-layers"}},
		{[]string{"run", "--device", "cpu", "--require-gpu"}, 4, []string{"a GPU is required"}},
		{[]string{"run", "-p", "x", "-f", bad}, 2, []string{"exclude"}},
		{[]string{"run", "-f", filepath.Join(dir, "none.txt")}, 1, []string{"none.txt"}},
		{[]string{"run", filepath.Join(dir, "none.gguf")}, 1, []string{"none.gguf", "no such file"}},
		{[]string{"run", dir}, 3, []string{dir, "not a regular file"}},
		{[]string{"run", bad}, 3, []string{bad, "magic", "byte 0"}},
		{[]string{"inspect", bad}, 3, []string{bad, "magic"}},
		{[]string{"tokenize", bad}, 3, []string{bad, "magic"}},
		{[]string{"run", cut}, 3, []string{cut, "1000 bytes are missing"}},
		{[]string{"run", other}, 3, []string{`"mamba"`, "llama"}},
		{[]string{"run", "--device", "abacus"}, 4, []string{"abacus"}},
		{[]string{"run", "-c", "1000000000"}, 4, []string{"1000000000 tokens", "MiB"}},
		{[]string{"run", "-c", "20", "-p", strings.Repeat("long ", 50)}, 1, []string{"the context holds 20"}},
		{[]string{"logprobs"}, 2, []string{"--ids"}},
		{[]string{"logprobs", "--ids", "1,x"}, 2, []string{`"x"`}},
		{[]string{"logprobs", "--ids", "1,99999"}, 1, []string{"99999", "4096"}},
	} {
		t.Run(strings.Join(c.args, " "), func(t *testing.T) {
			out, errs, code := eclat(t, "", c.args...)
			if code != c.code || out != "" {
				t.Errorf("exit code %d, want %d; stdout %q, stderr %q", code, c.code, out, errs)
			}
			last := strings.Split(strings.TrimSpace(errs), "\n")
			for _, says := range c.says {
				if !strings.Contains(last[len(last)-1], says) {
					t.Errorf("the error line %q lacks %q", last[len(last)-1], says)
				}
			}
		})
	}
}

func TestInspect(t *testing.T) {
	out := ok(t, "", "inspect")
	for _, want := range []string{
		"4 × 128 = 512 elements wide and n_embd is 256", // the riddle: heads that do not add up to n_embd
		"256 elements = 1 blocks of Q4_K × 144 bytes = 144 bytes",
		"blk.0.attn_q.weight       Q4_K  256×512",
		"query  4      128        512    256",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("inspect lacks %q:\n%s", want, out)
		}
	}
	var j struct {
		Architecture string
		Config       map[string]any
		Tensors      map[string]struct {
			Shape    []int
			Type     string
			RowBytes int `json:"row_bytes"`
		} `json:"tensor_specifics"`
	}
	if err := json.Unmarshal([]byte(ok(t, "", "inspect", "--json")), &j); err != nil {
		t.Fatal(err)
	}
	q := j.Tensors["blk.0.attn_q.weight"]
	if j.Architecture != "llama" || j.Config["head_dim_k"] != 128.0 || q.Shape[0] != 256 || q.Shape[1] != 512 || q.RowBytes != 144 {
		t.Errorf("architecture %q, head_dim_k %v, attn_q %+v", j.Architecture, j.Config["head_dim_k"], q)
	}
}

// TestInspectWhatCannotRun: a file of an unsupported kind is shown, with a line that
// says so; an unsound one is shown too, but fails.
func TestInspectWhatCannotRun(t *testing.T) {
	write := func(name, architecture string) string {
		f := ggufwrite.File{}
		f.Set("general.architecture", architecture)
		f.Add("token_embd.weight", quant.F32, []int{4, 4}, make([]float32, 16))
		path := filepath.Join(t.TempDir(), name)
		if err := f.WriteFile(path); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for _, c := range []struct {
		path string
		code int
		says string
	}{{write("other.gguf", "mamba"), 0, "this model cannot be run"}, {write("unsound.gguf", "llama"), 3, "llama.block_count"}} {
		out, errs, code := eclat(t, "", "inspect", c.path)
		if code != c.code || !strings.Contains(out, "token_embd.weight") || !strings.Contains(errs, c.says) || strings.Count(errs, "\n") != 1 {
			t.Errorf("exit code %d, want %d; stdout %q, stderr %q", code, c.code, out, errs)
		}
	}
}

func TestTokenizeAndLogprobs(t *testing.T) {
	ids := ok(t, "The Congress of the United States", "tokenize")
	if n := len(strings.Fields(ids)); n < 4 || n > 12 {
		t.Errorf("ids %q", ids)
	}
	lines := ok(t, "\"The Congress of the United States\"\n\"\"\n", "tokenize", "--jsonl")
	if want := "[" + strings.ReplaceAll(strings.TrimSpace(ids), " ", ",") + "]\n[]\n"; lines != want {
		t.Errorf("--jsonl gave %q, want %q", lines, want)
	}
	if _, errs, code := eclat(t, "\"a\"\nb\n", "tokenize", "--jsonl"); code != 1 || !strings.Contains(errs, "line 2") {
		t.Errorf("exit code %d, %q; want 1 and the bad line's number", code, errs)
	}

	out := ok(t, ids, "logprobs", "--ids-file", "-", "--top", "3")
	rows := strings.Split(strings.TrimSpace(out), "\n")
	if len(rows) != len(strings.Fields(ids)) {
		t.Fatalf("%d rows for ids %q", len(rows), ids)
	}
	for i, r := range rows {
		var row struct {
			Pos  int
			Next *int32
			LP   *float64
			Top  [][2]float64
		}
		if err := json.Unmarshal([]byte(r), &row); err != nil {
			t.Fatal(err)
		}
		last := i == len(rows)-1
		if row.Pos != i || len(row.Top) != 3 || (row.Next == nil) != last || (row.LP == nil) != last {
			t.Errorf("row %d: %s", i, r)
		}
		if !last && (*row.LP > 0 || math.IsInf(*row.LP, 0)) || row.Top[0][1] < row.Top[2][1] {
			t.Errorf("row %d: probabilities out of order: %s", i, r)
		}
	}
}

// TestInterrupt: Ctrl-C in the middle of a text ends it cleanly, with timings.
func TestInterrupt(t *testing.T) {
	cmd := command("run", "--ignore-eos", "-c", "1000000", "--device", "ref")
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(out, make([]byte, 20)); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	go io.Copy(io.Discard, out)
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	select {
	case <-done:
	case <-time.After(2 * time.Minute):
		cmd.Process.Signal(syscall.SIGKILL)
		t.Fatal("still running two minutes after the interrupt")
	}
	if code := cmd.ProcessState.ExitCode(); code != 130 || !strings.Contains(errs.String(), "eclat: interrupted; the output is partial\n") || !strings.Contains(errs.String(), "tokens/s") {
		t.Errorf("exit code %d; stderr %q", code, errs.String())
	}
}

// deviceList is what devices lists.
func deviceList(t *testing.T) (list []deviceEntry) {
	t.Helper()
	if err := json.Unmarshal([]byte(ok(t, "", "devices", "--json", "--quick")), &list); err != nil {
		t.Fatal(err)
	}
	return list
}

// TestDevices: the list always holds the CPU, and exactly one device is the automatic one.
func TestDevices(t *testing.T) {
	list, auto := deviceList(t), 0
	for _, d := range list {
		if d.Auto {
			auto++
		}
		if d.Title == "" || d.Type == "" || d.Chunk < 1 || len(d.Types) == 0 || d.Bandwidth != 0 || d.Error != "" {
			t.Errorf("%+v", d)
		}
	}
	n := len(list)
	if n < 2 || list[n-2].Name != "cpu" || list[n-2].Threads < 1 || list[n-1].Name != "ref" || list[n-1].Lacks != nil || auto != 1 {
		t.Errorf("%d automatic devices in %+v", auto, list)
	}
	if out := ok(t, "", "devices"); !strings.Contains(out, "GB/s") || !strings.Contains(out, "(auto)") {
		t.Errorf("devices printed %q", out)
	}
}
