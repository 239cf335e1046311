package admin_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"eclat/engine"
	"eclat/serve"
	"eclat/serve/core"
	"eclat/serve/servetest"
)

// start runs a whole server.
func start(t *testing.T, o core.Options) (string, *core.Core) {
	t.Helper()
	c := servetest.Core(t, servetest.Options{Core: o, Engine: engine.Options{Context: 256}})
	return servetest.Start(t, serve.Handler(c)), c
}

// status is what the tests look at of the answer.
type status struct {
	Version string
	Devices []struct {
		ID, Name, Kind, State, Bits, Difference string
		Kernels                                 int
		Memory                                  struct{ Total, Used int64 }
	}
	Models []struct {
		ID, File, State, Error, Architecture, Parameters, Quantisation, Identity string
		Bytes                                                                    int64
		Context                                                                  int
		Layers                                                                   []struct {
			Name, Device string
			Bytes        int64
		}
		Stages []struct {
			Device        string
			First, Layers int
			Token         float64 `json:"token_ms"`
		}
		Memory []struct {
			What, Device  string
			Planned, Real int64
		}
		Fragments *struct{ Total, Verified int }
	}
	Peers []any
}

func look(t *testing.T, url string) (s status) {
	t.Helper()
	code, body := servetest.Get(t, url+"/api/status")
	if err := json.Unmarshal([]byte(body), &s); err != nil || code != 200 {
		t.Fatalf("%d %s", code, body)
	}
	return s
}

// until waits, a minute at most, for a model's state.
func until(t *testing.T, url, state string) status {
	t.Helper()
	for range 6000 {
		if s := look(t, url); s.Models[0].State == state {
			return s
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("it is never %s", state)
	return status{}
}

// TestStatus: what is told of a model before it is loaded, while it is, and of where it
// lies.
func TestStatus(t *testing.T) {
	url, _ := start(t, core.Options{})
	s := look(t, url)
	if m := s.Models[0]; m.ID != "sotu" || m.State != "unloaded" || m.Layers != nil || m.Bytes == 0 || s.Version != "eclat test" || s.Peers == nil {
		t.Errorf("%+v", s)
	}
	if code, body := servetest.Post(t, url+"/models/load", `{"model":"sotu"}`); code != 200 || !strings.Contains(body, `"success":true`) {
		t.Errorf("%d %s", code, body)
	}
	s = until(t, url, "ready")
	m := s.Models[0]
	if m.Architecture != "llama" || m.Parameters == "" || m.Quantisation != "Q4_K - Medium" || m.Context != 256 || !strings.HasPrefix(m.Identity, "sha256:") || m.Fragments != nil || strings.Contains(m.File, "/") {
		t.Errorf("%+v", m)
	}
	var sum int64
	for _, l := range m.Layers {
		if sum += l.Bytes; l.Device != "cpu" || l.Bytes == 0 {
			t.Errorf("%+v", l)
		}
	}
	if n := len(m.Layers); n < 4 || m.Layers[0].Name != "embedding" || m.Layers[1].Name != "layer 0" || sum == 0 || sum > m.Bytes {
		t.Errorf("%d parts of %d bytes, the model has %d: %+v", n, sum, m.Bytes, m.Layers)
	}
	if len(m.Stages) != 1 || m.Stages[0].Device != "cpu" || m.Stages[0].Token != 0 {
		t.Errorf("%+v", m.Stages)
	}
	var held int64
	for _, u := range m.Memory {
		held += u.Real
		if u.Planned <= 0 && u.Real <= 0 {
			t.Errorf("%+v", u)
		}
	}
	for _, d := range s.Devices {
		switch d.ID {
		case "cpu":
			if d.Kind != "cpu" || d.State != "ok" || d.Bits != "unchecked" || d.Memory.Used != held || d.Memory.Total < held {
				t.Errorf("%+v, %d bytes are held", d, held)
			}
		case "ref":
			if d.Kind != "ref" || d.Bits != "equal" {
				t.Errorf("%+v", d)
			}
		}
	}
	servetest.Post(t, url+"/v1/chat/completions", `{"messages":[{"role":"user","content":"x"}],"max_tokens":4,"ignore_eos":true}`)
	if s := look(t, url); s.Models[0].Stages[0].Token <= 0 {
		t.Error("no time of a token after an answer")
	}
	if code, body := servetest.Post(t, url+"/models/unload", `{"model":"sotu"}`); code != 200 {
		t.Errorf("%d %s", code, body)
	}
	if s := look(t, url); s.Models[0].State != "unloaded" || s.Models[0].Layers != nil {
		t.Errorf("after unloading: %+v", s.Models[0])
	}
}

// TestInUse: a model that answers is not unloaded.
func TestInUse(t *testing.T) {
	url, _ := start(t, core.Options{})
	ctx, leave := context.WithCancel(context.Background())
	defer leave()
	req, _ := http.NewRequestWithContext(ctx, "POST", url+"/v1/chat/completions", strings.NewReader(`{"messages":[{"role":"user","content":"x"}],"max_tokens":200,"ignore_eos":true,"stream":true,"n":8}`))
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if code, body := servetest.Post(t, url+"/models/unload", `{"model":"sotu"}`); code != 409 || !strings.Contains(body, "in use") {
		t.Errorf("%d %s", code, body)
	}
}

// events posts and reads the events of the answer.
func events(t *testing.T, url, body string) (list []map[string]json.RawMessage, done bool) {
	t.Helper()
	res, err := http.Post(url, "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != 200 {
		t.Fatalf("status %d", res.StatusCode)
	}
	for s := bufio.NewScanner(res.Body); s.Scan(); {
		data, ok := strings.CutPrefix(s.Text(), "data: ")
		switch {
		case !ok:
		case data == "[DONE]":
			done = true
		default:
			var ev map[string]json.RawMessage
			if err := json.Unmarshal([]byte(data), &ev); err != nil {
				t.Fatalf("%s: %v", data, err)
			}
			list = append(list, ev)
		}
	}
	return list, done
}

// TestBench: each test is told of as it ends, in order, on the chain that serves and on
// another device.
func TestBench(t *testing.T) {
	url, _ := start(t, core.Options{})
	for _, device := range []string{"auto", "ref"} {
		list, done := events(t, url+"/api/bench", fmt.Sprintf(`{"model":"sotu","device":%q,"prompt":[8],"generate":[4],"depth":[0,32],"repeat":2}`, device))
		var names []string
		for _, ev := range list {
			if ev["row"] == nil {
				continue
			}
			var r struct {
				Test, Device string
				Avg          float64   `json:"avg_ts"`
				First        int64     `json:"ttft_ns"`
				Limit        float64   `json:"of_limit"`
				Samples      []float64 `json:"samples_ts"`
			}
			if err := json.Unmarshal(ev["row"], &r); err != nil || r.Avg <= 0 || len(r.Samples) != 2 || (r.First > 0) != strings.HasPrefix(r.Test, "pp") || r.Device == "" || r.Limit < 0 {
				t.Errorf("%s, %v", ev["row"], err)
			}
			names = append(names, r.Test)
		}
		if got := strings.Join(names, ", "); !done || got != "pp8, tg4, pp8 @ d32, tg4 @ d32" {
			t.Errorf("%s: %s, done %v", device, got, done)
		}
	}
}

// TestCompare: two devices are compared, and their bits are equal.
func TestCompare(t *testing.T) {
	url, _ := start(t, core.Options{})
	for _, device := range []string{"auto", "cpu"} {
		list, done := events(t, url+"/api/compare", fmt.Sprintf(`{"model":"sotu","device":%q,"against":"ref","tokens":6}`, device))
		var r struct {
			Positions int
			Numbers   int64
			First     json.RawMessage `json:"first_unequal"`
			Sum       string          `json:"sha256"`
			Failures  []string
			Layers    []any
			Tensors   []any
		}
		if err := json.Unmarshal(list[len(list)-1]["result"], &r); err != nil || !done || r.Positions != 6 || r.Numbers == 0 || string(r.First) != "null" || len(r.Sum) != 64 || len(r.Failures) != 0 || len(r.Layers) == 0 || r.Tensors != nil {
			t.Errorf("%s: %v, done %v: %.300s", device, err, done, list[len(list)-1]["result"])
		}
	}
}

// TestCheck: a device's kernels are asked, and what they answered is known from then on.
func TestCheck(t *testing.T) {
	url, _ := start(t, core.Options{})
	list, done := events(t, url+"/api/check", `{"device":"cpu"}`)
	if found := string(list[len(list)-1]["check"]); !done || !strings.Contains(found, `"bits":"equal"`) || strings.Contains(found, `"kernels":0`) {
		t.Errorf("%s", found)
	}
	for _, d := range look(t, url).Devices {
		if d.ID == "cpu" && (d.Bits != "equal" || d.Kernels == 0) {
			t.Errorf("%+v", d)
		}
	}
	servetest.Post(t, url+"/v1/chat/completions", `{"messages":[{"role":"user","content":"x"}],"max_tokens":1}`)
	if _, body := servetest.Get(t, url+"/v1/models"); !strings.Contains(body, `"bits":"equal bits"`) || !strings.Contains(body, `"description":"llama 8`) {
		t.Errorf("%s", body)
	}
}

// TestRefused: what cannot be meant is refused, with the field's name, before anything runs.
func TestRefused(t *testing.T) {
	url, _ := start(t, core.Options{})
	for _, c := range []struct {
		path, body string
		status     int
		says       string
	}{
		{"/models/load", `{}`, 400, "model"},
		{"/models/load", `{"model":"../../etc/passwd"}`, 404, "model"},
		{"/models/load", `{"model":"sotu","path":"/etc/passwd"}`, 400, "path"},
		{"/models/unload", `{"model":3}`, 400, "model"},
		{"/models/unload", `[]`, 400, "object"},
		{"/api/bench", `{"model":"nothing"}`, 404, "nothing"},
		{"/api/bench", `{"device":"vulkan:77"}`, 400, "vulkan:77"},
		{"/api/bench", `{"prompt":[0],"generate":[0]}`, 400, "nothing to measure"},
		{"/api/bench", `{"prompt":[1,2,3,4,5,6,7,8,9]}`, 400, "prompt"},
		{"/api/bench", `{"prompt":[]}`, 400, "prompt"},
		{"/api/bench", `{"prompt":[-1]}`, 400, "prompt"},
		{"/api/bench", `{"generate":[1.5]}`, 400, "generate"},
		{"/api/bench", `{"depth":["many"]}`, 400, "depth"},
		{"/api/bench", `{"prompt":[1000001]}`, 400, "prompt"},
		{"/api/bench", `{"prompt":[300]}`, 400, "needs a context of 300 tokens"},
		{"/api/bench", `{"repeat":101}`, 400, "repeat"},
		{"/api/bench", `{"output":"/tmp/x"}`, 400, "output"},
		{"/api/compare", `{"tokens":0}`, 400, "tokens"},
		{"/api/compare", `{"tokens":5000}`, 400, "tokens"},
		{"/api/compare", `{"tokens":257}`, 400, "needs a context of 257"},
		{"/api/compare", `{"against":"/dev/null"}`, 400, "against"},
		{"/api/check", `{"device":"nowhere"}`, 400, "device"},
		{"/api/check", `{}`, 400, "device"},
		{"/api/verify", `{"model":"sotu"}`, 400, "no fragments folder"},
		{"/api/verify", `{"model":"nothing"}`, 404, "nothing"},
	} {
		if code, body := servetest.Post(t, url+c.path, c.body); code != c.status || !strings.Contains(body, c.says) || !strings.Contains(body, `"error"`) {
			t.Errorf("%s %s: %d %s; want %d and %q", c.path, c.body, code, body, c.status, c.says)
		}
	}
	if code, _ := servetest.Get(t, url+"/models/load"); code != 404 {
		t.Errorf("GET /models/load: %d", code)
	}
}

// TestOneAtATime: while something is measured nothing else is; who leaves ends it.
func TestOneAtATime(t *testing.T) {
	url, c := start(t, core.Options{})
	ctx, leave := context.WithCancel(context.Background())
	defer leave()
	req, _ := http.NewRequestWithContext(ctx, "POST", url+"/api/bench", strings.NewReader(`{"prompt":[100],"generate":[100],"depth":[0],"repeat":100}`))
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if s := bufio.NewScanner(res.Body); !s.Scan() || !strings.Contains(s.Text(), "progress") && !strings.Contains(s.Text(), "row") {
		t.Fatalf("%q", s.Text())
	}
	post := func() *http.Response {
		res, err := http.Post(url+"/api/check", "application/json", strings.NewReader(`{"device":"ref"}`))
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		return res
	}
	if res := post(); res.StatusCode != 429 || res.Header.Get("Retry-After") == "" {
		t.Errorf("%d %v", res.StatusCode, res.Header)
	}
	leave()
	for range 6000 {
		n := 0
		c.Models.Each(func(m *core.Model) { k, _ := m.Engine.Counters(context.Background()); n = k.Working })
		if i, _ := c.Models.Lookup(""); n == 0 && i.Users == 0 {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Error("the measurement goes on without its client")
}

// TestKey: all of it needs the key; the page itself does not, so that it can ask for it.
func TestKey(t *testing.T) {
	url, _ := start(t, core.Options{Guard: core.Guard{Keys: []string{"secret-one"}}})
	if code, _ := servetest.Get(t, url+"/api/status"); code != 401 {
		t.Errorf("status: %d", code)
	}
	for _, path := range []string{"/models/load", "/models/unload", "/api/bench", "/api/compare", "/api/check", "/api/verify"} {
		if code, _ := servetest.Post(t, url+path, `{}`); code != 401 {
			t.Errorf("%s: %d", path, code)
		}
		if code, _ := servetest.Post(t, url+path, `{}`, "Origin", "https://elsewhere.example", "X-Api-Key", "secret-one"); code != 403 {
			t.Errorf("%s from another origin: %d", path, code)
		}
	}
	for path, want := range map[string]int{"/": 200, "/app/js/main.js": 200, "/vendor/preact.js": 200, "/app/../server.go": 401, "/app/nothing": 404, "/index.html": 401} {
		if code, _ := servetest.Get(t, url+path); code != want {
			t.Errorf("%s: %d, want %d", path, code, want)
		}
	}
	if code, _ := servetest.Get(t, url+"/", "Host", "rebound.example"); code != 403 {
		t.Errorf("the page by another host's name: %d", code)
	}
	if code, _ := servetest.Post(t, url+"/", `{}`); code != 401 {
		t.Errorf("POST /: %d", code)
	}
}
