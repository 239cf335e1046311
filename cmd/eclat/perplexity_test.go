package main

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const (
	speech = "../../engine/perplexity/testdata/gettysburg.txt"
	golden = 73.76316874 // in float64, testdata/gettysburg.json beside it
)

func TestPerplexity(t *testing.T) {
	base := filepath.Join(t.TempDir(), "a.base")
	out, errs, code := eclat(t, "", "perplexity", "-f", speech, "-c", "64", "--device", "cpu", "--save-base", base)
	if code != 0 || !strings.HasPrefix(out, "perplexity  73.7") || !strings.Contains(out, "3 of 64 tokens; 93 of 238 tokens scored") {
		t.Fatalf("exit code %d: %s\n%s", code, errs, out)
	}
	var r struct {
		PPL   float64 `json:"ppl"`
		Error float64 `json:"ppl_error"`
		Base  struct {
			Mean float64 `json:"kl_mean"`
			Top  float64 `json:"same_top"`
		}
	}
	text, err := os.ReadFile(speech)
	if err != nil {
		t.Fatal(err)
	}
	out = ok(t, string(text), "perplexity", "-f", "-", "--device", "ref", "--kl-base", base, "--json")
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		t.Fatal(err)
	}
	if !(math.Abs(r.PPL/golden-1) < 0.005) || r.Error < 10 || r.Base.Mean > 1e-6 || r.Base.Top < 0.97 {
		t.Errorf("%+v", r)
	}
	if out := ok(t, "", "perplexity", "-f", speech, "--device", "cpu", "--kl-base", base, "--chunks", "2"); !strings.Contains(out, "mean KL, nats") || !strings.Contains(out, "2 of 64 tokens") {
		t.Errorf("two windows of three:\n%s", out)
	}
	// Another rounding of the same model is what bases are for; it is only told.
	_, errs, code = eclat(t, "", "perplexity", damaged(t, "blk.3.ffn_gate.weight", 1.01), "-f", speech, "--device", "cpu", "--kl-base", base)
	if code != 0 || !strings.Contains(errs, "note: the base was made from other weights") {
		t.Errorf("exit code %d: %s", code, errs)
	}

	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	data, err := os.ReadFile(base)
	if err != nil {
		t.Fatal(err)
	}
	kept := filepath.Join(dir, "never.base")
	for _, c := range []struct {
		args []string
		code int
		says string
	}{
		{nil, 2, "-f"},
		{[]string{"-f", write("empty.txt", "")}, 1, "empty.txt is empty"},
		{[]string{"-f", write("short.txt", "Four score and seven years ago")}, 1, "a window takes 512"},
		{[]string{"-f", write("short.txt", "Four score"), "-c", "64", "--save-base", kept}, 1, "a window takes 64"},
		{[]string{"-f", "none.txt"}, 1, "none.txt"},
		{[]string{"-f", speech, "-c", "3"}, 2, "-c 3"},
		{[]string{"-f", speech, "-c", "auto"}, 2, "window"},
		{[]string{"-f", speech, "--kl-base", write("cut.base", string(data[:len(data)-7]))}, 1, "cut short"},
		{[]string{"-f", speech, "--kl-base", speech}, 1, "not a saved base"},
		{[]string{"-f", speech, "--kl-base", base, "-c", "32"}, 1, "windows of 64 tokens"},
		{[]string{"-f", write("other.txt", strings.Repeat("Another text altogether. ", 60)), "--kl-base", base}, 1, "another text"},
		{[]string{"-f", speech, "--device", "abacus"}, 4, "abacus"},
	} {
		out, errs, code := eclat(t, "", append([]string{"perplexity"}, c.args...)...)
		lines := strings.Split(strings.TrimSpace(errs), "\n")
		if code != c.code || out != "" || !strings.Contains(lines[len(lines)-1], c.says) {
			t.Errorf("%v: exit code %d, want %d; stdout %q, stderr %q", c.args, code, c.code, out, errs)
		}
	}
	if _, err := os.Stat(kept); !os.IsNotExist(err) {
		t.Errorf("a base of nothing was kept: %v", err)
	}
	if small := "../../../shared/models/small-Q8_0.gguf"; exists(small) {
		_, errs, code := eclat(t, "", "perplexity", small, "-f", speech, "--device", "cpu", "--kl-base", base)
		if code != 1 || !strings.Contains(errs, "another vocabulary") {
			t.Errorf("a base of another vocabulary: exit code %d, %s", code, errs)
		}
	}
}

func exists(path string) bool { _, err := os.Stat(path); return err == nil }
