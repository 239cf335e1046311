package main

import (
	"encoding/binary"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"eclat/engine/compare"
	"eclat/loader"
	"eclat/loader/quant"
	"eclat/testdata"
)

// damaged writes the built-in model with the scales of one tensor, of type Q4_K,
// multiplied.
func damaged(t *testing.T, tensor string, factor float32) string {
	t.Helper()
	data := slices.Clone(testdata.Model)
	f, err := loader.FromBytes("copy", data)
	if err != nil {
		t.Fatal(err)
	}
	x := f.Tensor(tensor)
	_, size := x.Type.Block()
	for b := x.Data; len(b) > 0; b = b[size:] {
		h := quant.HalfToFloat(binary.LittleEndian.Uint16(b))
		binary.LittleEndian.PutUint16(b, quant.FloatToHalf(h*factor))
	}
	return writeModel(t, data)
}

func writeModel(t *testing.T, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "model.gguf")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// equalLine is the first line about two equal sides.
var equalLine = regexp.MustCompile(`^equal: 94 tensors × 24 tokens, \d+ numbers, sha256 [0-9a-f]{64}\n`)

// TestCompareSound: the processor keeps all limits against the reference.
func TestCompareSound(t *testing.T) {
	out := ok(t, "", "compare", "--device", "cpu", "-n", "24", "--tensors")
	if !equalLine.MatchString(out) {
		t.Errorf("the first line does not say that all is equal:\n%s", out)
	}
	for _, want := range []string{"PASS", "against sotu-8m-q4_k_m.gguf (built in) on ref", "24 tokens, 94 tensors", "blk.5.ffn_down",
		"first divergent tensor  none", "mean KL, nats", "99 % KL, nats", "no greedy token differs", "100.0 %"} {
		if !strings.Contains(out, want) {
			t.Errorf("the output lacks %q:\n%s", want, out)
		}
	}
	if strings.Contains(out, "\x1b") {
		t.Error("coloured, but not on a terminal")
	}
}

// TestCompareDamaged: a changed tensor is named first, and the exit code is 1.
func TestCompareDamaged(t *testing.T) {
	bad := damaged(t, "blk.3.ffn_gate.weight", 1.05)
	for _, device := range []string{"cpu", "ref"} {
		out, errs, code := eclat(t, "", "compare", bad, "--device", device, "--against", "cpu", "--against-model", writeModel(t, testdata.Model), "-n", "16")
		if code != 1 || !strings.HasPrefix(out, "unequal: blk.3.ffn_gate, position 0, element 0: ") || !strings.Contains(out, "first divergent tensor  blk.3.ffn_gate (layer 3, position 0, element ") ||
			!strings.Contains(out, "FAIL blk.3.ffn_gate differs by") || !strings.Contains(errs, "differ by more than the limits") {
			t.Errorf("%s: exit code %d, %s\n%s", device, code, errs, out)
		}
	}
	out := ok(t, "", "compare", bad, "--device", "cpu", "--against-model", writeModel(t, testdata.Model), "-n", "16",
		"--limit-error", "0", "--limit-kl", "10", "--limit-kl99", "10", "--limit-logprob", "10", "--limit-top", "0")
	if !strings.Contains(out, "PASS") {
		t.Errorf("with the limits off:\n%s", out)
	}
}

func TestCompareSaved(t *testing.T) {
	run := filepath.Join(t.TempDir(), "ref.run")
	if out, errs, code := eclat(t, "", "compare", "--device", "ref", "-n", "12", "--save", run); code != 0 || out != "" || !strings.Contains(errs, "saved 12 tokens") {
		t.Fatalf("exit code %d, stdout %q, stderr %q", code, out, errs)
	}
	var r struct {
		compare.Result
		Pass bool
	}
	// Numbers that are no numbers are written as text; a sound comparison has none.
	if err := json.Unmarshal([]byte(ok(t, "", "compare", "--device", "cpu", "--against-run", run, "--json")), &r); err != nil {
		t.Fatal(err)
	}
	if !r.Pass || r.Positions != 12 || !strings.HasPrefix(r.Want.Program, "eclat ") || len(r.Tensors) != 94 || r.Logits.KLMean > 1e-6 {
		t.Errorf("%+v", r.Logits)
	}
	data, err := os.ReadFile(run)
	if err != nil {
		t.Fatal(err)
	}
	cut := filepath.Join(t.TempDir(), "cut.run")
	if err := os.WriteFile(cut, data[:len(data)-100], 0o600); err != nil {
		t.Fatal(err)
	}
	empty := filepath.Join(t.TempDir(), "empty.txt")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	other := damaged(t, "blk.0.attn_q.weight", 1.01)
	for _, c := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"--against-run", cut}, 1, "cut short"},
		{[]string{"--against-run", writeModel(t, testdata.Model)}, 1, "not a saved run"},
		{[]string{other, "--against-run", run}, 1, "saved from another model"},
		{[]string{"--against-run", run, "--against", "ref"}, 2, "stands alone"},
		{[]string{"--against-run", run, "-p", "x"}, 2, "brings its own text"},
		{[]string{"-p", "x", "-f", empty}, 2, "exclude"},
		{[]string{"-f", empty}, 1, "is empty"},
		{[]string{"-f", "none.txt"}, 1, "none.txt"},
		{[]string{"-n", "0"}, 2, "-n 0"},
		{[]string{"--limit-kl", "-1"}, 2, "-1"},
		{[]string{"--device", "abacus"}, 4, "abacus"},
		{[]string{"--device", "cpu", "--against", "abacus"}, 4, "abacus"},
		{[]string{"--device", "cpu", "--against-model", "none.gguf"}, 1, "none.gguf"},
		{[]string{"--device", "cpu", "--save", run, "--save-limit", "0"}, 2, "--save-limit"},
	} {
		out, errs, code := eclat(t, "", append([]string{"compare"}, c.args...)...)
		lines := strings.Split(strings.TrimSpace(errs), "\n")
		if code != c.code || out != "" || !strings.Contains(lines[len(lines)-1], c.says) {
			t.Errorf("%v: exit code %d, want %d; stdout %q, stderr %q", c.args, code, c.code, out, errs)
		}
	}
}
