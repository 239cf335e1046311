package engine

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strconv"
	"testing"

	"eclat/cpu/kernel"
	"eclat/model"
	"eclat/model/backendtest"
)

// bitsOf is what every way of computing must agree on: the logits after the last
// positions of a prompt, then a greedy text.
type bitsOf struct {
	e      *Engine
	rows   int // positions of the prompt whose logits count
	prompt []int32
	text   int // tokens to generate
}

// sized is a prompt with a text, one that fills several chunks of any size with a short
// text, or few of both.
func sized(e *Engine, chunks, few bool) bitsOf {
	b := bitsOf{e: e, rows: 64, text: 200}
	n := b.rows + 5
	switch {
	case few:
		b.rows, b.text, n = 8, 8, 45
	case chunks:
		b.text, n = 8, 512+b.rows+5
	}
	r := rand.New(rand.NewPCG(1, 2))
	for range n {
		b.prompt = append(b.prompt, r.Int32N(int32(e.Model.Config.NVocab)))
	}
	return b
}

// ask is the request whose Stats.Proof is compared.
func (b *bitsOf) ask() Request {
	return Request{Tokens: b.prompt, MaxTokens: b.text, IgnoreEOS: true, Proof: true}
}

// alone returns the hash of all rows of logits, one sequence at a time.
func (b *bitsOf) alone(t *testing.T) string {
	t.Helper()
	p := newProver()
	from := len(b.prompt) - b.rows
	err := b.e.Score(context.Background(), b.prompt, ScoreOptions{From: from}, func(r Row) error { p.add(r.Logits); return nil })
	if err != nil || p.rows != b.rows {
		t.Fatalf("%d of %d rows, %v", p.rows, b.rows, err)
	}
	st, err := b.e.Generate(context.Background(), b.ask(), nil, nil)
	if err != nil || st.Proof.Rows != b.text {
		t.Fatalf("%v, %v", st.Proof, err)
	}
	return p.proof(0).Hex() + st.Proof.Hex()
}

// together runs the request three times, two of them with pages in common, among twice n
// others that come and go: no more than n are at work, so that some join when others have
// left. It returns the proofs.
func (b *bitsOf) together(t *testing.T, n int) (proofs []Proof) {
	t.Helper()
	r := rand.New(rand.NewPCG(3, uint64(n)))
	ends := make(chan error, 2*n)
	var same []*Stream
	for i := range 3 + 2*n {
		ask := b.ask()
		if i < 3 {
			ask.Share = -min(1, i) // all or nothing
		} else {
			ask = Request{Tokens: b.prompt[r.IntN(8):][:1+r.IntN(40)], MaxTokens: 1 + r.IntN(b.text/4), IgnoreEOS: true}
		}
		s, err := b.e.Submit(context.Background(), ask)
		if err != nil {
			t.Fatal(err)
		}
		if i < 3 {
			same = append(same, s)
			continue
		}
		go func() { _, _, err := collect(s); ends <- err }()
	}
	for _, s := range same {
		_, st, err := collect(s)
		if err != nil {
			t.Fatal(err)
		}
		proofs = append(proofs, st.Proof)
	}
	for range 2 * n {
		if err := <-ends; err != nil {
			t.Error(err)
		}
	}
	return proofs
}

// way is one way of computing.
type way struct {
	name  string
	o     Options
	form  string // of the processor's kernels; "" for the fastest
	chunk int    // most tokens of a batch, over a prompt of many; 0 for the device's own
	batch int    // sequences in a batch; 0 for one alone
	long  bool   // left out with -short
}

// waysOf lists the ways of computing a model of so many layers, the reference first.
func waysOf(layers int, gpu model.DeviceInfo) []way {
	ways := []way{{name: "ref", o: Options{Device: "ref"}}}
	for _, form := range kernel.Names() {
		for _, n := range []int{1, 2, 3, 8} {
			ways = append(ways, way{name: fmt.Sprintf("cpu %s, %d threads", form, n), form: form, o: Options{Device: "cpu", Threads: n}, long: n != 3})
		}
	}
	devices := []string{"cpu"}
	if gpu.ID != "" {
		devices = append(devices, gpu.ID)
		for n := layers; n >= 0; n-- {
			ways = append(ways, way{name: fmt.Sprintf("%s, %d of %d layers", gpu.ID, n, layers), o: Options{Device: gpu.ID, GPULayers: strconv.Itoa(n)}, long: n != layers && n != 1})
		}
		for i, v := range gpu.Variants {
			ways = append(ways, way{name: fmt.Sprintf("%s, %s kernels", gpu.ID, v), o: Options{Device: gpu.ID, Variant: v}, long: i == 0 || v != "dot" && v != "coop"})
		}
	}
	ways = append(ways, way{name: "ref, the long prompt", o: Options{Device: "ref"}, chunk: 64, long: true})
	for _, d := range devices {
		for _, n := range []int{1, 7, 32, 512} {
			ways = append(ways, way{name: fmt.Sprintf("%s, chunks of %d", d, n), o: Options{Device: d}, chunk: n, long: n != 7})
		}
		for _, n := range []int{2, 8, 64} {
			ways = append(ways, way{name: fmt.Sprintf("%s, batches of %d", d, n), o: Options{Device: d, Parallel: n}, batch: n, long: n != 8})
		}
	}
	return ways
}

// chunked is a device with another chunk.
type chunked struct {
	model.Device
	chunk int
}

func (d chunked) Info() model.DeviceInfo {
	info := d.Device.Info()
	info.Chunk = d.chunk
	return info
}

// TestBits: one model, prompt and way of choosing give the same logits, bit for bit,
// on every device, by all kernels, with any number of threads, however the prompt is
// cut, whatever else is in the batch, and wherever the layers lie. One way of each kind,
// a short text, the models in testdata.
func TestBits(t *testing.T) {
	long(t)
	models, err := filepath.Glob("../testdata/*.gguf")
	if err != nil || len(models) == 0 {
		t.Fatal("no models in testdata")
	}
	sameBits(t, models, true)
}

// TestBitsOfAll is TestBits of all models, 64 positions, 200 tokens, every way. It takes
// minutes: make test-long.
func TestBitsOfAll(t *testing.T) {
	long(t)
	models, _ := filepath.Glob("../testdata/*.gguf")
	more, _ := filepath.Glob("../../shared/models/*.gguf")
	if len(more) == 0 {
		t.Log("../shared/models is not at hand: only the models in testdata are tested")
	}
	sameBits(t, append(models, more...), false)
}

func sameBits(t *testing.T, models []string, few bool) {
	var gpu model.DeviceInfo
	t.Run("GPU", func(t *testing.T) { gpu = theGPU(t) }) // says why there is none
	type run struct {
		path string
		way
	}
	var runs []run
	seen := map[string]bool{}
	for _, path := range models {
		if name := filepath.Base(path); seen[name] {
			continue // some lie in both folders
		}
		seen[filepath.Base(path)] = true
		for _, w := range waysOf(open(t, path, Options{Device: "ref", Context: 1}).Model.Config.NLayer, gpu) {
			if !w.long || !few {
				runs = append(runs, run{path, w})
			}
		}
	}
	runs = backendtest.Deal(t, runs, func(r run) string {
		if r.o.Device == "ref" {
			return r.name + r.path // what all others are compared with
		}
		return r.name
	})
	type prompt struct {
		path    string
		lengthy bool
	}
	compared := map[prompt]bool{}
	for _, r := range runs {
		if r.o.Device != "ref" {
			compared[prompt{r.path, r.lengthy(few)}] = true
		}
	}
	runs = slices.DeleteFunc(runs, func(r run) bool { return !compared[prompt{r.path, r.lengthy(few)}] }) // of a share
	want := map[string]map[bool]string{}                                                                  // of a model, by whether the prompt is the long one
	for _, r := range runs {
		if want[r.path] == nil {
			want[r.path] = map[bool]string{}
		}
		t.Run(filepath.Base(r.path)+"/"+r.name, func(t *testing.T) { r.check(t, r.path, want[r.path], few) })
	}
}

// lengthy reports whether the way is over the prompt of many batches.
func (w *way) lengthy(few bool) bool { return w.chunk > 0 && !few }

func (w *way) check(t *testing.T, path string, all map[bool]string, few bool) {
	t.Setenv(kernel.Variable, w.form)
	w.o.Context = 2048
	if w.chunk > 0 {
		list, _ := Devices(w.o.Threads)
		for _, d := range list {
			w.o.devices = append(w.o.devices, chunked{d, w.chunk})
		}
	}
	long := w.lengthy(few)
	want := all[long]
	b := sized(open(t, path, w.o), long, few)
	if w.batch > 0 {
		for i, p := range b.together(t, w.batch) {
			if got := p.Hex(); got != want[len(want)-hex.EncodedLen(sha256.Size):] {
				t.Errorf("text %d has other logits than the reference: %s", i, p)
			}
		}
		return
	}
	got := b.alone(t)
	if want == "" {
		all[long] = got
	} else if got != want {
		t.Errorf("logits %s, of the reference %s", got, want)
	}
}
