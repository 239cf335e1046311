package engine

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"eclat/model"
)

var poolings = []model.Pooling{model.MeanPooling, model.CLSPooling, model.LastPooling}

// embedded is the embedding of tokens that must succeed.
func embedded(t *testing.T, e *Engine, ids []int32, p model.Pooling) []float32 {
	t.Helper()
	v, st, err := e.Embed(context.Background(), ids, p, "", -1)
	if err != nil || len(v) != e.Model.Config.NEmbd || st.PromptTokens != len(ids) || st.GeneratedTokens != 0 {
		t.Fatalf("%v of %d tokens: %d elements, %+v, %v", p, len(ids), len(v), st, err)
	}
	return v
}

// someTexts are token ids of several lengths, about a page, and a chunk of 7.
func someTexts(vocab int) (texts [][]int32) {
	r := rand.New(rand.NewPCG(5, 6))
	for _, n := range []int{1, 2, 7, 31, 33, 70} {
		ids := make([]int32, n)
		for i := range ids {
			ids[i] = r.Int32N(int32(vocab))
		}
		texts = append(texts, ids)
	}
	return texts
}

// TestEmbedBits: an embedding has the reference's bits on every device, wherever the layers
// lie and however its text is cut, and alone as among others that are embedded or answered.
func TestEmbedBits(t *testing.T) {
	long(t)
	gpu := ""
	t.Run("GPU", func(t *testing.T) { gpu = gpuName(t) }) // says why there is none
	for _, path := range []string{builtIn, "../testdata/qwen3-small.gguf"} {
		ref := open(t, path, Options{Device: "ref"})
		var want [][]float32
		texts := someTexts(ref.Model.Config.NVocab)
		for _, ids := range texts {
			for _, p := range poolings {
				want = append(want, embedded(t, ref, ids, p))
			}
		}
		list, _ := Devices(0)
		var short []model.Device
		for _, d := range list {
			short = append(short, chunked{d, 7})
		}
		ways := []way{{name: "cpu", o: Options{Device: "cpu"}}, {name: "cpu, chunks of 7", o: Options{Device: "cpu", devices: short}}}
		if gpu != "" {
			ways = append(ways, way{name: gpu, o: Options{Device: gpu, Embeddings: true}}, way{name: gpu + ", one layer", o: Options{Device: gpu, GPULayers: "1"}})
		}
		for _, w := range ways {
			t.Run(filepath.Base(path)+"/"+w.name, func(t *testing.T) {
				e := open(t, path, w.o)
				var wg sync.WaitGroup
				for i := range 4 * len(want) { // the first alone
					one := func() {
						k := i % len(want)
						got, _, err := e.Embed(context.Background(), texts[k/len(poolings)], poolings[k%len(poolings)], fmt.Sprint(i%2), -1)
						if err != nil || !slices.Equal(got, want[k]) {
							t.Errorf("text %d, %v: other bits than the reference's, %v", k/len(poolings), poolings[k%len(poolings)], err)
						}
					}
					if i < len(want) {
						one()
						continue
					}
					wg.Go(one)
					if i%4 == 0 {
						wg.Go(func() {
							if _, err := e.Generate(context.Background(), Request{Tokens: texts[3], MaxTokens: 5, Share: -1}, nil, nil); err != nil {
								t.Error(err)
							}
						})
					}
				}
				wg.Wait()
			})
		}
	}
}

// TestEmbedIsWhatIsTraced: an embedding is what other code makes of the activations that a
// probe tells, in another order.
func TestEmbedIsWhatIsTraced(t *testing.T) {
	long(t)
	ctx := context.Background()
	e := open(t, builtIn, Options{Device: "cpu"})
	for _, ids := range someTexts(e.Model.Config.NVocab)[2:] {
		p, err := e.NewProbe(ctx, ProbeOptions{Tokens: len(ids), Trace: true})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := p.Run(ctx, ids); err != nil {
			t.Fatal(err)
		}
		at := slices.IndexFunc(p.Steps, func(s ProbeStep) bool { return s.Name == "output_norm" })
		cols := p.Steps[at].Cols
		rows := make([]float32, len(ids)*cols)
		if n, err := p.Read(ctx, at, rows); n != len(rows) || err != nil {
			t.Fatalf("%d values, %v", n, err)
		}
		p.Close()
		for _, how := range poolings {
			from, to := 0, len(ids)
			switch how {
			case model.CLSPooling:
				to = 1
			case model.LastPooling:
				from = to - 1
			}
			got, dot, length := embedded(t, e, ids, how), 0.0, 0.0
			want := make([]float64, cols)
			for j := cols - 1; j >= 0; j-- {
				for i := to - 1; i >= from; i-- {
					want[j] += float64(rows[i*cols+j]) / float64(to-from)
				}
				length = math.Hypot(length, want[j])
			}
			for j := range want {
				if d := math.Abs(want[j]/length - float64(got[j])); d > 1e-7 {
					t.Errorf("%d tokens, %v: element %d is %g, want %g", len(ids), how, j, got[j], want[j]/length)
				}
				dot += float64(got[j]) * float64(got[j])
			}
			if math.Abs(dot-1) > 1e-6 {
				t.Errorf("%v: its length is %g", how, math.Sqrt(dot))
			}
		}
	}
}

// simEmbedding is what a sim's rows make of tokens.
func simEmbedding(e *Engine, ids []int32, how model.Pooling) []float32 {
	p := model.NewPooler(e.Model.Config.NEmbd)
	first, end := how.Rows(len(ids))
	for i := first; i < end; i++ {
		p.Add(simRow(simSeen(e.owner.chain.kinds, ids[:i+1]), e.Model.Config.NEmbd))
	}
	v, _ := p.Vector()
	return v
}

// TestEmbedMixed: texts that are embedded and answered in any number together, over any
// kinds of memory and too little of it, come out as alone; some callers leave. Afterwards
// all memory is free but what the index keeps.
func TestEmbedMixed(t *testing.T) {
	for name, kinds := range map[string][]model.Memory{
		"positions": {allPositions}, "window": {someWindow}, "states": {oneState}, "all three": {allPositions, someWindow, oneState},
	} {
		for _, n := range []int{1, 3, 17} {
			t.Run(fmt.Sprintf("%s/%d", name, n), func(t *testing.T) {
				e := simulate(t, &sim{}, Options{Parallel: n, Context: 160}, kinds...)
				var wg sync.WaitGroup
				for i := range 8 * n {
					wg.Go(func() {
						p := prompt(1+i*37%150, uint64(i%3), uint64(i))
						if i%4 == 3 {
							want := say(e, p, 9)
							s, err := e.Submit(context.Background(), Request{Tokens: p, Share: -1, MaxTokens: len(want), IgnoreEOS: true})
							if err != nil {
								t.Error(err)
								return
							}
							if got, st, err := collect(s); err != nil || !slices.Equal(got, want) && st.Stop != StopContext {
								t.Errorf("an answer to %d tokens: %v, want %v, %v", len(p), got, want, err)
							}
							return
						}
						how := poolings[i%3]
						ctx, cancel := context.WithCancel(context.Background())
						defer cancel()
						if i%8 == 1 {
							cancel()
						}
						got, _, err := e.Embed(ctx, p, how, fmt.Sprint(i%2), -1)
						if ctx.Err() != nil {
							if !errors.Is(err, context.Canceled) {
								t.Errorf("cancelled: %v, %v", got, err)
							}
							return
						}
						if err != nil || !slices.Equal(got, simEmbedding(e, p, how)) {
							t.Errorf("%v of %d tokens is another's, %v", how, len(p), err)
						}
					})
				}
				wg.Wait()
				empty(t, e)
			})
		}
	}
}

// TestEmbedAfterLoss: a device that is lost in the middle of a text is opened again, and no
// row is pooled twice.
func TestEmbedAfterLoss(t *testing.T) {
	for _, how := range poolings {
		var runs atomic.Int64
		e := simulate(t, &sim{fault: func(call string) error {
			if call == "run" && runs.Add(1) == 2 {
				return model.ErrLost
			}
			return nil
		}}, Options{Context: 512}, allPositions)
		p := prompt(200, 4) // four chunks
		v, st, err := e.Embed(context.Background(), p, how, "", 0)
		if err != nil || !slices.Equal(v, simEmbedding(e, p, how)) {
			t.Errorf("%v: another embedding, %v", how, err)
		}
		if how != model.CLSPooling && st.Losses != 1 {
			t.Errorf("%v: %d losses", how, st.Losses)
		}
	}
}

// TestEmbedShares: what comes before the pooled rows is computed once for texts that begin
// alike; rows that are pooled are always computed.
func TestEmbedShares(t *testing.T) {
	e := simulate(t, &sim{}, Options{Context: 512}, allPositions)
	ctx := context.Background()
	for i, want := range []int{0, 96} {
		if _, st, err := e.Embed(ctx, prompt(100, 1), model.LastPooling, "", -1); err != nil || st.CachedTokens < want {
			t.Errorf("text %d: %d tokens found, want %d, %v", i, st.CachedTokens, want, err)
		}
	}
	for _, how := range []model.Pooling{model.MeanPooling, model.CLSPooling} {
		if v, st, err := e.Embed(ctx, prompt(100, 1), how, "", -1); err != nil || st.CachedTokens != 0 || !slices.Equal(v, simEmbedding(e, prompt(100, 1), how)) {
			t.Errorf("%v: %d tokens found, %v", how, st.CachedTokens, err)
		}
	}
}

// TestEmbedRefuses: what cannot be embedded is told at once.
func TestEmbedRefuses(t *testing.T) {
	e := open(t, builtIn, Options{Device: "cpu", Context: 16})
	ctx := context.Background()
	if _, _, err := e.Embed(ctx, []int32{1}, e.Model.Config.Pooling, "", 0); !errors.Is(err, ErrNoPooling) {
		t.Errorf("a model without pooling: %v", err)
	}
	if _, _, err := e.Embed(ctx, nil, model.MeanPooling, "", 0); err == nil {
		t.Error("no tokens")
	}
	if _, _, err := e.Embed(ctx, make([]int32, 17), model.MeanPooling, "", 0); !errors.As(err, new(*ContextError)) {
		t.Errorf("17 tokens in a context of 16: %v", err)
	}
	if _, _, err := e.Embed(ctx, []int32{1 << 30}, model.MeanPooling, "", 0); err == nil {
		t.Error("a token beyond the vocabulary")
	}
	if _, err := e.Submit(ctx, Request{Tokens: []int32{1}, Embed: 9}); err == nil {
		t.Error("a pooling that there is not")
	}
}
