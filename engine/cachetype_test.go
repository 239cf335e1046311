package engine

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"eclat/loader"
	"eclat/model"
	"eclat/model/arch/archtest"
)

// pairs are all ways to keep keys and values.
func pairs() (all [][2]model.CacheType) {
	types := []model.CacheType{model.CacheF16, model.CacheF32, model.CacheQ8_0, model.CacheQ4_0}
	for _, k := range types {
		for _, v := range types {
			all = append(all, [2]model.CacheType{k, v})
		}
	}
	return all
}

// mixedPairs are those that the longer tests take.
var mixedPairs = [][2]model.CacheType{{model.CacheQ8_0, model.CacheQ4_0}, {model.CacheQ4_0, model.CacheQ8_0}}

// TestBitsOfCacheTypes: however keys and values are kept, every way of computing gives the
// logits of the reference; another pair gives others.
func TestBitsOfCacheTypes(t *testing.T) {
	long(t)
	var gpu model.DeviceInfo
	t.Run("GPU", func(t *testing.T) { gpu = theGPU(t) }) // says why there is none
	of := map[string]string{}
	for _, pair := range pairs() {
		t.Run(fmt.Sprintf("%s,%s", pair[0], pair[1]), func(t *testing.T) {
			all := map[bool]string{}
			for _, w := range waysOf(6, gpu) {
				if w.long || !slices.Contains(mixedPairs, pair) && w.o.Device != "ref" && w.form == "" {
					continue // conformance has every pair on every device
				}
				w.o.Keys, w.o.Values = pair[0], pair[1]
				t.Run(w.name, func(t *testing.T) { w.check(t, builtIn, all, true) })
			}
			want := all[false]
			if other := of[want]; other != "" {
				t.Errorf("the logits are those of %s", other)
			}
			of[want] = t.Name()
		})
	}
}

// TestDraftsOfCacheTypes: what drafts have stored and been refused leaves no trace in
// blocks that hold many positions' neighbours.
func TestDraftsOfCacheTypes(t *testing.T) {
	long(t)
	devices := []string{"cpu"}
	t.Run("GPU", func(t *testing.T) { devices = append(devices, theGPU(t).ID) })
	for _, device := range devices {
		for _, pair := range mixedPairs {
			e := open(t, builtIn, Options{Device: device, Context: 1024, Keys: pair[0], Values: pair[1], eager: true})
			r := Request{Tokens: e.Prompt(strings.Repeat("The people of the United States know it. ", 8), false), MaxTokens: 60, IgnoreEOS: true, Proof: true}
			alone, err := e.Generate(context.Background(), r, nil, nil)
			if err != nil {
				t.Fatal(err)
			}
			r.Draft = MaxDraft
			drafted, err := e.Generate(context.Background(), r, nil, nil)
			if err != nil {
				t.Fatal(err)
			}
			if drafted.Proof != alone.Proof || drafted.Drafted == drafted.Accepted {
				t.Errorf("%s, %v: %s with %d of %d drafts taken, without them %s", device, pair, drafted.Proof, drafted.Accepted, drafted.Drafted, alone.Proof)
			}
		}
	}
}

// TestSessionsOfCacheTypes: a session goes on where keys and values are kept alike, with
// its bits, on any device, and is foreign everywhere else.
func TestSessionsOfCacheTypes(t *testing.T) {
	long(t)
	ctx, pair := context.Background(), mixedPairs[0]
	devices := []string{"cpu", "ref"}
	t.Run("GPU", func(t *testing.T) { devices = append(devices, theGPU(t).ID) })
	first := open(t, builtIn, Options{Device: "cpu", Context: 256, Keys: pair[0], Values: pair[1]})
	text := first.Prompt(strings.Repeat("The people of the United States know it. ", 30), false)[:75]
	on := func(e *Engine) Stats {
		st, err := e.Generate(ctx, Request{Tokens: text, Share: -1, MaxTokens: 12, IgnoreEOS: true, Proof: true}, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		return st
	}
	want := on(first)
	var file bytes.Buffer
	if _, err := first.Save(ctx, &file, "", &Session{Tokens: text, Note: json.RawMessage(`1`)}); err != nil {
		t.Fatal(err)
	}
	for _, device := range devices {
		e := open(t, builtIn, Options{Device: device, Context: 256, Keys: pair[0], Values: pair[1]})
		s, err := e.Restore(ctx, bytes.NewReader(file.Bytes()), "", "")
		if err != nil || s.Computed < len(text)-1 {
			t.Fatalf("%s: %+v, %v", device, s, err)
		}
		if st := on(e); st.Proof != want.Proof || st.CachedTokens < len(text)-1 {
			t.Errorf("%s: %s, %d tokens found; where it was saved %s", device, st.Proof, st.CachedTokens, want.Proof)
		}
	}
	for _, other := range [][2]model.CacheType{{}, {pair[1], pair[0]}, {pair[0], pair[0]}} { // the second takes as many bytes
		e := open(t, builtIn, Options{Device: "cpu", Context: 256, Keys: other[0], Values: other[1]})
		if s, err := e.Restore(ctx, bytes.NewReader(file.Bytes()), "", ""); !errors.Is(err, ErrForeign) || !strings.Contains(err.Error(), `"q8_0" and "q4_0"`) || string(s.Note) != "1" {
			t.Errorf("kept as %v: %+v, %v", other, s, err)
		}
	}
}

// TestCacheTypeOfHeads: heads that do not divide into blocks are refused by name, before
// anything is loaded, and so is no other type.
func TestCacheTypeOfHeads(t *testing.T) {
	path := filepath.Join(t.TempDir(), "odd.gguf")
	if err := archtest.Hybrid("lfm2", 1).WriteFile(path); err != nil { // its heads have 16 elements
		t.Fatal(err)
	}
	for _, c := range []struct {
		keys, values model.CacheType
		says         string
	}{
		{model.CacheQ8_0, 0, "keys cannot be kept as q8_0"}, {0, model.CacheQ4_0, "values cannot be kept as q4_0"}, {model.CacheF32, model.CacheF16, ""},
	} {
		f, err := loader.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		e, err := Open(context.Background(), f, Options{Device: "cpu", Context: 64, Keys: c.keys, Values: c.values})
		var refused *model.CacheTypeError
		switch {
		case c.says == "" && err == nil:
			e.Close()
		case c.says == "" || !errors.As(err, &refused) || !strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), "blk."):
			t.Errorf("%s, %s: %v", c.keys, c.values, err)
		}
	}
}

// goldenPairs is TestGolden's measure of models for each pair of types, by keys and then
// values of f16, f32, q8_0 and q4_0; the limits are three times that. The second is small
// and random, its logits far apart, and some rows go to other experts.
var goldenPairs = map[string][16]measured{builtIn: {
	{0.000167, 0.000858, 0}, // f16, f16
	{0.000126, 0.000428, 0}, // f16, f32
	{0.002320, 0.011099, 0}, // f16, q8_0
	{0.036698, 0.144029, 1}, // f16, q4_0
	{0.000163, 0.000892, 0}, // f32, f16
	{0.000098, 0.000616, 0}, // f32, f32
	{0.002462, 0.011425, 0}, // f32, q8_0
	{0.036059, 0.127688, 1}, // f32, q4_0
	{0.001498, 0.011960, 0}, // q8_0, f16
	{0.001518, 0.011262, 0}, // q8_0, f32
	{0.003370, 0.014395, 0}, // q8_0, q8_0
	{0.037115, 0.130892, 1}, // q8_0, q4_0
	{0.026711, 0.137681, 1}, // q4_0, f16
	{0.028282, 0.160159, 1}, // q4_0, f32
	{0.027568, 0.163143, 1}, // q4_0, q8_0
	{0.041708, 0.164221, 1}, // q4_0, q4_0
}, "../testdata/experts-small.gguf": {
	{0.001211, 0.005651, 0},  // f16, f16
	{0.001258, 0.005350, 0},  // f16, f32
	{0.017673, 0.097159, 0},  // f16, q8_0
	{0.402125, 3.793878, 8},  // f16, q4_0
	{0.000959, 0.002929, 0},  // f32, f16
	{0.000638, 0.001826, 0},  // f32, f32
	{0.018147, 0.120954, 0},  // f32, q8_0
	{0.397534, 3.792104, 8},  // f32, q4_0
	{0.020339, 0.092165, 0},  // q8_0, f16
	{0.020532, 0.091110, 0},  // q8_0, f32
	{0.034107, 0.525393, 0},  // q8_0, q8_0
	{0.396193, 3.848882, 7},  // q8_0, q4_0
	{0.488704, 5.022646, 10}, // q4_0, f16
	{0.428010, 5.066328, 10}, // q4_0, f32
	{0.434990, 4.964607, 12}, // q4_0, q8_0
	{0.503372, 3.924524, 9},  // q4_0, q4_0
}}

// TestGoldenOfCacheTypes holds the log-probabilities of every pair to the exact ones. The
// bits being the same everywhere, one device stands for all.
func TestGoldenOfCacheTypes(t *testing.T) {
	long(t)
	for path, was := range goldenPairs {
		t.Run(filepath.Base(path), func(t *testing.T) { goldenOfPairs(t, path, was) })
	}
}

func goldenOfPairs(t *testing.T, path string, limits [16]measured) {
	var g golden
	read(t, strings.TrimSuffix(path, ".gguf")+".golden.json", &g)
	for i, pair := range pairs() {
		e := open(t, path, Options{Device: "cpu", Context: 512, Keys: pair[0], Values: pair[1]})
		var got measured
		rows := 0
		err := e.Score(context.Background(), g.IDs, ScoreOptions{Top: 1}, func(r Row) error {
			want := g.Rows[r.Pos]
			if rows++; float64(r.Top[0].ID) != want.ExactTop[0][0] {
				got.other++
			}
			if want.ExactLP != nil {
				d := math.Abs(r.LogProb - *want.ExactLP)
				got.mean += d
				got.max = max(got.max, d)
			}
			return nil
		})
		if err != nil || rows != len(g.IDs) {
			t.Fatalf("%d rows, %v", rows, err)
		}
		got.mean /= float64(rows - 1)
		t.Logf("%s, %s: mean |Δlp| %.6f, max %.6f, %d other tokens", pair[0], pair[1], got.mean, got.max, got.other)
		if was := limits[i]; !(got.mean <= 3*was.mean) || !(got.max <= 3*was.max) || got.other > was.other {
			t.Errorf("%s, %s: limits %.6f, %.6f, %d", pair[0], pair[1], 3*was.mean, 3*was.max, was.other)
		}
	}
}

// TestMemoryOfCacheTypes: what is planned for is what a page takes.
func TestMemoryOfCacheTypes(t *testing.T) {
	e := open(t, builtIn, Options{Device: "cpu", Context: 64})
	f16 := e.Model.PositionBytes(model.CacheF16, model.CacheF16)
	for _, pair := range pairs() {
		bits := func(c model.CacheType) int64 { return [...]int64{32, 64, 17, 9}[c] } // twice those of an element
		if got, want := 64*e.Model.PositionBytes(pair[0], pair[1]), f16*(bits(pair[0])+bits(pair[1])); got != want {
			t.Errorf("%s, %s: a position takes %d/64 bytes, want %d/64", pair[0], pair[1], got, want)
		}
		var said string
		s := Options{Device: "cpu", Keys: pair[0], Values: pair[1]}
		if said = s.kept(); (said == "") != (pair == [2]model.CacheType{}) {
			t.Errorf("%v is told as %q", pair, said)
		}
	}
}
