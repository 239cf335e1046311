package perplexity

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"eclat/engine"
	"eclat/engine/enginetest"
	"eclat/loader"
	"eclat/testdata"
)

func open(t *testing.T, path, device string) *engine.Engine {
	t.Helper()
	f, err := loader.FromBytes("built in", testdata.Model)
	if path != "" {
		f, err = loader.Open(path)
	}
	if err != nil {
		t.Fatal(err)
	}
	e, err := engine.Open(context.Background(), f, engine.Options{Device: device, Context: 128})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	return e
}

func tokens(t *testing.T, e *engine.Engine) []int32 {
	t.Helper()
	text, err := os.ReadFile("testdata/gettysburg.txt")
	if err != nil {
		t.Fatal(err)
	}
	return e.Prompt(string(text), false)
}

func measure(t *testing.T, e *engine.Engine, o Options) *Result {
	t.Helper()
	o.Window = 64
	r, err := Run(context.Background(), e, tokens(t, e), o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestExact: every device at hand agrees with the same sum in float64 (see
// testdata/oracle/perplexity.py) to 0.5 %.
func TestExact(t *testing.T) {
	var want struct {
		Tokens, Scored int
		PPL, Error     float64
	}
	b, err := os.ReadFile("testdata/gettysburg.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &want); err != nil {
		t.Fatal(err)
	}
	devices := []string{"ref", "cpu"}
	list, missing := engine.Devices(0)
	for _, d := range list {
		if info := d.Info(); info.GPU() {
			devices = append(devices, info.ID)
		}
	}
	if missing != nil {
		t.Log("no GPU at hand:", missing)
	}
	for _, device := range devices {
		r := measure(t, open(t, "", device), Options{})
		t.Logf("%s: %.4f ± %.4f, float64 %.4f ± %.4f", device, r.Perplexity, r.Error, want.PPL, want.Error)
		if r.Tokens != want.Tokens || r.Scored != want.Scored ||
			!(math.Abs(r.Perplexity/want.PPL-1) < 0.005) || !(math.Abs(r.Error/want.Error-1) < 0.01) {
			t.Errorf("%s: %+v, want %+v", device, r, want)
		}
	}
}

func TestWindows(t *testing.T) {
	ids := []int32{1, 10, 11, 12, 13, 14, 15, 16, 17, 18}
	w := Windows(ids, 4, 1)
	if len(w) != 2 || w[0][0] != 1 || w[1][0] != 1 || w[1][1] != 14 || ids[4] != 13 {
		t.Errorf("%v", w)
	}
	if w := Windows(ids, 4, -1); w[1][0] != 13 {
		t.Errorf("without a beginning token: %v", w)
	}
	if n := scored(64); n != 31 {
		t.Errorf("%d tokens scored of a window of 64", n)
	}
}

// save makes a base and returns its path.
func save(t *testing.T, e *engine.Engine) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "a.base")
	var h Header
	h.Describe(e, tokens(t, e), 64, 0)
	w, err := CreateBase(path, &h)
	if err != nil {
		t.Fatal(err)
	}
	measure(t, e, Options{Save: w})
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

// against measures with a base.
func against(e *engine.Engine, path string, ids []int32, window int) (*Result, error) {
	b, err := OpenBase(path)
	if err != nil {
		return nil, err
	}
	defer b.Close()
	return Run(context.Background(), e, ids, Options{Window: window, Base: b})
}

// TestBase: against its own base a model's divergence is what 16 bits leave of
// it, nearly nothing; against another device's, nothing that matters.
func TestBase(t *testing.T) {
	ref := open(t, "", "ref")
	path := save(t, ref)
	for _, device := range []string{"ref", "cpu"} {
		e := open(t, "", device)
		r, err := against(e, path, tokens(t, e), 64)
		if err != nil {
			t.Fatal(err)
		}
		k := r.Base
		t.Logf("%s: %+v", device, k)
		if !(k.Mean < 1e-6) || !(k.Max < 1e-5) || k.SameTop < 0.98 ||
			!(math.Abs(k.LogRatio) < 1e-3) || !(math.Abs(k.Perplexity/r.Perplexity-1) < 1e-3) {
			t.Errorf("%s: %+v", device, k)
		}
	}
}

func TestRefused(t *testing.T) {
	e := open(t, "", "cpu")
	path := save(t, e)
	ids := tokens(t, e)
	says := func(what string, err error, want string) {
		t.Helper()
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v, want %q", what, err, want)
		}
	}
	var short *TooShortError
	_, err := Run(context.Background(), e, ids[:63], Options{Window: 64})
	if says("short", err, "63 tokens, a window takes 64"); !errors.As(err, &short) {
		t.Errorf("%T", err)
	}
	_, err = Run(context.Background(), e, ids, Options{Window: 3})
	says("tiny window", err, "too short")
	_, err = against(e, path, ids, 32)
	says("another window", err, "windows of 64 tokens")
	ids[70]++
	_, err = against(e, path, ids, 64)
	says("another text", err, "window 1 differs")
	if small := "../../../shared/models/small-Q8_0.gguf"; exists(small) {
		e := open(t, small, "cpu")
		_, err = against(e, path, tokens(t, e), 64)
		says("another model", err, "made ")
		t.Log(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data[:len(data)-1], 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = against(e, path, ids, 64)
	says("cut short", err, "cut short")
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Run(ctx, e, ids, Options{Window: 64}); err != context.Canceled {
		t.Errorf("cancelled: %v", err)
	}
}

// TestNotFinite: an infinite logit has no probability.
func TestNotFinite(t *testing.T) {
	path := filepath.Join(t.TempDir(), "infinite.gguf")
	if err := os.WriteFile(path, enginetest.Infinite(), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, device := range []string{"cpu", "ref"} {
		_, err := Run(context.Background(), open(t, path, device), []int32{1, 4, 5, 6, 7, 8, 9, 10}, Options{Window: 8})
		if !errors.Is(err, engine.ErrNotFinite) {
			t.Errorf("%s: error %v, want %v", device, err, engine.ErrNotFinite)
		}
	}
}

func exists(path string) bool { _, err := os.Stat(path); return err == nil }
