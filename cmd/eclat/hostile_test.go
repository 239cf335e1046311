package main

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"eclat/cmd/eclat/out"
	"eclat/engine/compare"
	"eclat/loader/ggufwrite"
	"eclat/loader/quant"
	"eclat/testdata"
)

// hostile is as long as the built-in model's name: it clears a screen, in two ways,
// and turns the direction of writing.
const hostile = "\x1b[2J\u009b2J\u202ee\u200b\ahi\r\n\t"

// hostileModel is the built-in model with another name, in a file whose own name is
// no better.
func hostileModel(t *testing.T) string {
	t.Helper()
	const name = "State of the Union 8M"
	if len(hostile) != len(name) || bytes.Count(testdata.Model, []byte(name)) != 1 {
		t.Fatalf("%d bytes, not %d", len(hostile), len(name))
	}
	return put(t, "m\x1b[31m\u202e\u2066\n.gguf", string(bytes.Replace(testdata.Model, []byte(name), []byte(hostile), 1)))
}

// quiet reports what in a text would do something to a terminal.
func quiet(t *testing.T, what, text string) {
	t.Helper()
	if !utf8.ValidString(text) {
		t.Errorf("%s: not UTF-8: %.500q", what, text)
	}
	if i := strings.IndexFunc(text, func(r rune) bool { return r != '\n' && unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp) }); i >= 0 {
		t.Errorf("%s: …%.60q", what, text[max(0, i-20):])
	}
}

// TestHostileNames: strings of models, files and saved runs do not reach the
// terminal raw: not in tables, messages, JSON, CSV or pages, nor in errors.
func TestHostileNames(t *testing.T) {
	bad := hostileModel(t)
	dir := filepath.Join(t.TempDir(), "d\x1b\u202e")
	run := filepath.Join(t.TempDir(), "r\x1b\u202e.run")
	base := filepath.Join(t.TempDir(), "b\x1b\u202e.base")
	page := func() string { return filepath.Join(t.TempDir(), "p\x1b\u202e.html") }
	report, report2 := page(), page()
	odd := ggufwrite.File{}
	odd.Set("general.architecture", "a"+hostile)
	odd.Set("general.name", hostile)
	odd.Add("token_embd.weight", quant.F32, []int{4, 4}, make([]float32, 16))
	other := filepath.Join(t.TempDir(), "o\x9b.gguf")
	if err := odd.WriteFile(other); err != nil {
		t.Fatal(err)
	}
	quick := []string{"-p", "4", "-n", "0", "-r", "1", "--device", "cpu"}
	for _, c := range []struct {
		code int
		args []string
	}{
		{0, []string{"run", bad, "-n", "0", "--device", "cpu"}}, {0, []string{"inspect", bad}}, {0, []string{"inspect", bad, "--json"}},
		{0, []string{"inspect", other}}, {0, []string{"inspect", other, "--json"}}, {3, []string{"run", other}}, {3, []string{"tokenize", other}},
		{0, append([]string{"bench", bad, "--report", report}, quick...)}, {0, append([]string{"bench", bad, "-o", "csv"}, quick...)},
		{0, append([]string{"bench", bad, "-o", "jsonl"}, quick...)},
		{0, []string{"compare", bad, "--device", "cpu", "--save", run, "-n", "4"}},
		{0, []string{"compare", bad, "--device", "cpu", "--against-run", run, "--report", report2}}, {0, []string{"compare", bad, "--device", "cpu", "--against-run", run, "--json"}},
		{1, []string{"compare", damaged(t, "blk.0.attn_q.weight", 1.01), "--device", "cpu", "--against-run", run}},
		{0, []string{"perplexity", bad, "--device", "cpu", "-f", speech, "-c", "64", "--chunks", "1", "--save-base", base}},
		{0, []string{"perplexity", damaged(t, "blk.0.attn_q.weight", 1.01), "--device", "cpu", "-f", speech, "-c", "64", "--chunks", "1", "--kl-base", base}},
		{0, []string{"verify", dir}}, {1, []string{"run", "x" + hostile}}, {1, []string{"run", "-f", "x" + hostile}}, {2, []string{"x" + hostile}},
		{2, []string{"run", "--x" + hostile}}, {2, []string{"run", "-n", hostile}}, {2, []string{"run", "--" + hostile + "=x"}}, {2, []string{"run", "-\x1b"}},
		{2, []string{"bench", "-o", hostile}}, {2, []string{"bench", "--synthetic", hostile}}, {2, []string{"verify", dir, "--layers", hostile}},
		{2, []string{"run", hostile, hostile}}, {2, []string{"run", dir, "--verify", hostile}}, {4, []string{"run", "--device", hostile}},
		{2, []string{"logprobs", "--ids", hostile + "\x1b"}}, {1, []string{"assemble", dir, "-o", bad}}, {2, []string{"compare", "--save", bad, bad}},
	} {
		if c.args[0] == "verify" && c.code == 0 {
			ok(t, "", "fragment", bad, "-o", dir)
		}
		stdout, stderr, code := eclat(t, "", c.args...)
		if code != c.code {
			t.Errorf("%q: exit code %d, want %d: %q", c.args, code, c.code, stderr)
		}
		quiet(t, strings.Join(c.args, " ")+": stdout", stdout)
		quiet(t, strings.Join(c.args, " ")+": stderr", stderr)
		if strings.Contains(strings.Join(c.args, " "), "json") && !json.Valid([]byte(strings.Split(stdout, "\n{")[0])) {
			t.Errorf("%q: no JSON: %.200q", c.args, stdout)
		}
	}
	for _, path := range []string{report, report2} {
		html, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		text := string(html)
		end := strings.Index(text, "<footer>") // the libraries behind it hold characters of their own
		quiet(t, "the page", strings.ReplaceAll(text[:end], "\t", " "))
		at := strings.Index(text, "const charts")
		quiet(t, "the charts", text[at:at+strings.Index(text[at:], "\n")])
	}
}

// TestHostileRun: the strings that a saved run was given by hand.
func TestHostileRun(t *testing.T) {
	h := &compare.Header{File: hostile, Device: hostile, Driver: hostile, Time: hostile, Program: hostile, Model: hostile}
	r := &compare.Result{Got: h, Want: h, Failures: []string{hostile}, First: &compare.Point{Tensor: hostile}, FirstDiff: &compare.Point{Tensor: hostile},
		Tensors: []compare.TensorResult{{Tensor: compare.Tensor{Name: hostile, Op: hostile}, Worst: 1, Error: 1}}, Layers: []compare.LayerResult{{Layer: 0, Worst: hostile, Error: 1}}}
	var b bytes.Buffer
	printComparison(&b, r, true, false)
	quiet(t, "the comparison", b.String())
	if !strings.Contains(b.String(), out.Escape(hostile)) {
		t.Errorf("%s", b.String())
	}
}

// TestGeneratedText: what a model writes passes unchanged into a pipe, and cannot
// command a terminal.
func TestGeneratedText(t *testing.T) {
	script, err := exec.LookPath("script")
	if err != nil {
		t.Skip("no script(1) to make a terminal with (apt-get install bsdutils)")
	}
	// The prompt's continuation holds the word "the": make an escape sequence of it.
	model := put(t, "m.gguf", strings.ReplaceAll(string(testdata.Model), "\x05\x00\x00\x00\x00\x00\x00\x00\xc4\xa0the", "\x05\x00\x00\x00\x00\x00\x00\x00\xc4\x9b[2J"))
	args := []string{"run", model, "--temp", "0", "-n", "40", "--device", "cpu", "-p", "The people of"}
	piped := ok(t, "", args...)
	if !strings.Contains(piped, "\x1b[2J") {
		t.Fatalf("the text does not hold the sequence: %q", piped)
	}
	inner := command(args...)
	cmd := exec.Command(script, "-qec", "'"+strings.Join(inner.Args, "' '")+"' 2>/dev/null", "/dev/null")
	cmd.Env = append(inner.Env, "TERM=xterm")
	shown, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	if got, want := strings.ReplaceAll(string(shown), "\r\n", "\n"), strings.ReplaceAll(piped, "\x1b", `\x1b`); got != want {
		t.Errorf("on a terminal %q, want %q", got, want)
	}
}

// TestLongNames: what a file says at length does not fill the screen.
func TestLongNames(t *testing.T) {
	f := ggufwrite.File{}
	f.Set("general.architecture", strings.Repeat("a", 5000))
	f.Set("general.name", strings.Repeat("n", 5000))
	f.Add("token_embd.weight", quant.F32, []int{4, 4}, make([]float32, 16))
	other := put(t, "other.gguf", "")
	if err := f.WriteFile(other); err != nil {
		t.Fatal(err)
	}
	// longer is the built-in model with a string of its header lengthened, by as much
	// as keeps the tensors aligned.
	longer := func(text string) string {
		stored := func(s string) []byte { return append(binary.LittleEndian.AppendUint64(nil, uint64(len(s))), s...) }
		if bytes.Count(testdata.Model, stored(text)) != 1 {
			t.Fatalf("%q is not in the model once", text)
		}
		return writeModel(t, bytes.Replace(testdata.Model, stored(text), stored(text+strings.Repeat("n", 3200)), 1))
	}
	named, pre := longer("State of the Union 8M"), longer("tekken")
	// A folder far down, with three models in it.
	deep := filepath.Join(t.TempDir(), strings.Repeat("deep", 50), strings.Repeat("words between ", 12), strings.Repeat("long", 40))
	two := filepath.Join(deep, "two")
	if err := os.MkdirAll(deep, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, f := range []string{strings.Repeat("a", 150) + ".gguf", "b.gguf", "c.gguf"} {
		path := filepath.Join(deep, f)
		os.WriteFile(path, bytes.Replace(testdata.Model, []byte("State of the Union 8M"), []byte("State of the Union 8"+f[:1]), 1), 0o600)
		if _, errs, code := eclat(t, "", "fragment", path, "-o", two); code != 0 {
			t.Fatal(errs)
		}
	}
	none, long := filepath.Join(deep, "none"), strings.Repeat("x", 200)
	for _, c := range []struct {
		args []string
		says string
	}{
		{[]string{"run", other}, "supported are"}, {[]string{"run", named, "-n", "0", "--device", "cpu"}, ""}, {[]string{"run", pre}, "pre-tokenizer"},
		{[]string{"tokenize", pre}, "pre-tokenizer"}, {[]string{"inspect", pre}, ""}, {[]string{"inspect", none}, "/none: no such file"},
		{[]string{"run", two}, "the folder holds 3"}, {[]string{"assemble", two, "-o", none}, "the folder holds 3"}, {[]string{"run", deep}, "not a regular file"},
		{[]string{"run", deep + "/b.gguf", "-n", "0", "--device", "cpu"}, ""}, {[]string{"compare", "--save", none + "/x"}, "--save: no such folder"},
		{[]string{"compare", "--save", deep + "/" + long + long}, "--save: "}, {[]string{"compare", "--save", none, "--report", none}, "name the same file"},
		{[]string{"compare", "--save", deep + "/b.gguf", deep + "/b.gguf"}, "would overwrite"}, {[]string{"fragment", "-o", deep + "/b.gguf"}, "not a directory"},
		{[]string{"bench", "--synthetic", long}, "no shape"}, {[]string{"bench", "--synthetic", "llama-2-7b:" + long}, "number of layers"},
		{[]string{"run", "--device", long}, "there are: "}, {[]string{"run", "--device", strings.Repeat("é ", 500)}, "there are: "},
		{[]string{deep + "/b.gguf"}, "to run a model: "}, {[]string{"run", "--" + long}, "see 'eclat run --help'"},
		{[]string{"run", "-f", none}, "/none: no such file"}, {[]string{"logprobs", "--ids", long}, "x"},
	} {
		_, errs, _ := eclat(t, "", c.args...)
		lines := strings.Split(strings.TrimSuffix(errs, "\n"), "\n")
		for _, line := range lines {
			if n := utf8.RuneCountInString(line); n >= 200 {
				t.Errorf("%.100q: %d characters: %.300q", c.args, n, line)
			}
		}
		if last := lines[len(lines)-1]; !strings.Contains(last, c.says) {
			t.Errorf("%.100q: %q does not say %q", c.args, last, c.says)
		}
	}
}
