package engine

import (
	"context"
	"testing"
)

// TestChunks holds a small random model of llama4 to the peer's answers where its second
// chunk of 8192 positions begins: layers that see their chunk alone begin anew, and queries
// of the others grow warmer. All chunks before are prompts, cut as the scheduler cuts them.
func TestChunks(t *testing.T) {
	long(t)
	var r struct {
		familyRun
		From int `json:"from"` // position of the first of LP
	}
	read(t, "../testdata/chunks.json", &r)
	path := r.write(t)
	ids := familyIDs(r.From + len(r.LP) + 1)
	e := open(t, path, Options{Device: "cpu", Context: len(ids)})
	defer e.Close()
	var before, beyond []float64
	at := 8192 - r.From // in LP, the first beyond
	err := e.Score(context.Background(), ids, ScoreOptions{}, func(row Row) error {
		switch i := row.Pos - r.From; {
		case i < 0 || row.Next < 0:
		case i < at:
			before = append(before, row.LogProb)
		default:
			beyond = append(beyond, row.LogProb)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(before) != at || len(before)+len(beyond) != len(r.LP) {
		t.Fatalf("%d positions before the second chunk and %d in it, want %d and %d", len(before), len(beyond), at, len(r.LP)-at)
	}
	for _, c := range []struct {
		where    string
		lp, peer []float64
	}{{"before", before, r.LP[:at]}, {"in", beyond, r.LP[at:]}} {
		mean := distant(c.lp, c.peer)
		t.Logf("mean |Δlp| %.5f from the peer %s the second chunk", mean, c.where)
		if !(mean <= peerLimit) {
			t.Errorf("mean |Δlp| %.5f from the peer %s the second chunk, the limit is %g", mean, c.where, peerLimit)
		}
	}
}
