package main

import (
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/spf13/cobra"
)

// TestUsage: wrong words and flags are exit code 2, one line that says what was
// meant, and nothing that only a programmer knows.
func TestUsage(t *testing.T) {
	file := put(t, "words.txt", "words")
	for _, c := range []struct {
		args []string
		says string
	}{
		{[]string{"rnu"}, `"rnu"; did you mean run?`}, {[]string{"rnu", "-n", "5"}, "did you mean run?"}, {[]string{"Inspct"}, "inspect"},
		{[]string{"fly"}, "see 'eclat --help'"}, {[]string{"help", "rnu"}, "did you mean run?"}, {[]string{"help", "run", "x"}, `"x"`},
		{[]string{"model.gguf"}, "to run a model: eclat run model.gguf"}, {[]string{"model.gguf", "-p", "x"}, "eclat run model.gguf"},
		{[]string{"/no/dir/a.ID.json", "--temp", "1"}, "eclat run /no/dir/a.ID.json"}, {[]string{file}, "eclat run " + file},
		{[]string{"completion", "fsh"}, "did you mean"}, {[]string{"completion", "bash", "x"}, "takes no arguments"},
		{[]string{"version", "x"}, "version takes no arguments"}, {[]string{"devices", "x"}, "devices takes no arguments"},
		{[]string{"--wings"}, "unknown flag: --wings; see 'eclat --help'"}, {[]string{"run", "--tepm", "1"}, "did you mean --temp?"},
		{[]string{"compare", "--limit-tops", "1"}, "did you mean --limit-top?"}, {[]string{"bench", "--synth", "x"}, "did you mean --synthetic?"},
		{[]string{"run", "-z"}, "'z' in -z"}, {[]string{"run", "--temp"}, "needs an argument"}, {[]string{"run", "--=x"}, "--=x"},
		{[]string{"run", "--" + strings.Repeat("x", 5000)}, "unknown flag"}, {[]string{"run", strings.Repeat("x", 5000), "y"}, "one model"},
		{[]string{"run", "-n", "x"}, `-n, --n: "x" is not a whole number`}, {[]string{"run", "-n", "1.5"}, "not a whole number"},
		{[]string{"run", "-n", "99999999999999999999"}, "too large"}, {[]string{"run", "--seed", "9223372036854775808"}, "too large"},
		{[]string{"run", "--temp", "warm"}, `--temp: "warm" is not a number`}, {[]string{"run", "--temp", "1e99"}, "too large"},
		{[]string{"run", "--special=maybe"}, "neither true nor false"}, {[]string{"run", "-c", "many"}, "a number of tokens, or auto"},
		{[]string{"bench", "-p", "1,x"}, "not a whole number"}, {[]string{"run", "-t", "x"}, "not a whole number"},
		{[]string{"run", "-n", "-2"}, "-n -2"}, {[]string{"run", "--repeat-last-n", "-2"}, "--repeat-last-n -2"},
		{[]string{"run", "--temp", "Inf"}, "--temp"}, {[]string{"run", "--temp", "NaN"}, "--temp"}, {[]string{"run", "--repeat-penalty", "Inf"}, "--repeat-penalty"},
		{[]string{"run", ""}, "empty"}, {[]string{"run", "-f", ""}, "--file is empty"}, {[]string{"compare", "--save", ""}, "--save is empty"},
		{[]string{"run", "--device", ""}, "--device is empty"}, {[]string{"fragment", "-o", ""}, "--output is empty"},
		{[]string{"compare", "--limit-top", "2"}, "--limit-top 2"}, {[]string{"compare", "--limit-top", "-0.1"}, "--limit-top"},
		{[]string{"compare", "--limit-top", "NaN"}, "--limit-top"}, {[]string{"compare", "--limit-error", "-1"}, "--limit-error -1"},
		{[]string{"compare", "--limit-error", "Inf"}, "--limit-error"}, {[]string{"compare", "--limit-kl", "NaN"}, "--limit-kl NaN"},
		{[]string{"run", "--cache-type-k", "q5_0"}, "none of f16, f32, q8_0, q4_0"}, {[]string{"bench", "--cache-type-v", ""}, "--cache-type-v"},
		{[]string{"compare", "--limit-kl99", "-1"}, "--limit-kl99"}, {[]string{"compare", "--limit-logprob", "+Inf"}, "--limit-logprob"},
	} {
		out, errs, code := eclat(t, "", c.args...)
		if code != 2 || out != "" || strings.Count(errs, "\n") != 1 || !strings.Contains(errs, c.says) {
			t.Errorf("%v: exit code %d, stdout %q, stderr %q, which must say %q", c.args, code, out, errs, c.says)
		}
		if len(errs) > 250 {
			t.Errorf("%.60v: an error of %d characters: %.300q", c.args, len(errs), errs)
		}
		for _, internal := range []string{"strconv", "invalid argument", "invalid syntax", "eclat eclat", "eclat: eclat", "*", "0x", "%!"} {
			if strings.Contains(errs, internal) {
				t.Errorf("%v: %q says %q", c.args, errs, internal)
			}
		}
	}
}

// TestHelp: every command explains itself, with examples whose flags it knows.
func TestHelp(t *testing.T) {
	var all func(*cobra.Command)
	all = func(cmd *cobra.Command) {
		if cmd.Short == "" || cmd.Example == "" {
			t.Errorf("%s: no description or no example", cmd.CommandPath())
		}
		for _, line := range strings.Split(cmd.Example, "\n") {
			_, line, _ = strings.Cut(line, "eclat ")
			line = regexp.MustCompile(` [<|] .*|  +.*|[")]`).ReplaceAllString(line, "")
			found, args, err := newRoot().Find(strings.Fields(line))
			if err == nil {
				err = found.ParseFlags(args)
			}
			if err != nil || found.Root() == found {
				t.Errorf("the example %q: %v", line, err)
			}
		}
		words := strings.Fields(cmd.CommandPath())[1:]
		help := ok(t, "", append(words, "--help")...)
		if !strings.Contains(help, cmd.Example) || !strings.Contains(help, "Usage:") {
			t.Errorf("%v --help: %q", words, help)
		}
		for line := range strings.Lines(help) {
			if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > 100 {
				t.Errorf("%v --help: a line of %d columns: %q", words, n, line)
			}
		}
		if got := ok(t, "", append([]string{"help"}, words...)...); got != help {
			t.Errorf("help %v differs from --help: %q", words, got)
		}
		for _, sub := range cmd.Commands() {
			all(sub)
		}
	}
	all(newRoot())
	if out := ok(t, "", "completion", "bash"); !strings.Contains(out, "__start_eclat") {
		t.Errorf("no completion script: %.100q", out)
	}
	if out := ok(t, "", "__complete", "run", "--dev"); !strings.Contains(out, "--device") {
		t.Errorf("completion: %q", out)
	}
}

// TestVersion: every way to ask gives the same line; a release is what it was
// built as.
func TestVersion(t *testing.T) {
	want := ok(t, "", "version")
	if !regexp.MustCompile(`^eclat \S+( \([0-9a-f]{12}(\+changes)?\))? go\S+ \S+/\S+\n$`).MatchString(want) {
		t.Errorf("%q", want)
	}
	for _, flag := range []string{"--version", "-v"} {
		if got := ok(t, "", flag); got != want {
			t.Errorf("%s: %q, want %q", flag, got, want)
		}
	}
	if testing.Short() {
		t.Skip("builds the program")
	}
	bin := filepath.Join(t.TempDir(), "eclat")
	build := exec.Command("go", "build", "-ldflags", "-X main.version=1.2.3", "-o", bin, ".")
	if text, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	text, err := exec.Command(bin, "--version").Output()
	if err != nil || !strings.HasPrefix(string(text), "eclat 1.2.3 ") {
		t.Errorf("%q, %v", text, err)
	}
}

// TestProcessorKernels: the environment chooses the processor's kernels; what is not there
// is a mistake of usage, said in one line.
func TestProcessorKernels(t *testing.T) {
	t.Setenv("ECLAT_CPU", "plain")
	if got := ok(t, "", "devices", "--quick"); !strings.Contains(strings.Join(strings.Fields(got), " "), " kernels plain ") {
		t.Errorf("%s", got)
	}
	for _, value := range []string{"AVX", "\x1b[31m" + strings.Repeat("x", 5000)} {
		t.Setenv("ECLAT_CPU", value)
		_, errs, code := eclat(t, "", "run", "-n", "1")
		if code != 2 || !strings.Contains(errs, "ECLAT_CPU") || strings.Count(errs, "\n") != 1 || len(errs) > 200 || strings.Contains(errs, "\x1b") {
			t.Errorf("exit code %d: %q", code, errs)
		}
	}
}

// TestRunCounts: 0 is no token and -1 as many as there are, both of the text and of
// what the penalty looks back on.
func TestRunCounts(t *testing.T) {
	if out := ok(t, "", "run", "-n", "0", "--device", "cpu"); out != "" {
		t.Errorf("-n 0 printed %q", out)
	}
	if _, errs, code := eclat(t, "", "run", filepath.Join(t.TempDir(), "none"), "-n", "0"); code != 1 || !strings.Contains(errs, "none") {
		t.Errorf("-n 0 of no model: exit code %d, %q", code, errs)
	}
	_, errs, code := eclat(t, "", "run", "-n", "-1", "-c", "40", "--ignore-eos", "--device", "cpu")
	if code != 0 || !strings.Contains(errs, "context") || strings.Contains(errs, "token limit") {
		t.Errorf("-n -1: exit code %d, %q", code, errs)
	}
	text := func(flags ...string) string {
		return ok(t, "", append([]string{"run", "--temp", "0", "-n", "60", "-c", "128", "--ignore-eos", "--device", "cpu", "-p", "The people of the"}, flags...)...)
	}
	plain, last64 := text(), text("--repeat-penalty", "1.5")
	if got := text("--repeat-penalty", "1.5", "--repeat-last-n", "0"); got != plain {
		t.Errorf("--repeat-last-n 0 is no penalty: %q, want %q", got, plain)
	}
	all := text("--repeat-penalty", "1.5", "--repeat-last-n", "128")
	if got := text("--repeat-penalty", "1.5", "--repeat-last-n", "-1"); got != all || got == plain {
		t.Errorf("--repeat-last-n -1 is the whole context: %q, want %q", got, all)
	}
	if last64 == plain || text("--repeat-penalty", "1.5", "--repeat-last-n", "1") == last64 {
		t.Error("the penalty does not depend on how far it looks back")
	}
}
