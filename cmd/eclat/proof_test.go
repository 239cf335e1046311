package main

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"
)

// proofLine is what `eclat run --proof` and the table of `eclat bench --proof` end with.
var proofLine = regexp.MustCompile(`(?m)^(?:proof   |  proof of (\w+):) sha256 ([0-9a-f]{64}), rows of logits (\d+), tokens (\d+)$`)

// TestRunProof: one line, equal on two devices, and the text of a run without.
func TestRunProof(t *testing.T) {
	args := []string{"run", "-p", "The Congress", "-n", "12", "--seed", "7", "--ignore-eos"}
	want, errs, code := eclat(t, "", args...)
	if code != 0 || proofLine.MatchString(errs) {
		t.Fatalf("without --proof: exit code %d, %s", code, errs)
	}
	var sum string
	for _, device := range []string{"ref", "cpu"} {
		out, errs, code := eclat(t, "", append(args, "--proof", "--device", device)...)
		found := proofLine.FindAllStringSubmatch(errs, -1)
		if code != 0 || out != want || len(found) != 1 || found[0][3] != "12" || found[0][4] != "12" {
			t.Fatalf("%s: exit code %d, %q, want %q; %s", device, code, out, want, errs)
		}
		if sum == "" {
			sum = found[0][2]
		}
		if found[0][2] != sum {
			t.Errorf("%s: %s, want %s", device, found[0][2], sum)
		}
	}
	if _, errs, _ := eclat(t, "", "run", "-p", "A Congress", "-n", "12", "--ignore-eos", "--proof"); strings.Contains(errs, sum) {
		t.Error("another prompt has the same proof")
	}
}

// TestBenchProof: a line a test under the table, and two fields of JSON.
func TestBenchProof(t *testing.T) {
	lines := proofLine.FindAllStringSubmatch(quick(t, "--proof"), -1)
	if len(lines) != 2 || lines[0][1] != "pp16" || lines[0][3] != "1" || lines[1][1] != "tg4" || lines[1][3] != "5" {
		t.Fatalf("%q", lines)
	}
	for _, proof := range []bool{true, false} {
		args := []string{"-o", "json"}
		if proof {
			args = append(args, "--proof")
		}
		var rows []struct {
			Sum  string `json:"logits_sha256"`
			Rows int    `json:"logits_rows"`
		}
		if err := json.Unmarshal([]byte(quick(t, args...)), &rows); err != nil || len(rows) != 2 {
			t.Fatalf("%v: %v", rows, err)
		}
		for i, r := range rows {
			if proof && (r.Sum != lines[i][2] || r.Rows < 1) || !proof && (r.Sum != "" || r.Rows != 0) {
				t.Errorf("--proof %v: %+v, the table has %q", proof, r, lines[i])
			}
		}
	}
}
