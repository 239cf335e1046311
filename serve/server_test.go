package serve

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"eclat/engine"
	"eclat/serve/core"
	"eclat/serve/servetest"
)

// start runs a whole server.
func start(t *testing.T, o servetest.Options) (string, *core.Core) {
	t.Helper()
	c := servetest.Core(t, o)
	return servetest.Start(t, Handler(c)), c
}

func chat(text string, n int, more string) string {
	quoted, _ := json.Marshal(text)
	return fmt.Sprintf(`{"messages":[{"role":"user","content":%s}],"max_tokens":%d,"return_tokens":true%s}`, quoted, n, more)
}

// answer is what the tests look at.
type answer struct {
	Choices []struct{ Tokens []int32 }
	Usage   struct {
		Prompt  int `json:"prompt_tokens"`
		Details struct {
			Cached int `json:"cached_tokens"`
		} `json:"prompt_tokens_details"`
	}
}

func post(t *testing.T, url, body string) (a answer) {
	t.Helper()
	status, text := servetest.Post(t, url+"/v1/chat/completions", body)
	if err := json.Unmarshal([]byte(text), &a); err != nil || status != 200 || len(a.Choices) == 0 {
		t.Errorf("%d %s", status, text)
		a.Choices = append(a.Choices, struct{ Tokens []int32 }{})
	}
	return a
}

// counters waits, a minute at most, until the engine's are as they should be.
func counters(t *testing.T, c *core.Core, what string, as func(n engine.Counters) bool) (n engine.Counters) {
	t.Helper()
	for range 6000 {
		c.Models.Each(func(m *core.Model) { n, _ = m.Engine.Counters(context.Background()) })
		if as(n) {
			return n
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("%s: %+v", what, n)
	return n
}

// TestShared: 8 requests of one beginning of 4,000 tokens at once compute it once, where the
// context holds little more: it is shared by need, and not divided.
func TestShared(t *testing.T) {
	url, c := start(t, servetest.Options{Engine: engine.Options{Context: 4800}})
	long := strings.Repeat("the people of the several States and of the Congress ", 400)
	warm := post(t, url, chat("x", 1, ""))
	before := counters(t, c, "idle", func(n engine.Counters) bool { return n.Working == 0 })
	var all sync.WaitGroup
	var mu sync.Mutex
	prompt, cached := 0, 0
	for i := range 8 {
		all.Go(func() {
			a := post(t, url, chat(long+fmt.Sprint(i), 1, ""))
			mu.Lock()
			defer mu.Unlock()
			prompt, cached = prompt+a.Usage.Prompt, cached+a.Usage.Details.Cached
		})
	}
	all.Wait()
	after := counters(t, c, "idle", func(n engine.Counters) bool { return n.Working == 0 })
	each, run := prompt/8, after.Computed-before.Computed
	if each < 4000 || run > each+7*64 || cached < 7*(each-64) {
		t.Errorf("prompts of %d tokens, of 8 %d were run and %d cached; a prompt alone: %d", each, run, cached, warm.Usage.Prompt)
	}
	t.Logf("8 prompts of %d tokens: %d run, %d cached", each, run, cached)
}

// TestMany: 64 clients at once all get their answers, and nothing of them is left.
func TestMany(t *testing.T) {
	url, c := start(t, servetest.Options{})
	post(t, url, chat("x", 1, ""))
	http.DefaultClient.CloseIdleConnections()
	before := runtime.NumGoroutine()
	var all sync.WaitGroup
	for i := range 64 {
		all.Go(func() {
			for j := range 3 {
				if a := post(t, url, chat(fmt.Sprintf("Of %d and %d.", i, j), 8, "")); len(a.Choices[0].Tokens) == 0 {
					t.Error("no answer")
				}
			}
		})
	}
	all.Wait()
	http.DefaultClient.CloseIdleConnections()
	counters(t, c, "idle", func(n engine.Counters) bool {
		return n.Working+n.Waiting == 0 && runtime.NumGoroutine() <= before+8
	})
	if len(c.Runs()) != 0 {
		t.Errorf("%d answers are still counted", len(c.Runs()))
	}
}

// TestLeaving: a client that leaves is cancelled, while it waits, while its prompt is read,
// and in its answer; nobody else is.
func TestLeaving(t *testing.T) {
	url, c := start(t, servetest.Options{Engine: engine.Options{Parallel: 1, Context: 4096}})
	post(t, url, chat("x", 1, ""))
	send := func(body string) (leave func(), begun chan bool) {
		ctx, cancel := context.WithCancel(context.Background())
		begun = make(chan bool, 1)
		gone := make(chan bool)
		go func() {
			defer close(gone)
			req, _ := http.NewRequestWithContext(ctx, "POST", url+"/v1/chat/completions", strings.NewReader(body))
			req.Header.Set("Content-Type", "application/json")
			res, err := http.DefaultClient.Do(req)
			if err != nil {
				return
			}
			defer res.Body.Close()
			for s := bufio.NewScanner(res.Body); s.Scan(); {
				if strings.Contains(s.Text(), `"content":"`) && !strings.Contains(s.Text(), `"content":""`) {
					select {
					case begun <- true:
					default:
					}
				}
			}
		}()
		return func() { cancel(); <-gone }, begun
	}
	endless := chat("Speak for ever.", 4000, `,"stream":true,"ignore_eos":true`)
	leaveFirst, begun := send(endless)
	<-begun
	leaveQueued, _ := send(endless)
	counters(t, c, "one waits", func(n engine.Counters) bool { return n.Working == 1 && n.Waiting == 1 })
	leaveQueued()
	counters(t, c, "it left the queue", func(n engine.Counters) bool { return n.Working == 1 && n.Waiting == 0 })
	leaveFirst()
	counters(t, c, "it left its answer", func(n engine.Counters) bool { return n.Working == 0 && n.Waiting == 0 })
	leaveReading, _ := send(chat(strings.Repeat("the people of the several States and of the Congress ", 300), 1, ""))
	counters(t, c, "its prompt is read", func(n engine.Counters) bool { return n.Working == 1 })
	leaveReading()
	counters(t, c, "it left its prompt", func(n engine.Counters) bool { return n.Working == 0 && n.Waiting == 0 })
}

// TestBusy: where as many wait as may, the next is asked to come again.
func TestBusy(t *testing.T) {
	url, c := start(t, servetest.Options{Engine: engine.Options{Parallel: 1, Queue: 1, Context: 4096}})
	post(t, url, chat("x", 1, ""))
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	for range 2 {
		go func() {
			req, _ := http.NewRequestWithContext(ctx, "POST", url+"/v1/chat/completions", strings.NewReader(chat("Speak.", 3000, `,"ignore_eos":true`)))
			req.Header.Set("Content-Type", "application/json")
			if res, err := http.DefaultClient.Do(req); err == nil {
				res.Body.Close()
			}
		}()
		counters(t, c, "it is taken", func(n engine.Counters) bool { return n.Working == 1 })
	}
	counters(t, c, "one waits", func(n engine.Counters) bool { return n.Waiting == 1 })
	req, _ := http.NewRequest("POST", url+"/v1/chat/completions", strings.NewReader(chat("x", 1, "")))
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != 429 || res.Header.Get("Retry-After") == "" {
		t.Errorf("%d %v", res.StatusCode, res.Header)
	}
}

// TestPages: what there is besides the APIs, with a key and without.
func TestPages(t *testing.T) {
	url, _ := start(t, servetest.Options{Core: core.Options{Guard: core.Guard{Keys: []string{"secret-one"}}}})
	for _, c := range []struct {
		path, key string
		want      int
	}{
		{"/health", "", 200}, {"/v1/health", "", 200}, {"/metrics", "", 401}, {"/v1/models", "", 401}, {"/props", "wrong-one", 401},
		{"/v1/models", "secret-one", 200}, {"/nothing", "secret-one", 404}, {"/v1/chat/completions", "secret-one", 404}, {"/../etc/passwd", "secret-one", 404},
	} {
		if status, body := servetest.Get(t, url+c.path, "Authorization", "Bearer "+c.key); status != c.want || c.want >= 400 && !strings.Contains(body, `"error"`) {
			t.Errorf("%s: %d %s, want %d", c.path, status, body, c.want)
		}
	}
	if status, body := servetest.Post(t, url+"/v1/chat/completions", chat("x", 3, ""), "X-Api-Key", "secret-one"); status != 200 {
		t.Errorf("%d %s", status, body)
	}
	_, m := servetest.Get(t, url+"/metrics", "X-Api-Key", "secret-one")
	for _, want := range []string{`eclat_generated_tokens_total{model="sotu"} 3`, `eclat_time_to_first_token_seconds_count{model="sotu"} 1`, `eclat_time_between_tokens_seconds_count{model="sotu"} 2`,
		`eclat_device_lost{model="sotu"} 0`, `eclat_memory_units_free{model="sotu"}`, `eclat_http_requests_total{route="/v1/models",status="401"} 1`, `eclat_requests_waiting{model="sotu"} 0`, `eclat_device_memory_bytes{device="cpu",model="sotu"}`} {
		if !strings.Contains(m, want) {
			t.Errorf("no %s in %s", want, m)
		}
	}
}

// TestShutdown: what is on its way finishes, or is cut off when patience ends; nothing new
// is taken.
func TestShutdown(t *testing.T) {
	for _, patience := range []time.Duration{time.Minute, 0} {
		c := servetest.Core(t, servetest.Options{Engine: engine.Options{Context: 4096}})
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		url := "http://" + l.Addr().String()
		ctx, stop := context.WithCancel(context.Background())
		ended := make(chan error, 1)
		go func() { ended <- New(c).Serve(ctx, l, patience) }()
		post(t, url, chat("x", 1, ""))
		n := 60
		if patience == 0 {
			n = 4000
		}
		res, err := http.Post(url+"/v1/chat/completions", "application/json", strings.NewReader(chat("Speak.", n, `,"stream":true,"ignore_eos":true`)))
		if err != nil {
			t.Fatal(err)
		}
		s := bufio.NewScanner(res.Body)
		s.Scan()
		stop()
		last := ""
		for s.Scan() {
			if s.Text() != "" {
				last = s.Text()
			}
		}
		res.Body.Close()
		if patience > 0 && last != "data: [DONE]" || patience == 0 && !strings.Contains(last, "the server ends") {
			t.Errorf("patience %v: the last line is %q", patience, last)
		}
		if err := <-ended; (err != nil) != (patience == 0) {
			t.Errorf("patience %v: %v", patience, err)
		}
		if _, err := http.Get(url + "/health"); err == nil {
			t.Error("it is still there")
		}
	}
}
