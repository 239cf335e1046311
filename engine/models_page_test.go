package engine

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"eclat/loader"
	"eclat/loader/quant"
	"eclat/model"
	"eclat/model/arch"
	"eclat/model/arch/archtest"
	"eclat/model/backendtest"
	"eclat/model/tokenizer"
)

var update = flag.Bool("update", false, "write docs/models.md and what it is made of anew")

const (
	modelsPage = "../docs/models.md"
	typeRuns   = "../testdata/types.json"
)

// TestModelsPageLists: every family and type of this version stands in docs/models.md, and
// nothing else does.
func TestModelsPageLists(t *testing.T) {
	if *update {
		t.Skip("TestModelsPage writes the page")
	}
	b, err := os.ReadFile(modelsPage)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for line := range strings.Lines(string(b)) {
		if name, ok := strings.CutPrefix(line, "| `"); ok {
			got = append(got, name[:strings.IndexByte(name, '`')])
		}
	}
	want := arch.Names()
	for _, ty := range quant.Decodable() {
		want = append(want, ty.String())
	}
	if !slices.Equal(got, want) {
		t.Errorf("docs/models.md has rows for %v, this version knows %v; `go test ./engine -run ModelsPage -update` writes it anew", got, want)
	}
}

// TestModelsPage measures what docs/models.md says and compares it: all of it, or in a share
// of the tests some families and types of each initial. The numbers are the same on every
// machine.
func TestModelsPage(t *testing.T) {
	long(t)
	if _, err := os.Stat("../../shared/oracle/families.py"); err != nil {
		t.Skip("../shared/oracle is not at hand, which writes the models")
	}
	fullOrSkip(t)
	gpu := gpuName(t)
	names, types := arch.Names(), quant.Decodable()
	some := backendtest.Deal(t, names, func(name string) string { return name[:1] })
	someTypes := backendtest.Deal(t, types, func(ty quant.Type) string { return ty.String()[:1] })
	families, ofTypes := familyRows(t, gpu, some), typeRows(t, gpu, someTypes)
	page := pageHead + families + pageTypes + ofTypes + pageEnd
	if *update {
		if err := os.WriteFile(modelsPage, []byte(page), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	b, err := os.ReadFile(modelsPage)
	if err != nil {
		t.Fatal(err)
	}
	have, want := strings.Split(string(b), "\n"), strings.Split(page, "\n")
	if len(some) < len(names) || len(someTypes) < len(types) {
		for _, row := range strings.Split(families+ofTypes, "\n") {
			if !slices.Contains(have, row) {
				t.Errorf("docs/models.md lacks the row that is measured now, %q; `go test ./engine -run ModelsPage -update` writes it anew", row)
			}
		}
		return
	}
	for i := range max(len(have), len(want)) {
		if i >= len(have) || i >= len(want) || have[i] != want[i] {
			t.Fatalf("docs/models.md differs from line %d on: %q, measured %q; `go test ./engine -run ModelsPage -update` writes it anew",
				i+1, at(have, i), at(want, i))
		}
	}
}

func at(lines []string, i int) string {
	if i < len(lines) {
		return lines[i]
	}
	return ""
}

const pageHead = `# What runs, and how exactly

Written by ` + "`go test ./engine -run ModelsPage -update`" + `; the test fails where this page is not what
it measures. Distances are mean |Δ log p| of the next token. They hold on every device,
for the bits are the same: a tick says that all logits of the device were compared with
` + "`ref`" + `'s, bit for bit. A dash says that there is no such answer to compare with.

## Families

Small random models with every feature of the family switched on, weights of F32, three
seeds and two widths where there are six files; of several files the worst counts. The
peer is llama.cpp; its keys and values in float16 alone move its answers by 0.0001 to
0.003. Float64 is ` + "`testdata/oracle/exact.py`" + `, on files with quantised weights too, or a program
of the family (` + "`testdata/oracle/families_exact.py`" + `). Where float16 memory counts, as where
scores are not scaled, ` + "`--cache-type-k f32 --cache-type-v f32`" + ` shows what remains.

| family | files | from the peer | from float64 | with float32 memory | ref | cpu | Vulkan |
|---|---:|---:|---:|---:|:-:|:-:|:-:|
`

const pageTypes = `
## Types of weights

The built-in model's F16 original, written by ` + "`eclat quantize`" + ` as each type (with the mix that
the type's name stands for). The peer rounds activations to 8 bits, hence its distance;
the column beside it is how far the peer itself is from float64. Types that are only read
have no row of numbers: their blocks are decoded as the ggml library does, all bit
patterns (` + "`testdata/decode`" + `), and every device is held to ` + "`ref`" + ` with them by the conformance suite.

| type | bits a weight | written | from float64 | from the peer | the peer from float64 | ref | cpu | Vulkan |
|---|---:|:-:|---:|---:|---:|:-:|:-:|:-:|
`

const pageEnd = `
How a family or a type is added is in [CONTRIBUTING.md](../CONTRIBUTING.md).
`

// familyFacts are what is measured of a family.
type familyFacts struct {
	files             int
	peer, exact, full float64 // the worst mean |Δlp|; −1 for none
	ref, gpu          bool    // whether bits were compared, and equal
}

// familyRows measures some families.
func familyRows(t *testing.T, gpu string, names []string) string {
	facts := map[string]*familyFacts{}
	of := func(name string) *familyFacts {
		if facts[name] == nil {
			facts[name] = &familyFacts{peer: -1, exact: -1, full: -1}
		}
		return facts[name]
	}
	// bits compares the devices on a file.
	bits := func(f *familyFacts, path string, ids []int32) {
		want := proofOfIDs(t, path, "ref", ids)
		f.ref = proofOfIDs(t, path, "cpu", ids) == want
		f.gpu = proofOfIDs(t, path, gpu, ids) == want
	}
	var runs []familyRun
	read(t, "../testdata/families.json", &runs)
	for _, r := range runs {
		if r.Without != "" || !slices.ContainsFunc(names, func(name string) bool { return strings.HasPrefix(r.Name, name) }) {
			continue // a generator's name is its family's, with more behind it where there are several
		}
		path := r.write(t)
		name, ok := openable(t, path)
		if !ok || !slices.Contains(names, name) {
			continue
		}
		f := of(name)
		lp, _ := r.score(t, path, "cpu")
		if f.files++; f.files == 1 {
			bits(f, path, familyIDs(len(r.LP)+1))
		}
		f.peer = max(f.peer, distant(lp, r.LP))
		if len(r.Exact) > 0 {
			full, _ := r.scoreBy(t, path, Options{Device: "cpu", Keys: model.CacheF32, Values: model.CacheF32})
			f.exact, f.full = max(f.exact, distant(lp, r.Exact)), max(f.full, distant(full, r.Exact))
		}
	}
	golds := archtest.Golden()
	for _, path := range hybridFiles(t, t.TempDir(), 1, 2, 3) {
		g := golds[strings.TrimSuffix(filepath.Base(path), ".gguf")]
		name, ok := openable(t, path)
		if !ok || len(g.LP) == 0 || !slices.Contains(names, name) {
			continue
		}
		f := of(name)
		if f.files++; f.files == 1 {
			bits(f, path, g.IDs)
		}
		f.peer = max(f.peer, distance(t, path, g.IDs, g.LP))
	}
	here, _ := filepath.Glob("../testdata/*.gguf")
	beside, _ := filepath.Glob("../../shared/models/*.gguf")
	for _, path := range append(here, beside...) {
		var g golden
		read(t, strings.TrimSuffix(path, ".gguf")+".golden.json", &g)
		var lp []float64
		for _, r := range g.Rows {
			if r.ExactLP != nil {
				lp = append(lp, *r.ExactLP)
			}
		}
		name, ok := openable(t, path)
		if !ok || !slices.Contains(names, name) {
			continue
		}
		f := of(name)
		if f.files++; f.files == 1 {
			bits(f, path, g.IDs)
		}
		f.exact = max(f.exact, distance(t, path, g.IDs, lp))
	}
	var b strings.Builder
	for _, name := range names {
		f := of(name)
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s | %s | %s | %s |\n", name, howMany(f.files), number(f.peer), number(f.exact), number(f.full), tick(f.files > 0), tick(f.ref), tick(f.gpu))
	}
	return b.String()
}

// openable tells a file's family, and whether the engine opens it.
func openable(t *testing.T, path string) (family string, ok bool) {
	t.Helper()
	f, err := loader.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	m, err := arch.Open(f)
	if err != nil {
		return "", false
	}
	_, err = tokenizer.New(f)
	return m.Config.Architecture, err == nil
}

// typeRun is what a model of a type says, in float64 and by the peer.
type typeRun struct {
	Type  string    `json:"type"`
	Sum   string    `json:"sum"`
	Exact []float64 `json:"exact"`
	Peer  []float64 `json:"peer"`
}

// typeRows measures those of some types that are written.
func typeRows(t *testing.T, gpu string, types []quant.Type) string {
	ids := familyIDs(61)
	folder := t.TempDir()
	for _, ty := range quant.Encodable() {
		if ty == quant.MXFP4 || !slices.Contains(types, ty) { // its mix is of experts alone
			continue
		}
		b, err := os.ReadFile(quantised(t, ty.String()))
		if err == nil {
			err = os.WriteFile(filepath.Join(folder, ty.String()+".gguf"), b, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if *update {
		list := strings.Trim(strings.ReplaceAll(fmt.Sprint(ids), " ", ","), "[]")
		if out, err := exec.Command("/usr/bin/python3", "-B", "../testdata/oracle/of_type.py", folder, list, typeRuns).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	var runs []typeRun
	read(t, typeRuns, &runs)
	var b strings.Builder
	for _, ty := range types {
		block, size := ty.Block()
		row := fmt.Sprintf("| `%s` | %.4g | %s |", ty, 8*float64(size)/float64(block), tick(ty.CanEncode()))
		i := slices.IndexFunc(runs, func(r typeRun) bool { return r.Type == ty.String() })
		if i < 0 {
			fmt.Fprintf(&b, "%s – | – | – | | | |\n", row)
			continue
		}
		r, path := &runs[i], filepath.Join(folder, ty.String()+".gguf")
		peer, apart := -1., -1.
		if len(r.Peer) > 0 {
			peer, apart = distance(t, path, ids, r.Peer), 0
			for j := range r.Peer {
				apart += math.Abs(r.Peer[j]-r.Exact[j]) / float64(len(r.Peer))
			}
		}
		want := proofOfIDs(t, path, "ref", ids)
		fmt.Fprintf(&b, "%s %s | %s | %s | %s | %s | %s |\n", row, number(distance(t, path, ids, r.Exact)), number(peer), number(apart),
			tick(true), tick(proofOfIDs(t, path, "cpu", ids) == want), tick(proofOfIDs(t, path, gpu, ids) == want))
	}
	return b.String()
}

func read(t *testing.T, path string, to any) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(b, to)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// distance is the mean |Δ log p| of each next token from given ones, on the processor.
func distance(t *testing.T, path string, ids []int32, lp []float64) (mean float64) {
	t.Helper()
	e := open(t, path, Options{Device: "cpu"})
	defer e.Close() // there are hundreds
	err := e.Score(context.Background(), ids, ScoreOptions{}, func(r Row) error {
		if r.Pos < len(lp) {
			mean += math.Abs(r.LogProb-lp[r.Pos]) / float64(len(lp))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return mean
}

// proofOfIDs is the hash of all logits of a file on a device.
func proofOfIDs(t *testing.T, path, device string, ids []int32) string {
	t.Helper()
	p := newProver()
	e := open(t, path, Options{Device: device})
	defer e.Close()
	if err := e.Score(context.Background(), ids, ScoreOptions{}, func(r Row) error { p.add(r.Logits); return nil }); err != nil {
		t.Fatal(err)
	}
	return p.proof(0).Hex()
}

func tick(yes bool) string {
	if yes {
		return "✓"
	}
	return "–"
}

func howMany(n int) string {
	if n == 0 {
		return "–"
	}
	return fmt.Sprint(n)
}

func number(x float64) string {
	if x < 0 {
		return "–"
	}
	return fmt.Sprintf("%.5f", x)
}
