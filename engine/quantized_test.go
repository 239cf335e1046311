package engine

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"eclat/loader"
	"eclat/loader/quantize"
	"eclat/model/sample"
)

// fullModel is what the built-in model was quantised from.
const fullModel = "../../shared/models/sotu-8m-f16.gguf"

// quantised writes the full model as a type, and returns the path.
func quantised(t *testing.T, to string) string {
	t.Helper()
	f, err := loader.Open(fullModel)
	if err != nil {
		t.Skip("../shared/models is not at hand, which has the model to quantise")
	}
	defer f.Close()
	p, err := quantize.New(f, to, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), to+".gguf")
	if err := p.Write(context.Background(), path, func(int64, int64) {}); err != nil {
		t.Fatal(err)
	}
	return path
}

// meanNLL is the mean −log p of the next token over texts, in nats.
func meanNLL(t *testing.T, path string, texts [][]int32) float64 {
	t.Helper()
	e := open(t, path, Options{Device: "cpu"})
	sum, n := 0., 0
	for _, ids := range texts {
		err := e.Score(context.Background(), ids, ScoreOptions{}, func(r Row) error {
			if r.Next >= 0 {
				sum, n = sum-r.LogProb, n+1
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return sum / float64(n)
}

// peerLibrary is where the peer's libraries are, by the environment's GGML_BASE.
func peerLibrary(t *testing.T) string {
	t.Helper()
	path := os.Getenv("GGML_BASE")
	if path == "" {
		t.Skip("GGML_BASE does not name the peer's libggml-base.so; ../shared/peer/setup.sh installs it and says where")
	}
	if _, err := exec.LookPath("python3"); err != nil {
		t.Skip("no Python 3, which calls the peer's quantiser")
	}
	return path
}

// TestQuantisedPerplexity: a model that we quantise predicts as well as one that the peer
// does, within 1 % of perplexity, on texts that the model itself wrote. Both files run here, so only
// the quantisers differ.
func TestQuantisedPerplexity(t *testing.T) {
	long(t)
	peerLibrary(t)
	var texts [][]int32
	full := open(t, fullOrSkip(t), Options{Device: "cpu"})
	for seed := range 8 {
		r := Request{MaxTokens: 400, IgnoreEOS: true, Settings: sample.Settings{Params: sample.Params{Temp: 1, TopP: 1, Seed: uint64(seed + 1)}}}
		ids, _ := generate(t, full, []string{"The Congress", "We", "In the last year", "I have"}[seed%4], r)
		texts = append(texts, ids)
	}
	base := meanNLL(t, fullModel, texts)
	t.Logf("F16: perplexity %.4f of %d texts", math.Exp(base), len(texts))
	for _, to := range []string{"Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q2_K", "Q3_K_S", "Q3_K_M", "Q3_K_L", "Q4_K_S", "Q4_K_M", "Q5_K_S", "Q5_K_M", "Q6_K", "IQ4_NL", "IQ4_XS"} {
		t.Run(to, func(t *testing.T) {
			theirs := filepath.Join(t.TempDir(), "peer.gguf")
			if out, err := exec.Command("python3", "-B", "../testdata/oracle/peer_quantize.py", fullModel, theirs, to).CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			ours := quantised(t, to)
			a, b := meanNLL(t, ours, texts), meanNLL(t, theirs, texts)
			sizes := [2]int64{}
			for i, path := range []string{ours, theirs} {
				st, err := os.Stat(path)
				if err != nil {
					t.Fatal(err)
				}
				sizes[i] = st.Size()
			}
			t.Logf("perplexity %.4f in %d bytes, the peer's %.4f in %d: %+.2f %%", math.Exp(a), sizes[0], math.Exp(b), sizes[1], 100*(math.Exp(a-b)-1))
			if !(math.Exp(a-b) <= 1.01) {
				t.Errorf("perplexity %.4f, the peer's %.4f", math.Exp(a), math.Exp(b))
			}
		})
	}
}

func fullOrSkip(t *testing.T) string {
	t.Helper()
	if _, err := os.Stat(fullModel); err != nil {
		t.Skip("../shared/models is not at hand, which has the model to quantise")
	}
	return fullModel
}

// TestPeerLoads: the peer loads what we quantise and answers as we do, but for its rounding
// of activations.
func TestPeerLoads(t *testing.T) {
	long(t)
	library := peerLibrary(t)
	folder, _, ok := strings.Cut(library, "/node_modules/")
	if !ok {
		t.Skipf("%s is in no folder of node-llama-cpp", library)
	}
	if _, err := exec.LookPath("node"); err != nil {
		t.Skip("no node, which runs the peer")
	}
	fullOrSkip(t)
	ids := familyIDs(64)
	list := strings.Trim(strings.ReplaceAll(fmt.Sprint(ids), " ", ","), "[]")
	for _, to := range []string{"Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q2_K", "Q3_K_M", "Q4_K_M", "Q5_K_M", "Q6_K", "IQ4_NL", "IQ4_XS"} {
		t.Run(to, func(t *testing.T) {
			path := quantised(t, to)
			out, err := exec.Command("node", "../testdata/oracle/peer.mjs", folder, path, list).Output()
			if err != nil {
				t.Fatalf("the peer: %v", err)
			}
			var rows []struct {
				LP *float64 `json:"lp"`
			}
			if err := json.Unmarshal(out, &rows); err != nil || len(rows) != len(ids) {
				t.Fatalf("%d rows of the peer, %v", len(rows), err)
			}
			e := open(t, path, Options{Device: "cpu"})
			mean := 0.
			err = e.Score(context.Background(), ids, ScoreOptions{}, func(r Row) error {
				if lp := rows[r.Pos].LP; lp != nil {
					mean += math.Abs(r.LogProb-*lp) / float64(len(ids)-1)
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("mean |Δlp| %.4f", mean)
			if !(mean <= peerRounds) {
				t.Errorf("mean |Δlp| %.4f from the peer, the limit is %g", mean, peerRounds)
			}
		})
	}
}

// peerRounds is how far the peer may be from the true answer on quantised weights: it
// rounds activations to 8 bits, which moves its answers by 0.04 to 0.18.
const peerRounds = 0.2
