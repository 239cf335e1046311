package main

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// TestPeersRows: over three processes with rows in a format the proof is the same one after a
// loss, whether another process takes the place or this one, and not that of one process;
// compare tells what the format costs.
func TestPeersRows(t *testing.T) {
	t.Setenv("ECLAT_PEER_DIR", t.TempDir())
	home := strings.TrimSpace(ok(t, "", "peer", "id"))
	b := newWorker(t, home)
	args := []string{"run", "--device", "cpu", "-t", "1", "-n", "200", "--seed", "3", "--ignore-eos", "--proof", "--draft", "off"}
	proof := regexp.MustCompile(`sha256 [0-9a-f]{64}`)
	_, stderr, _ := eclat(t, "", args...)
	alone := proof.FindString(stderr)
	for _, format := range []string{"f16", "q8_0"} {
		want := ""
		for _, how := range []string{"calm", "standby", "home"} {
			a := newWorker(t, home)
			with := append(slices.Clone(args), "--peers", a.address+","+b.address, "--layers", "1,2,3", "--rows", format)
			if how == "standby" {
				with = append(with, "--standby", newWorker(t, home).address)
			}
			var once sync.Once
			_, errs := answerOf(t, command(with...), func(read int) {
				if read > 100 && how != "calm" {
					once.Do(func() { a.cmd.Process.Signal(syscall.SIGKILL) })
				}
			})
			got := proof.FindString(errs)
			if want == "" {
				want = got
			}
			if got == "" || got != want || got == alone {
				t.Errorf("%s, %s: %s, calm %s, one process %s; %s", format, how, got, want, alone, errs)
			}
			for _, says := range map[string][]string{
				"calm":    {"rows travel as " + format + ", "},
				"standby": {"takes the place of", "replay   layers"},
				"home":    {"move to this machine"},
			}[how] {
				if !strings.Contains(errs, says) {
					t.Errorf("%s, %s: nobody says %q: %s", format, how, says, errs)
				}
			}
		}
	}
	difference := func(format string) float64 {
		var r struct {
			Logits struct {
				Mean float64 `json:"mean_logprob_diff"`
			}
		}
		text, stderr, _ := eclat(t, "", "compare", "--device", "cpu", "--against", "cpu", "-t", "1", "--peers", b.address, "--layers", "3,3", "--rows", format, "--json")
		if err := json.Unmarshal([]byte(text), &r); err != nil {
			t.Fatalf("%v: %s", err, stderr)
		}
		return r.Logits.Mean
	}
	if f32, f16, q8 := difference("f32"), difference("f16"), difference("q8_0"); f32 != 0 || f16 <= 0 || f16 > 0.0015 || q8 < f16 || q8 > 0.05 { // three times what was measured
		t.Errorf("mean |Δ log p| is %g of f32, %g of f16, %g of q8_0", f32, f16, q8)
	}
	for says, args := range map[string][]string{
		"go with --peers":                     {"--rows", "f16"},
		"give f32, f16 or q8_0":               {"--rows", "q4_0", "--peers", "x"},
		`--rows: "": no format of rows: give`: {"--rows=", "--peers", "x"},
	} {
		if _, stderr, code := eclat(t, "", append([]string{"run", "-n", "1"}, args...)...); code != 2 || !strings.Contains(stderr, says) || strings.Count(stderr, "\n") != 1 {
			t.Errorf("%q: exit %d, %q", args, code, stderr)
		}
	}
}
