package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"eclat/cpu"
	"eclat/loader"
	"eclat/loader/manifest"
	"eclat/model"
	"eclat/testdata"
)

// builtIn writes the built-in model to a file and cuts it up; dir is the folder.
func builtIn(t *testing.T) (file, dir, manifest string) {
	t.Helper()
	tmp := t.TempDir()
	file, dir = filepath.Join(tmp, "sotu.gguf"), filepath.Join(tmp, "sotu")
	if err := os.WriteFile(file, testdata.Model, 0o600); err != nil {
		t.Fatal(err)
	}
	return file, dir, strings.TrimSpace(ok(t, "", "fragment", file, "-o", dir))
}

// TestFragmentCommands takes a model through all the commands.
func TestFragmentCommands(t *testing.T) {
	file, dir, manifest := builtIn(t)
	if filepath.Dir(manifest) != dir || !strings.HasPrefix(filepath.Base(manifest), "sotu.") {
		t.Errorf("fragment printed %q", manifest)
	}
	if out := ok(t, "", "verify", dir); out != "sound  "+manifest+"  58 blobs, 4.8 MiB\n" {
		t.Errorf("verify printed %q", out)
	}
	if out := ok(t, "", "verify", manifest, "--layers", "2-3"); !strings.Contains(out, "19 blobs") {
		t.Errorf("verify of two layers printed %q", out)
	}
	again := filepath.Join(t.TempDir(), "again.gguf")
	if out := ok(t, "", "assemble", dir, "-o", again); out != again+"\n" {
		t.Errorf("assemble printed %q", out)
	}
	if got, err := os.ReadFile(again); err != nil || !bytes.Equal(got, testdata.Model) {
		t.Errorf("the assembled file differs from the source (%v)", err)
	}
	inside := ok(t, "", "fragment", "-o", filepath.Join(t.TempDir(), "x")) // the built-in model itself
	if !strings.HasPrefix(filepath.Base(inside), "sotu-8m-q4_k_m.") || strings.Contains(inside, "built in") {
		t.Errorf("fragment of the built-in model printed %q", inside)
	}
	_, errs, code := eclat(t, "", "fragment", file, "-o", dir)
	if code != 0 || !strings.Contains(errs, "58 blobs, of which 0 (0.0 MiB) are new") {
		t.Errorf("a second time: exit code %d, %q", code, errs)
	}
}

// TestInspectFolder: of a folder inspect says what it says of the file, and more.
func TestInspectFolder(t *testing.T) {
	file, dir, manifest := builtIn(t)
	inspect := func(path string) (out map[string]any) {
		t.Helper()
		if err := json.Unmarshal([]byte(ok(t, "", "inspect", path, "--json")), &out); err != nil {
			t.Fatal(err)
		}
		return out
	}
	fromFile, fromDir := inspect(file), inspect(dir)
	id := strings.Split(filepath.Base(manifest), ".")[1]
	if fromDir["manifest"] != id || fromDir["missing"] != nil || fromFile["manifest"] != nil {
		t.Errorf("manifest %v, missing %v; of the file %v", fromDir["manifest"], fromDir["missing"], fromFile["manifest"])
	}
	var text struct {
		Config    map[string]any `json:"config"`
		Specifics map[string]any `json:"tensor_specifics"`
	}
	data, err := os.ReadFile(manifest)
	if err == nil {
		err = json.Unmarshal(data, &text)
	}
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(fromDir["tensor_specifics"], any(text.Specifics)) || !reflect.DeepEqual(fromDir["config"], any(text.Config)) {
		t.Error("inspect and the manifest describe the model differently")
	}
	for _, s := range fromDir["tensor_specifics"].(map[string]any) {
		delete(s.(map[string]any), "blob")
	}
	delete(fromDir, "manifest")
	fromDir["file"] = file
	if !reflect.DeepEqual(fromFile, fromDir) {
		t.Errorf("of the file\n%v\nof the folder\n%v", fromFile, fromDir)
	}
	if out := ok(t, "", "inspect", dir); !strings.Contains(out, "manifest          "+id+", 9 fragments, 58 blobs") {
		t.Errorf("inspect printed %.300s", out)
	}
}

// TestFolderComputes: greedy text and log-probabilities from the folder are those
// from the file, bit for bit.
func TestFolderComputes(t *testing.T) {
	file, dir, manifest := builtIn(t)
	ids := strings.Join(strings.Fields(ok(t, "The people of the United States have the right to know", "tokenize", file)), ",")
	devices := []string{"cpu", "ref"}
	if _, errs, code := eclat(t, "", "run", file, "-n", "1", "--device", "vulkan:0"); code == 0 {
		devices = append(devices, "vulkan:0")
	} else {
		t.Logf("without a GPU: %s", errs)
	}
	for _, device := range devices {
		text := []string{"-p", "The people of", "--temp", "0", "-n", "24", "--device", device}
		logs := []string{"--ids", ids, "--top", "50", "--device", device}
		if device == "ref" { // one obvious loop an op: slow
			text[5] = "4"
		}
		wantText := ok(t, "", append([]string{"run", file}, text...)...)
		wantLogs := ok(t, "", append([]string{"logprobs", file}, logs...)...)
		for _, path := range []string{dir, manifest} {
			for _, verify := range []string{"quick", "full"} {
				if got := ok(t, "", append([]string{"run", path, "--verify=" + verify}, text...)...); got != wantText {
					t.Errorf("%s, %s: text %q, from the file %q", device, path, got, wantText)
				}
			}
			if got := ok(t, "", append([]string{"logprobs", path}, logs...)...); got != wantLogs {
				t.Errorf("%s, %s: log-probabilities differ from the file's", device, path)
			}
		}
		if got := ok(t, "The people", "tokenize", dir); got != ok(t, "The people", "tokenize", file) {
			t.Errorf("tokens differ: %q", got)
		}
	}
}

// TestFolderOfSomeLayers: a stage runs on a folder that holds no more than its
// layers; the whole model does not, and says what is missing.
func TestFolderOfSomeLayers(t *testing.T) {
	_, dir, mpath := builtIn(t)
	m, err := manifest.Read(mpath)
	if err != nil {
		t.Fatal(err)
	}
	keep := map[string]bool{}
	for _, f := range m.Fragments {
		if f.Name == manifest.HeaderFragment || f.Name == "layer-2" || f.Name == "layer-3" {
			for _, name := range f.Tensors {
				keep[name] = true
			}
		}
	}
	for _, x := range m.Tensors {
		if !keep[x.Name] {
			if err := os.Remove(filepath.Join(dir, x.Blob.BlobName())); err != nil {
				t.Fatal(err)
			}
		}
	}
	const missing = "missing: embed, layer-0, layer-1, layer-4, layer-5, head ("
	for _, command := range []string{"run", "logprobs"} {
		args := map[string][]string{"run": {"-p", "x", "-n", "1"}, "logprobs": {"--ids", "1"}}[command]
		_, errs, code := eclat(t, "", append([]string{command, dir, "--device", "cpu"}, args...)...)
		if code != 3 || !strings.Contains(errs, missing) {
			t.Errorf("%s: exit code %d, %q", command, code, errs)
		}
	}
	if _, errs, code := eclat(t, "", "assemble", dir, "-o", filepath.Join(t.TempDir(), "x")); code != 3 || !strings.Contains(errs, "missing or damaged: embed, layer-0, layer-1") {
		t.Errorf("assemble: exit code %d, %q", code, errs)
	}
	if out, errs, code := eclat(t, "", "verify", dir); code != 3 || strings.Count(out, "missing  blob ") != 39 || !strings.Contains(errs, "(39 of 58 blobs)") {
		t.Errorf("verify: exit code %d, %q, %d lines", code, errs, strings.Count(out, "\n"))
	}
	ok(t, "", "verify", dir, "--layers", "2-3")
	if out := ok(t, "", "inspect", dir); !strings.Contains(out, "missing           embed, layer-0") {
		t.Errorf("inspect: %.500s", out)
	}
	ok(t, "The people", "tokenize", dir) // needs the header only

	f, err := loader.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	mod, err := model.Open(f)
	if err != nil {
		t.Fatal(err)
	}
	run := func(mod *model.Model) []float32 {
		t.Helper()
		plan, err := mod.Plan(model.Stage{First: 2, End: 4}, 1, 1, 1)
		if err != nil {
			t.Fatal(err)
		}
		b := cpu.New(cpu.Options{Threads: 1})
		defer b.Close()
		if err := b.Load(mod.File, plan.Keep()); err != nil {
			t.Fatal(err)
		}
		p, err := b.Compile(plan)
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		in := model.Inputs{Hidden: make([]float32, mod.Config.NEmbd), Pos: []int32{0}, Seq: []int32{0}, Pages: [][]int32{{0}}}
		for i := range in.Hidden {
			in.Hidden[i] = float32(i%7) - 3
		}
		var out model.Outputs
		if err := p.Run(in, &out); err != nil {
			t.Fatal(err)
		}
		return slices.Clone(out.Result)
	}
	whole, err := loader.FromBytes("model", testdata.Model)
	if err != nil {
		t.Fatal(err)
	}
	modWhole, err := model.Open(whole)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := run(mod), run(modWhole); len(got) == 0 || !slices.Equal(got, want) {
		t.Error("the stage computes something else from the folder than from the file")
	}
	var fe *loader.FormatError
	if _, err := mod.Plan(model.Stage{First: 2, End: 5}, 1, 1, 1); !errors.As(err, &fe) || !strings.HasPrefix(fe.Reason, "missing: layer-4 (") {
		t.Errorf("a stage with one layer too many: %v", err)
	}
}
