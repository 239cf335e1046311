package main

import (
	"strings"
	"testing"

	"github.com/spf13/pflag"

	"eclat/engine"
	"eclat/loader"
	"eclat/model/sample"
	"eclat/model/tokenizer"
	"eclat/testdata"
)

// TestSamplingUsage: a wrong setting is named before the model is opened.
func TestSamplingUsage(t *testing.T) {
	for _, c := range [][]string{
		{"--repeat-penalty", "-1"}, {"--repeat-last-n", "-2"}, {"--frequency-penalty", "NaN"}, {"--presence-penalty", "Inf"},
		{"--dry-multiplier", "-1"}, {"--dry-base", "0.5"}, {"--dry-base", "0"}, {"--dry-allowed-length", "-1"}, {"--dry-penalty-last-n", "-2"},
		{"--top-nsigma", "-2"}, {"--typical", "1.5"}, {"--xtc-probability", "2"}, {"--xtc-threshold", "-0.5"},
		{"--dynatemp-range", "-1"}, {"--dynatemp-exp", "1000"}, {"--dynatemp-exp", "x"}, {"--dry-allowed-length", "x"}, {"--top-k", "99999999999"},
		{"--logit-bias", "5"}, {"--logit-bias", "x+1"}, {"--logit-bias", "-5+1"}, {"--logit-bias", "5+inf"},
		{"--dry-sequence-breaker", ""}, {"--dry-sequence-breaker", strings.Repeat("x", 50)}, {"--stop", ""}, {"--stop", strings.Repeat("y", 2000)}, {"--stop", "\xff"},
	} {
		out, errs, code := eclat(t, "", append([]string{"run", "/no/such/model.gguf"}, c...)...)
		if code != 2 || out != "" || strings.Count(errs, "\n") != 1 || !strings.Contains(errs, c[0]) || len(errs) > 200 {
			t.Errorf("%.60q: exit code %d, stderr %q", c, code, errs)
		}
	}
	if _, errs, code := eclat(t, "", "run", "--logit-bias", "99999999+1"); code != 2 || !strings.Contains(errs, "--logit-bias of token 99999999") {
		t.Errorf("exit code %d, %q", code, errs)
	}
}

// TestSamplingFlags: each flag changes the text, and stderr tells the chain in force.
func TestSamplingFlags(t *testing.T) {
	run := func(flags ...string) (text, errs string) {
		text, errs, code := eclat(t, "", append([]string{"run", "-n", "30", "--seed", "3", "--ignore-eos", "--device", "cpu",
			"-p", "The people of the United States and the people of the"}, flags...)...)
		if code != 0 {
			t.Fatalf("%q: exit code %d, %s", flags, code, errs)
		}
		return text, errs
	}
	plain, errs := run()
	if !strings.Contains(errs, "\nsampling top-k 40 → top-p 0.95 → min-p 0.05 → temp 0.8, seed 3\n") {
		t.Errorf("the chain is not told: %s", errs)
	}
	for _, c := range []struct{ flags, tells string }{
		{"--repeat-penalty 1.5", "repeat 1.5 over 64 tokens"}, {"--frequency-penalty 2 --repeat-last-n -1", "frequency 2 over all tokens"}, {"--presence-penalty 3", "presence 3"},
		{"--dry-multiplier 5 --dry-allowed-length 1", "DRY 5·1.75^(n−1)"}, {"--top-nsigma 0.2", "top 0.2σ"}, {"--typical 0.2", "typical 0.2"},
		{"--xtc-probability 1 --xtc-threshold 0.05", "XTC 1 from 0.05"}, {"--dynatemp-range 0.8", "temp 0.8 ± 0.8"}, {"--logit-bias 262-inf --logit-bias 300+30", "logit bias on 2"},
	} {
		text, errs := run(strings.Fields(c.flags)...)
		if text == plain || !strings.Contains(errs, c.tells) {
			t.Errorf("%s: %q, which must not be the plain text, and stderr must say %q: %s", c.flags, text, c.tells, errs)
		}
	}
	one, _ := run("--dry-multiplier", "5", "--dry-allowed-length", "0", "--dry-base", "1.1")
	if none, _ := run("--dry-multiplier", "5", "--dry-allowed-length", "0", "--dry-base", "1.1", "--dry-sequence-breaker", "the"); none == one {
		t.Error("a breaker changes nothing")
	}
}

// TestSamplingSources: a flag that is given goes before the model's file, that before
// the default.
func TestSamplingSources(t *testing.T) {
	file, err := loader.FromBytes(testdata.ModelName, testdata.Model)
	if err != nil {
		t.Fatal(err)
	}
	tok, err := tokenizer.New(file)
	if err != nil {
		t.Fatal(err)
	}
	e := &engine.Engine{Tokenizer: tok, Sampling: sample.Defaults()}
	e.Sampling.Temp, e.Sampling.MinP = 0.15, 0.01
	var f samplingFlags
	fs := pflag.NewFlagSet("run", pflag.ContinueOnError)
	f.add(fs)
	if err := fs.Parse([]string{"--temp", "0.8", "--top-k", "7", "--dry-sequence-breaker", "none", "--logit-bias", "3+1"}); err != nil {
		t.Fatal(err)
	}
	if err := f.check(); err != nil {
		t.Fatal(err)
	}
	how, err := f.settings(fs, e)
	if err != nil || how.Temp != 0.8 || how.MinP != 0.01 || how.TopK != 7 || how.TopP != 0.95 || len(how.DryBreakers) != 0 || len(how.Bias) != 1 {
		t.Errorf("%s, %v", &how, err)
	}
}

// TestStop: the text ends before the first stop string, wherever its tokens begin, and
// the model with it.
func TestStop(t *testing.T) {
	args := []string{"run", "-p", "The Congress", "-n", "30", "--temp", "0", "--ignore-eos", "--device", "cpu", "--proof"}
	all, _, _ := eclat(t, "", args...)
	all = strings.TrimSuffix(all, "\n")
	var before string
	for _, at := range []int{0, 7, 20, 41} {
		stop := all[at:][:6]
		want := all[:strings.Index(all, stop)]
		got, errs, code := eclat(t, "", append(args, "--stop", "\x01never", "--stop", stop)...)
		if strings.TrimSuffix(got, "\n") != strings.TrimSuffix(want, "\n") || code != 0 || !strings.Contains(errs, "(stop string)") {
			t.Errorf("--stop %q: %q, want %q; exit code %d, %s", stop, got, want, code, errs)
		}
		proof := proofLine.FindString(errs)
		if _, errs, _ := eclat(t, "", append(args, "--stop", stop)...); proofLine.FindString(errs) != proof || proof == before {
			t.Errorf("--stop %q: the proof is %q and %q", stop, proof, proofLine.FindString(errs))
		}
		before = proof
	}
	if got, errs, _ := eclat(t, "", append(args, "--stop", "\x01never")...); strings.TrimSuffix(got, "\n") != all || !strings.Contains(errs, "token limit") {
		t.Errorf("a stop string that does not come: %q, want %q", got, all)
	}
}
