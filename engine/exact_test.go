package engine

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"
)

// exactLimit is how far log-probabilities may be from the true answer on average.
const exactLimit = 0.002 // wherever keys and values in float16 do not move it by more

// exactPrograms compute families in float64, from their description alone.
var exactPrograms = map[string]string{
	"gemma4-moe": "gemma4.py", "gpt-oss": "nemotron_lfm2_gptoss.py", "lfm2": "nemotron_lfm2_gptoss.py",
	"nemotron_h_moe": "nemotron_lfm2_gptoss.py", "qwen35": "qwen35.py",
}

// exactly is the mean distance of log-probabilities lp, of each next token of ids, from what
// the program of a family computes in float64.
func exactly(t *testing.T, family, path string, ids []int32, lp []float64) float64 {
	t.Helper()
	if os.Getenv("GGML_BASE") == "" {
		t.Skip("GGML_BASE is not set, the library that ../shared/oracle reads files with (../shared/peer/setup.sh prints it)")
	}
	type row struct {
		LP float64 `json:"lp"`
	}
	golden := struct {
		IDs  []int32 `json:"ids"`
		Rows []row   `json:"rows"`
	}{IDs: ids}
	for _, p := range lp {
		golden.Rows = append(golden.Rows, row{p})
	}
	text, err := json.Marshal(golden)
	if err != nil {
		t.Fatal(err)
	}
	given := filepath.Join(t.TempDir(), "given.json")
	if err := os.WriteFile(given, text, 0o644); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(numpyPython(t), "-B", filepath.Join("../../shared/oracle/float64", exactPrograms[family]), path, given).CombinedOutput()
	m := regexp.MustCompile(`float64 against peer (\S+)`).FindSubmatch(out)
	if err != nil || m == nil {
		t.Fatalf("%v: %s", err, out)
	}
	mean, err := strconv.ParseFloat(string(m[1]), 64)
	if err != nil {
		t.Fatal(err)
	}
	return mean
}
