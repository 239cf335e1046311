package engine

import (
	"context"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"eclat/loader"
	"eclat/model/backendtest"
)

// measured is how far log-probabilities were from the float64 answer, on every device
// alike; the limits are three times that. Keys and values in f16 are most of it.
type measured struct {
	mean, max float64 // |Δ log p|
	other     int     // positions whose most likely token is another
}

var goldenMeasured = map[string]measured{
	"sotu-8m-q4_k_m": {0.000167, 0.000858, 0},
	"sotu-8m-f16":    {0.000174, 0.000874, 0},
	"iq4_nl-small":   {0.000725, 0.002773, 0},
	"experts-small":  {0.001211, 0.005651, 0},
	"qwen3-small":    {0.001863, 0.006033, 1},
	"head64-q5":      {0.000757, 0.002876, 0},
	"odd-heads":      {0.000979, 0.003167, 0},
	"small-F16":      {0.000700, 0.003446, 0},
	"small-Q4_0":     {0.000904, 0.002896, 0},
	"small-Q8_0":     {0.000778, 0.002328, 0},
}

// golden is a *.golden.json: the float64 answer for a sequence of tokens.
type golden struct {
	IDs  []int32 `json:"ids"`
	Rows []struct {
		ExactTop [][2]float64 `json:"exact_top"` // (id, log p), best first
		ExactLP  *float64     `json:"exact_lp"`  // of the next token
	} `json:"rows"`
}

// TestGolden holds every device's log-probabilities to the exact ones, on the
// built-in model and, where they are at hand, on the models beside the repository.
func TestGolden(t *testing.T) {
	long(t)
	models, err := filepath.Glob("../testdata/*.gguf")
	if err != nil || len(models) == 0 {
		t.Fatal("no models in testdata")
	}
	more, _ := filepath.Glob("../../shared/models/*.gguf")
	if len(more) == 0 {
		t.Log("../shared/models is not at hand: only the models in testdata are tested")
	}
	for _, path := range backendtest.Deal(t, append(models, more...), func(string) string { return "" }) {
		var g golden
		b, err := os.ReadFile(strings.TrimSuffix(path, ".gguf") + ".golden.json")
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(b, &g); err != nil {
			t.Fatal(err)
		}
		for _, device := range []string{"ref", "cpu", "vulkan"} {
			t.Run(filepath.Base(path)+"/"+device, func(t *testing.T) {
				if device == "vulkan" {
					device = gpuName(t)
				}
				g.check(t, path, device)
			})
		}
	}
}

func (g *golden) check(t *testing.T, path, device string) {
	e := open(t, path, Options{Device: device})
	var sum, most float64
	var rows, agree int
	err := e.Score(context.Background(), g.IDs, ScoreOptions{Top: 20}, func(r Row) error {
		want := g.Rows[r.Pos]
		rows++
		if float64(r.Top[0].ID) == want.ExactTop[0][0] {
			agree++
		}
		if len(r.Top) != 20 {
			t.Errorf("position %d: %d top tokens, want 20", r.Pos, len(r.Top))
		}
		if want.ExactLP != nil {
			d := math.Abs(r.LogProb - *want.ExactLP)
			sum += d
			most = math.Max(most, d)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	name := strings.TrimSuffix(filepath.Base(path), ".gguf")
	was, known := goldenMeasured[name]
	if !known {
		t.Fatalf("%s has no measured values: mean %.5f, max %.5f, %d of %d other tokens", name, sum/float64(rows-1), most, rows-agree, rows)
	}
	mean := sum / float64(rows-1)
	t.Logf("mean |Δlp| %.6f, max %.6f, %d of %d the same token", mean, most, agree, rows)
	if rows != len(g.IDs) || !(mean <= 3*was.mean) || !(most <= 3*was.max) || rows-agree > was.other {
		t.Errorf("%d rows of %d; mean %.5f (limit %.5f), max %.5f (limit %.5f), %d other tokens (limit %d)",
			rows, len(g.IDs), mean, 3*was.mean, most, 3*was.max, rows-agree, was.other)
	}
}

// open opens a model for a test and closes it at the end.
func open(t testing.TB, path string, o Options) *Engine {
	t.Helper()
	f, err := loader.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	e, err := Open(context.Background(), f, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	return e
}
