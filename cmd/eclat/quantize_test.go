package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"eclat/loader"
	"eclat/loader/ggufwrite"
	"eclat/loader/quant"
)

// TestQuantize: a model becomes smaller, every tensor is accounted for, and what was
// written runs.
func TestQuantize(t *testing.T) {
	in := filepath.Join("..", "..", "testdata", "qwen3-small.gguf")
	path := filepath.Join(t.TempDir(), "out.gguf")
	dry := ok(t, "", "quantize", in, path, "Q4_0", "--dry-run")
	if _, err := os.Stat(path); err == nil {
		t.Error("--dry-run wrote")
	}
	full := ok(t, "", "quantize", in, path, "Q4_0", "--tensor-type", `blk\.0\.ffn_up=Q8_0`)
	f, err := loader.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, x := range f.Tensors {
		if !strings.Contains(dry, x.Name) || !strings.Contains(full, x.Name) {
			t.Errorf("%s is not in the list", x.Name)
		}
	}
	if x := f.Tensor("blk.0.ffn_up.weight"); x == nil || x.Type != quant.Q8_0 {
		t.Errorf("blk.0.ffn_up.weight is %v", x)
	}
	if !strings.Contains(full, " %") || strings.Contains(dry, " %") {
		t.Errorf("errors: %s\n%s", full, dry)
	}
	ok(t, "", "run", path, "-p", "a", "-n", "2", "--device", "cpu")
}

// TestQuantizeFallback: where blocks do not divide a row, another type stands in, and the
// tensor's line says why.
func TestQuantizeFallback(t *testing.T) {
	f := ggufwrite.File{}
	f.Set("general.architecture", "llama")
	f.Add("blk.0.attn_q.weight", quant.F32, []int{160, 2}, make([]float32, 320))
	f.Add("blk.0.attn_k.weight", quant.F32, []int{33, 2}, make([]float32, 66))
	in := filepath.Join(t.TempDir(), "in.gguf")
	if err := f.WriteFile(in); err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(ok(t, "", "quantize", in, filepath.Join(t.TempDir(), "out.gguf"), "Q6_K")) {
		for name, to := range map[string]string{"attn_q": "Q8_0", "attn_k": "F16"} {
			if strings.Contains(line, name) && (!strings.Contains(line, to) || !strings.Contains(line, "blocks of Q6_K do not divide a row")) {
				t.Errorf("%q", line)
			}
		}
	}
}

// TestQuantizeRefused: what cannot be done is one line, and leaves no file.
func TestQuantizeRefused(t *testing.T) {
	in := filepath.Join("..", "..", "testdata", "qwen3-small.gguf")
	dir := t.TempDir()
	path := filepath.Join(dir, "out.gguf")
	for _, c := range []struct {
		code int
		says string
		args []string
	}{
		{2, `"Q9" is none of`, []string{in, path, "Q9"}},
		{2, "takes the model, the file to write and the type", []string{in, path}},
		{2, "REGEX=TYPE", []string{in, path, "Q4_0", "--tensor-type", "x"}},
		{3, "no importance matrix", []string{in, path, "Q4_0", "--imatrix", in}},
		{1, "exists", []string{in, in, "Q4_0"}},
		{1, "no such file", []string{in, filepath.Join(dir, "no", "out.gguf"), "Q4_0"}},
	} {
		out, errs, code := eclat(t, "", append([]string{"quantize"}, c.args...)...)
		last := errs[strings.LastIndex(strings.TrimSuffix(errs, "\n"), "\n")+1:] // after the warning
		if code != c.code || out != "" || !strings.Contains(last, c.says) {
			t.Errorf("%v: exit code %d, %q, %q", c.args, code, out, errs)
		}
	}
	sh, err := exec.LookPath("sh")
	if err != nil {
		t.Skip("needs a shell to limit the size of files, which stands for a full disk:", err)
	}
	cmd := exec.Command(sh, "-c", `ulimit -f 20; exec "$@"`, "sh", os.Args[0], "quantize", in, path, "Q4_0")
	cmd.Env = append(os.Environ(), "ECLAT_MAIN=1")
	out, _ := cmd.CombinedOutput()
	if code := cmd.ProcessState.ExitCode(); code != 1 || !strings.Contains(string(out), path) || !strings.Contains(string(out), "too large") {
		t.Errorf("a full disk: exit code %d, %q", code, out)
	}
	if left, _ := os.ReadDir(dir); len(left) > 0 {
		t.Errorf("%s is left", left[0].Name())
	}
}

// TestImatrix: the importance matrix of a text changes what quantize writes, and bad
// requests write nothing.
func TestImatrix(t *testing.T) {
	in := filepath.Join("..", "..", "testdata", "experts-small.gguf")
	dir := t.TempDir()
	path := filepath.Join(dir, "imatrix.gguf")
	text := filepath.Join(dir, "text.txt")
	if err := os.WriteFile(text, []byte(strings.Repeat("We the people of the United States. ", 40)), 0o600); err != nil {
		t.Fatal(err)
	}
	_, errs, code := eclat(t, "", "imatrix", in, "-f", text, "-o", path, "-c", "32", "--chunks", "2", "--device", "cpu")
	if code != 0 || !strings.Contains(errs, "2 windows of 32 tokens") {
		t.Fatalf("exit code %d: %s", code, errs)
	}
	plain, weighed := filepath.Join(dir, "a.gguf"), filepath.Join(dir, "b.gguf")
	ok(t, "", "quantize", in, plain, "Q4_0")
	ok(t, "", "quantize", in, weighed, "Q4_0", "--imatrix", path)
	a, err := os.ReadFile(plain)
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(weighed)
	if err != nil || len(a) != len(b) || string(a) == string(b) {
		t.Errorf("%d and %d bytes, and they should differ; %v", len(a), len(b), err)
	}
	never := filepath.Join(dir, "never.gguf")
	for _, c := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"-o", never}, 2, "-f"},
		{[]string{"-f", text}, 2, "-o"},
		{[]string{"-f", text, "-o", never, "--chunks", "-1"}, 2, "--chunks"},
		{[]string{"-f", text, "-o", never, "-c", "auto"}, 2, "window"},
		{[]string{"-f", filepath.Join(dir, "none.txt"), "-o", never}, 1, "none.txt"},
		{[]string{"-f", text, "-o", text}, 2, "--output"},
		{[]string{"-f", text, "-o", never, "-c", "4096"}, 1, "a window takes"},
	} {
		_, errs, code := eclat(t, "", append([]string{"imatrix", in, "--device", "cpu"}, c.args...)...)
		if code != c.code || !strings.Contains(errs, c.says) {
			t.Errorf("%v: exit code %d, want %d: %s", c.args, code, c.code, errs)
		}
		if _, err := os.Stat(never); err == nil {
			t.Fatalf("%v: a file was written", c.args)
		}
	}
}
