package engine

import (
	"context"
	"flag"
	"fmt"
	"math"
	"path/filepath"
	"testing"

	"eclat/model/arch/archtest"
)

var files = flag.String("files", "", "folder to write the models of TestHybrids to")

// hybridFiles writes the small random models of families with recurrent layers.
func hybridFiles(t *testing.T, folder string, seeds ...uint64) (paths []string) {
	t.Helper()
	for _, family := range archtest.Hybrids {
		for _, seed := range seeds {
			path := filepath.Join(folder, fmt.Sprintf("%s-%d.gguf", family, seed))
			if err := archtest.Hybrid(family, seed).WriteFile(path); err != nil {
				t.Fatal(err)
			}
			paths = append(paths, path)
		}
	}
	return paths
}

// TestHybrids holds models with recurrent layers to the best-known engine's answers, whose
// keys and values are f16 as well. Measured: 0.0006 to 0.0014.
func TestHybrids(t *testing.T) {
	long(t)
	const limit = 0.005
	folder := *files
	if folder == "" {
		folder = t.TempDir()
	}
	golden := archtest.Golden()
	for _, path := range hybridFiles(t, folder, 1, 2, 3) {
		name := filepath.Base(path[:len(path)-len(".gguf")])
		t.Run(name, func(t *testing.T) {
			g, ok := golden[name]
			if !ok {
				t.Fatal("there is no answer in golden.json")
			}
			e := open(t, path, Options{Device: "cpu"})
			var sum float64
			rows := 0
			err := e.Score(context.Background(), g.IDs, ScoreOptions{}, func(r Row) error {
				if rows++; r.Pos < len(g.LP) {
					sum += math.Abs(r.LogProb - g.LP[r.Pos])
				}
				return nil
			})
			mean := sum / float64(len(g.LP))
			t.Logf("mean |Δlp| %.6f", mean)
			if err != nil || rows != len(g.IDs) || len(g.LP) != rows-1 || !(mean <= limit) {
				t.Errorf("%d rows of %d, mean |Δlp| %.5f, limit %g; %v", rows, len(g.IDs), mean, limit, err)
			}
		})
	}
}

// TestBitsOfHybrids: recurrent states are the same bits on every device, however the
// prompt is cut and whatever else is in the batch.
func TestBitsOfHybrids(t *testing.T) {
	long(t)
	sameBits(t, hybridFiles(t, t.TempDir(), 1), true)
}
