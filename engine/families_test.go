package engine

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"testing"

	"eclat/loader"
	"eclat/model"
	"eclat/model/backendtest"
	"eclat/model/tokenizer"
)

// peerLimit is how far log-probabilities may be from the peer's on average. Its keys and
// values in float16 alone move them by 0.0001 to 0.003; a feature left out moves them by
// 0.15 or more.
const peerLimit = 0.005

// familyRun is what the peer answers for a small random model of a family.
type familyRun struct {
	Name    string    `json:"name"`
	Seed    int       `json:"seed"`
	Embd    int       `json:"embd"`
	Without string    `json:"without"` // a feature that the file goes without; "" for none
	Sum     string    `json:"sum"`     // SHA-256 of the model
	LP      []float64 `json:"lp"`      // of each next token
	Exact   []float64 `json:"exact"`   // the same in float64, where a program computes the family
}

// exactLimit is how far log-probabilities may be from the true answer on average.
const exactLimit = 0.002

// halves are families whose answers keys and values in float16 move by more than exactLimit,
// and how far they may be from the true answer with them. Measured: gemma4 0.0036, its
// experts 0.0051, mistral4 0.0023, deepseek2-lite 0.0024, qwen3 0.0024, ernie4_5 0.0024,
// qwen2moe 0.0021; with float32 memory 0.0017, 0.0021, 0.0013, 0.0017, 0.0012, 0.0011 and
// 0.0010. Scores of gemma4 are not scaled: in float64, float16 memory alone moves
// gemma4-moe by 0.0016 to 0.0043.
var halves = map[string]float64{"gemma4": 0.006, "gemma4-moe": 0.006, "mistral4": 0.003, "deepseek2-lite": 0.003,
	"qwen3": 0.003, "ernie4_5": 0.003, "qwen2moe": 0.003}

// familyIDs are the tokens of testdata/oracle/families.py.
func familyIDs(n int) []int32 {
	ids := []int32{1}
	for i := range n - 1 {
		ids = append(ids, int32(3+(i*i*7+i*13)%257))
	}
	return ids
}

// TestFamilies holds a small random model of every family, and the same without one
// feature, to the peer's answers, and all devices to the same bits.
func TestFamilies(t *testing.T) {
	long(t)
	met := map[string]bool{}
	families(t, func(r *familyRun) bool {
		first := !met[r.Name]
		met[r.Name] = true
		return first || r.Without != ""
	})
}

// TestFamiliesOfAll is TestFamilies of models of other sizes, from other seeds, and of rows
// that are a block of 256 wide. It takes minutes: make test-long.
func TestFamiliesOfAll(t *testing.T) {
	long(t)
	met := map[string]bool{}
	families(t, func(r *familyRun) bool {
		first := !met[r.Name]
		met[r.Name] = true
		return !first && r.Without == ""
	})
}

// families takes the runs that are chosen.
func families(t *testing.T, chosen func(r *familyRun) bool) {
	var runs []familyRun
	b, err := os.ReadFile("../testdata/families.json")
	if err == nil {
		err = json.Unmarshal(b, &runs)
	}
	if err != nil {
		t.Fatal(err)
	}
	runs = slices.DeleteFunc(runs, func(r familyRun) bool { return !chosen(&r) })
	worst := map[string]float64{}
	for _, r := range backendtest.Deal(t, runs, func(r familyRun) string { return r.Name + r.Without }) {
		t.Run(fmt.Sprintf("%s/%d/%d/%s", r.Name, r.Seed, r.Embd, r.Without), func(t *testing.T) {
			path := r.write(t)
			if f, err := loader.Open(path); err == nil {
				_, err := tokenizer.New(f)
				f.Close()
				if err != nil {
					t.Skip(err) // the engine opens no model whose tokenizer it does not know
				}
			}
			lp, bits := r.score(t, path, "cpu")
			mean := distant(lp, r.LP)
			limit := peerLimit
			switch {
			case (r.Name == "cohere2" || r.Name == "granitemoe") && r.Without == "logit-scale":
				limit *= 4 // its logits are four times as large, and what errors do to them
			case r.Name == "gemma4" || r.Name == "gemma4-moe":
				// Its scores are not scaled, so keys in float16 count more: by float64 the peer
				// is 0.0016 to 0.0066 from the true answer, and eclat 0.0015 to 0.0071.
				limit *= 2
			}
			worst[r.Name] = max(worst[r.Name], mean)
			if len(r.Exact) > 0 {
				full, _ := r.scoreBy(t, path, Options{Device: "cpu", Keys: model.CacheF32, Values: model.CacheF32})
				far, near := distant(lp, r.Exact), distant(full, r.Exact)
				t.Logf("mean |Δlp| %.5f from float64, %.5f with float32 memory, %.5f from the peer", far, near, mean)
				if limit := max(exactLimit, halves[r.Name]); !(far <= limit) {
					t.Errorf("mean |Δlp| %.5f from float64, the limit is %g", far, limit)
				}
				limit := exactLimit
				if r.Name == "gemma4-moe" {
					limit = 0.0025 // measured to 0.0021: short of what is asked of all, in one file of six
				}
				if !(near <= limit) {
					t.Errorf("mean |Δlp| %.5f from float64 with float32 memory, the limit is %g", near, limit)
				}
			}
			if !(mean <= limit) {
				t.Errorf("mean |Δlp| %.5f from the peer, the limit is %g", mean, limit)
			}
			if r.Without != "" {
				return
			}
			if _, ref := r.score(t, path, "ref"); ref != bits {
				t.Error("ref and cpu give other bits")
			}
			if r.Seed != 1 && r.Embd != 64 {
				return
			}
			t.Run("vulkan", func(t *testing.T) {
				if _, gpu := r.score(t, path, gpuName(t)); gpu != bits {
					t.Error("the GPU and cpu give other bits")
				}
			})
		})
	}
	for name, mean := range worst {
		t.Logf("%s: mean |Δlp| at most %.5f", name, mean)
	}
}

// numpyPython is a Python 3 with numpy; without one the test is skipped.
func numpyPython(t *testing.T) string {
	t.Helper()
	for _, p := range []string{"python3", "/usr/bin/python3"} {
		if exec.Command(p, "-c", "import numpy").Run() == nil {
			return p
		}
	}
	t.Skip("no Python 3 with numpy, which writes the models (apt-get install python3-numpy)")
	return ""
}

// write writes the model that the peer was asked about, and returns its path.
func (r *familyRun) write(t *testing.T) string {
	t.Helper()
	generator := "../../shared/oracle/families.py"
	if _, err := os.Stat(generator); err != nil {
		t.Skip("../shared/oracle is not at hand, which writes the models")
	}
	path := filepath.Join(t.TempDir(), "model.gguf")
	out, err := exec.Command(numpyPython(t), "-B", generator, r.Name, path,
		"--seed", strconv.Itoa(r.Seed), "--embd", strconv.Itoa(r.Embd), "--without", r.Without).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if sum := sha256.Sum256(file); r.Sum != "" && hex.EncodeToString(sum[:]) != r.Sum {
		t.Fatal("the model is not the one that the peer was asked about: testdata/oracle/families.py asks again")
	}
	return path
}

// distant is how far a is from b on average.
func distant(a, b []float64) (mean float64) {
	for i := range b {
		mean += math.Abs(a[i]-b[i]) / float64(len(b))
	}
	return mean
}

// score returns the log-probability of each next token on a device, and the hash of all
// logits.
func (r *familyRun) score(t *testing.T, path, device string) (lp []float64, bits string) {
	t.Helper()
	return r.scoreBy(t, path, Options{Device: device})
}

func (r *familyRun) scoreBy(t *testing.T, path string, o Options) (lp []float64, bits string) {
	t.Helper()
	e := open(t, path, o)
	defer e.Close()
	ids, p := familyIDs(len(r.LP)+1), newProver()
	err := e.Score(context.Background(), ids, ScoreOptions{}, func(row Row) error {
		p.add(row.Logits)
		if row.Pos < len(r.LP) {
			lp = append(lp, row.LogProb)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(lp) != len(r.LP) {
		t.Fatalf("%d positions, want %d", len(lp), len(r.LP))
	}
	return lp, p.proof(0).Hex()
}
