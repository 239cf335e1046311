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
)

// Limits on the log-probabilities of golden texts against the float64 answer.
const (
	limitMean = 0.005 // mean |Δ log p|
	limitMax  = 0.05
	limitTop1 = 0.97 // share of positions whose most likely token agrees
)

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
	models := []string{"../testdata/sotu-8m-q4_k_m.gguf"}
	more, _ := filepath.Glob("../../shared/models/*.gguf")
	if len(more) == 0 {
		t.Log("../shared/models is not at hand: only the built-in model is tested")
	}
	for _, path := range append(models, more...) {
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
	mean, top1 := sum/float64(rows-1), float64(agree)/float64(rows)
	t.Logf("mean |Δlp| %.6f, max %.6f, top-1 %.1f %%", mean, most, 100*top1)
	if rows != len(g.IDs) || !(mean <= limitMean) || !(most <= limitMax) || !(top1 >= limitTop1) {
		t.Errorf("%d rows of %d; mean %.5f (limit %g), max %.5f (limit %g), top-1 %.3f (limit %g)",
			rows, len(g.IDs), mean, limitMean, most, limitMax, top1, limitTop1)
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
