package serve

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"eclat/engine"
	"eclat/engine/keep"
	"eclat/loader"
	"eclat/model"
	"eclat/serve/core"
	"eclat/serve/servetest"
)

// client is one of many: it has connections of its own.
type client struct {
	url, key string
	http     *http.Client
}

func newClient(t testing.TB, url, key string) *client {
	c := &client{url, key, &http.Client{Transport: &http.Transport{}}}
	t.Cleanup(c.http.CloseIdleConnections)
	return c
}

func (c *client) post(ctx context.Context, path, body string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url+path, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-Api-Key", c.key)
	return c.http.Do(req)
}

// whole asks for an answer in one piece.
func (c *client) whole(path, body string) (a answer, err error) {
	res, err := c.post(context.Background(), path, body)
	if err != nil {
		return a, err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != 200 {
		err = fmt.Errorf("%d %s", res.StatusCode, text)
	}
	if err == nil {
		err = json.Unmarshal(text, &a)
	}
	if err == nil && len(a.Choices) == 0 {
		err = fmt.Errorf("no answer: %s", text)
	}
	return a, err
}

// events asks for an answer in pieces, and tells when each came that has text.
func (c *client) events(path, body string) (times []time.Time, err error) {
	res, err := c.post(context.Background(), path, body)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	last := ""
	for s := bufio.NewScanner(res.Body); s.Scan(); {
		if s.Text() == "" {
			continue
		}
		if last = s.Text(); strings.Contains(last, `"content":"`) && !strings.Contains(last, `"content":""`) {
			times = append(times, time.Now())
		}
	}
	if last != "data: [DONE]" {
		err = fmt.Errorf("%d, and it ends with %s", res.StatusCode, last)
	}
	return times, err
}

// between are the times between tokens of many answers.
type between struct {
	mu  sync.Mutex
	all []time.Duration
}

func (b *between) add(times []time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := 1; i < len(times); i++ {
		b.all = append(b.all, times[i].Sub(times[i-1]))
	}
}

// at is the time that so many of 100 stay below.
func (b *between) at(percent int) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.all) == 0 {
		return 0
	}
	slices.Sort(b.all)
	return b.all[(len(b.all)-1)*percent/100]
}

// TestSteady: 64 clients ask without a pause. None sees an error, and neither memory nor
// goroutines grow. ECLAT_LOAD says for how long: 3m, where nothing is said 20 s.
func TestSteady(t *testing.T) {
	long := 20 * time.Second
	if s := os.Getenv("ECLAT_LOAD"); s != "" {
		var err error
		if long, err = time.ParseDuration(s); err != nil {
			t.Fatal(err)
		}
	}
	url, c := start(t, servetest.Options{})
	post(t, url, chat("x", 1, ""))
	var requests, tokens atomic.Int64
	var all sync.WaitGroup
	var pauses between
	stop := make(chan struct{})
	for i := range 64 {
		one := newClient(t, url, "")
		all.Go(func() {
			for j := 0; ; j++ {
				select {
				case <-stop:
					return
				default:
				}
				body := chat(fmt.Sprintf("Client %d asks for the state of the Union, and for the %d. time.", i, j%50), 12, fmt.Sprintf(`,"seed":%d`, j))
				var n int
				var err error
				if j%2 == 0 {
					var a answer
					if a, err = one.whole("/v1/chat/completions", body); err == nil {
						n = len(a.Choices[0].Tokens)
					}
				} else {
					var times []time.Time
					times, err = one.events("/v1/chat/completions", strings.Replace(body, "{", `{"stream":true,`, 1))
					n = len(times)
					pauses.add(times)
				}
				if err != nil {
					t.Errorf("client %d, request %d: %v", i, j, err)
					return
				}
				requests.Add(1)
				tokens.Add(int64(n))
			}
		})
	}
	var heap []uint64
	var goroutines []int
	const looks = 20
	for range looks {
		time.Sleep(long / looks)
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		heap, goroutines = append(heap, m.HeapAlloc>>10), append(goroutines, runtime.NumGoroutine())
	}
	close(stop)
	all.Wait()
	t.Logf("64 clients, %v: %d requests, %d tokens (%.0f a second); between tokens median %v, p99 %v", long, requests.Load(), tokens.Load(), float64(tokens.Load())/long.Seconds(), pauses.at(50), pauses.at(99))
	t.Logf("KiB of heap after collection %v, goroutines %v", heap, goroutines)
	// The first tenth fills the prefix cache and the connections.
	early, late := slices.Max(heap[looks/10:looks/2]), slices.Max(heap[looks/2:])
	if late > early+early/10+4096 {
		t.Errorf("memory grows: %d KiB at most in the first half, then %d", early, late)
	}
	if early, late := slices.Max(goroutines[:looks/2]), slices.Max(goroutines[looks/2:]); late > early+32 {
		t.Errorf("goroutines grow: %d at most in the first half, then %d", early, late)
	}
	counters(t, c, "idle", func(n engine.Counters) bool { return n.Working+n.Waiting == 0 })
	if len(c.Runs()) != 0 {
		t.Errorf("%d answers are still counted", len(c.Runs()))
	}
}

// smallModel has random weights, so that what it says hangs on every token that it sees.
const smallModel = "../testdata/qwen3-small.gguf"

// canaries are what ECLAT_CANARIES says: how many requests TestForeignTokens makes, and after
// a colon the seed of what is in them and in which order.
func canaries(t *testing.T) (requests int, seed uint64) {
	requests, seed = 3000, 1
	s := os.Getenv("ECLAT_CANARIES")
	if s == "" {
		return
	}
	n, of, colon := strings.Cut(s, ":")
	var err error
	if requests, err = strconv.Atoi(n); err == nil && colon {
		seed, err = strconv.ParseUint(of, 10, 64)
	}
	if err != nil || requests < 1 {
		t.Fatalf("ECLAT_CANARIES is %q; it is a number of requests, and after a colon a seed", s)
	}
	return
}

// common is how many tokens two texts begin with alike.
func common(a, b []int32) int {
	n := 0
	for n < min(len(a), len(b)) && a[n] == b[n] {
		n++
	}
	return n
}

// TestForeignTokens: 64 callers whose prompts begin alike, each with a word of its own in
// them, where memory holds a part of them and the server is restarted again and again: no
// answer is another than that of the caller's own text alone, and no caller finds more of a
// prompt than it has sent itself.
func TestForeignTokens(t *testing.T) {
	requests, seed := canaries(t)
	const callers, texts, rounds = 64, 6, 8
	file, err := loader.Open(smallModel)
	if err != nil {
		t.Fatal(err)
	}
	alone, err := engine.Open(context.Background(), file, engine.Options{Device: "cpu", Context: 512})
	if err != nil {
		t.Fatal(err)
	}
	defer alone.Close()
	random := rand.New(rand.NewPCG(seed, 0))
	words := func(n int) (w []int32) {
		for range n {
			w = append(w, 3+random.Int32N(int32(alone.Model.Config.NVocab)-3))
		}
		return w
	}
	var prompts, want [callers][texts][]int32 // what each must hear is computed without any cache
	heard := map[string]bool{}
	all := words(model.PageLen + 4) // more than a page, which others might find
	for i := range prompts {
		own := words(20)
		for j := range prompts[i] {
			p := slices.Concat(all, own, words(5*j))
			r := engine.Request{Tokens: p, MaxTokens: 3, IgnoreEOS: true}
			if _, err := alone.Generate(context.Background(), r, nil, func(id int32) { want[i][j] = append(want[i][j], id) }); err != nil {
				t.Fatal(err)
			}
			prompts[i][j] = p
			heard[fmt.Sprint(want[i][j])] = true
		}
	}
	if len(heard) < callers {
		t.Fatalf("only %d different answers: the test tests little", len(heard))
	}
	var keys []string
	for i := range callers {
		keys = append(keys, fmt.Sprintf("secret-of-%d", i))
	}
	dir := t.TempDir()
	var sent [callers][texts]bool // by its caller's goroutine
	var asked, hits, found, restored, evicted atomic.Int64
	each := (requests + rounds*callers - 1) / (rounds * callers)
	for round := range rounds {
		t.Run(fmt.Sprint(round), func(t *testing.T) {
			folder, err := keep.OpenFolder(dir, 8<<20, func(m string) {
				if strings.Contains(m, "not used") {
					t.Error(m)
				}
			})
			if err != nil {
				t.Fatal(err)
			}
			url, _ := start(t, servetest.Options{Path: smallModel, Template: "chatml", Folder: folder, Engine: engine.Options{Context: 5120},
				Core: core.Options{Guard: core.Guard{Keys: keys}}})
			var working sync.WaitGroup
			// Half of them speak at a time, a few times each: of these memory holds all, and what
			// the others left is given up.
			const turn = 4
			places := make(chan struct{}, callers/2)
			for i := range callers {
				one := newClient(t, url, keys[i])
				order := rand.New(rand.NewPCG(seed, uint64(1+round*callers+i)))
				var lately [texts]bool // sent since the server began
				ask := func(first bool) {
					j := order.IntN(texts)
					body, _ := json.Marshal(map[string]any{"prompt": prompts[i][j], "max_tokens": 3, "ignore_eos": true, "temperature": 0, "return_tokens": true})
					a, err := one.whole("/v1/completions", string(body))
					if err != nil {
						t.Errorf("caller %d: %v", i, err)
						return
					}
					asked.Add(1)
					if got := a.Choices[0].Tokens; !slices.Equal(got, want[i][j]) {
						t.Errorf("caller %d, text %d: %v, alone %v", i, j, got, want[i][j])
					}
					cached, most := a.Usage.Details.Cached, 0
					for k, sent := range sent[i] {
						if sent {
							most = max(most, common(prompts[i][j], slices.Concat(prompts[i][k], want[i][k])))
						}
					}
					if cached > most {
						t.Errorf("caller %d, text %d: %d tokens were found, %d were sent before", i, j, cached, most)
					}
					if cached > 0 {
						hits.Add(1)
						found.Add(int64(cached))
					}
					if first { // of this caller the server has what the folder had
						restored.Add(int64(cached))
					}
					if lately[j] && cached < len(prompts[i][j])-1 {
						evicted.Add(1)
					}
					sent[i][j], lately[j] = true, true
				}
				working.Go(func() {
					for n := 0; n < each; n += turn {
						places <- struct{}{}
						for m := range min(turn, each-n) {
							ask(n+m == 0)
						}
						<-places
					}
				})
			}
			working.Wait()
		})
	}
	t.Logf("seed %d: %d requests of %d callers; %d found a part of theirs, %d tokens, %d of them from before a restart; %d times a part had been given up", seed, asked.Load(), callers, hits.Load(), found.Load(), restored.Load(), evicted.Load())
	if n := asked.Load() / 20; hits.Load() < n || evicted.Load() < n || restored.Load() == 0 {
		t.Error("of finding, giving up and restoring something happened too seldom: the test tests little")
	}
}

// TestUnread: clients that read nothing of their answers hold up nobody.
func TestUnread(t *testing.T) {
	url, c := start(t, servetest.Options{Engine: engine.Options{Context: 8192}})
	post(t, url, chat("x", 1, ""))
	ctx, leave := context.WithCancel(context.Background())
	defer leave()
	for i := range engine.DefaultParallel {
		res, err := newClient(t, url, "").post(ctx, "/v1/chat/completions", chat(fmt.Sprint("Speak, ", i), 900, `,"stream":true,"ignore_eos":true,"logprobs":true,"top_logprobs":20`))
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
	}
	counters(t, c, "all are at work", func(n engine.Counters) bool { return n.Working > 0 })
	if a := post(t, url, chat("And I?", 8, "")); len(a.Choices[0].Tokens) == 0 {
		t.Error("no answer")
	}
	leave()
	counters(t, c, "idle", func(n engine.Counters) bool { return n.Working+n.Waiting == 0 })
}

// TestFair: one caller's many requests do not keep another's waiting: it is the next.
func TestFair(t *testing.T) {
	url, c := start(t, servetest.Options{Engine: engine.Options{Parallel: 1, Context: 4096}, Core: core.Options{Guard: core.Guard{Keys: []string{"greedy-key", "modest-key"}}}})
	greedy, modest := newClient(t, url, "greedy-key"), newClient(t, url, "modest-key")
	if _, err := greedy.whole("/v1/chat/completions", chat("x", 1, "")); err != nil {
		t.Fatal(err)
	}
	ctx, leave := context.WithCancel(context.Background())
	defer leave()
	first, err := greedy.post(ctx, "/v1/chat/completions", chat("Speak.", 3000, `,"stream":true,"ignore_eos":true`))
	if err != nil {
		t.Fatal(err)
	}
	defer first.Body.Close()
	go io.Copy(io.Discard, first.Body)
	var ended atomic.Int64
	var all sync.WaitGroup
	for i := range 20 {
		all.Go(func() {
			if _, err := greedy.whole("/v1/chat/completions", chat(fmt.Sprint("Greedy ", i), 8, `,"ignore_eos":true`)); err != nil {
				t.Error(err)
			}
			ended.Add(1)
		})
	}
	counters(t, c, "they wait", func(n engine.Counters) bool { return n.Waiting == 20 })
	before := int64(-1)
	all.Go(func() {
		if _, err := modest.whole("/v1/chat/completions", chat("Modest", 8, `,"ignore_eos":true`)); err != nil {
			t.Error(err)
		}
		before = ended.Load()
	})
	counters(t, c, "it waits too", func(n engine.Counters) bool { return n.Waiting == 21 })
	leave()
	all.Wait()
	if before > 4 { // one before it, and what was answered while the answer was on its way here
		t.Errorf("%d of the greedy caller's requests were answered before the modest one's", before)
	}
}

// sums are an answer's ids and the sum of its logits.
func sums(t *testing.T, c *client, body string) string {
	t.Helper()
	res, err := c.post(context.Background(), "/v1/chat/completions", body)
	if err != nil {
		t.Error(err)
		return ""
	}
	defer res.Body.Close()
	var a struct {
		Choices []struct {
			Tokens []int32
			Proof  json.RawMessage
		}
	}
	text, _ := io.ReadAll(res.Body)
	if err := json.Unmarshal(text, &a); err != nil || len(a.Choices) != 1 || len(a.Choices[0].Tokens) == 0 || !bytes.Contains(a.Choices[0].Proof, []byte("tokens")) {
		t.Errorf("%d %s", res.StatusCode, text)
		return ""
	}
	return fmt.Sprint(a.Choices[0].Tokens, string(a.Choices[0].Proof))
}

// TestSame: the same ids and the same sum of the logits alone and among 64, cold and warm,
// with guesses and without, and after a restart.
func TestSame(t *testing.T) {
	dir := t.TempDir()
	const clients = 64
	body := func(i int) string {
		return chat(fmt.Sprintf("Question %d of the Senate, of the House and of the people.", i), 16, fmt.Sprintf(`,"seed":%d,"proof":true`, i))
	}
	alone := map[int]string{}
	for _, draft := range []int{0, engine.MaxDraft} {
		url, _ := start(t, servetest.Options{Core: core.Options{Draft: draft}})
		c := newClient(t, url, "")
		for _, i := range []int{0, 1, 2} {
			switch got := sums(t, c, body(i)); alone[i] {
			case "":
				alone[i] = got
			case got:
			default:
				t.Errorf("question %d: with guesses %s, without %s", i, got, alone[i])
			}
		}
	}
	for _, what := range []string{"cold", "after a restart"} {
		t.Run(what, func(t *testing.T) {
			folder, err := keep.OpenFolder(dir, 0, func(m string) { t.Log(m) })
			if err != nil {
				t.Fatal(err)
			}
			url, _ := start(t, servetest.Options{Folder: folder, Core: core.Options{Draft: engine.MaxDraft}})
			for _, when := range []string{what, "warm"} {
				var all sync.WaitGroup
				got := make([]string, clients)
				for i := range got {
					c := newClient(t, url, "")
					all.Go(func() { got[i] = sums(t, c, body(i)) })
				}
				all.Wait()
				for i, got := range got {
					switch {
					case alone[i] == "":
						alone[i] = got
					case alone[i] != got:
						t.Errorf("question %d, among %d, %s: %s, first %s", i, clients, when, got, alone[i])
					}
				}
			}
		})
	}
}
