package main

import (
	"encoding/json"
	"math"
	"strconv"
	"strings"
	"testing"
)

// TestEmbed: a line of numbers a text, the same on two devices and as JSON.
func TestEmbed(t *testing.T) {
	args := []string{"embed", "-p", "We the people", "-p", "", "--pooling", "mean"}
	want := ok(t, "", append(args, "--device", "ref")...)
	if got := ok(t, "", append(args, "--device", "cpu")...); got != want {
		t.Error("cpu has other bits than ref")
	}
	lines := strings.Split(strings.TrimSuffix(want, "\n"), "\n")
	if len(lines) != 2 {
		t.Fatalf("%d lines", len(lines))
	}
	dec := json.NewDecoder(strings.NewReader(ok(t, "", append(args, "--device", "cpu", "--json")...)))
	for _, line := range lines {
		var how struct{ Pooling string }
		var raw json.RawMessage
		if err := dec.Decode(&raw); err != nil {
			t.Fatal(err)
		}
		json.Unmarshal(raw, &how)
		var e struct {
			Embedding []float32
			Tokens    int
		}
		if err := json.Unmarshal(raw, &e); err != nil || how.Pooling != "mean" || e.Tokens < 1 {
			t.Fatalf("%.80s: %v", raw, err)
		}
		length := 0.0
		for i, word := range strings.Fields(line) {
			x, err := strconv.ParseFloat(word, 32)
			if err != nil || float32(x) != e.Embedding[i] {
				t.Fatalf("number %d is %s, as JSON %g", i, word, e.Embedding[i])
			}
			length += x * x
		}
		if math.Abs(length-1) > 1e-6 {
			t.Errorf("its length is %g", math.Sqrt(length))
		}
	}
	if got := ok(t, "We the people", "embed", "-f", "-", "--pooling", "mean", "--device", "cpu"); got != lines[0]+"\n" {
		t.Error("from stdin it is another")
	}
}

func TestEmbedUsage(t *testing.T) {
	for _, c := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"embed"}, 2, "-p"},
		{[]string{"embed", "-p", "x", "-f", "y"}, 2, "-f"},
		{[]string{"embed", "-p", "x", "--pooling", "max"}, 2, "mean, cls, last"},
		{[]string{"embed", "-p", "x"}, 1, "--pooling"},
		{[]string{"embed", "-p", "x", "--pooling", "mean", "-c", "1"}, 1, "context"},
	} {
		out, errs, code := eclat(t, "", append(c.args, "--device", "cpu")...)
		if code != c.code || out != "" || !strings.Contains(errs, c.says) {
			t.Errorf("%v: exit code %d, %q, %q", c.args, code, out, errs)
		}
	}
}
