package core

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var plain = Shape{Body: func(e *Error) any { return map[string]string{"error": e.Message} }}

// guarded is a core whose one path answers with the caller's name.
func guarded(o Options) http.Handler {
	o.Models = NewRegistry(RegistryOptions{})
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	c := New(o)
	mux := http.NewServeMux()
	mux.Handle("POST /ask", c.Handle(plain, func(x *Exchange) error { return x.JSON(map[string]any{"caller": x.Caller, "bytes": len(x.Body)}) }))
	mux.Handle("POST /panic", c.Handle(plain, func(x *Exchange) error { panic("no") }))
	mux.Handle("GET /open", c.HandleOpen(plain, func(x *Exchange) error { return x.JSON("open") }))
	return c.Guard.Wrap(mux, plain)
}

func ask(h http.Handler, method, path, body string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Host = "127.0.0.1:8080"
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(header); i += 2 {
		if header[i] == "Host" {
			r.Host = header[i+1]
		}
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// TestGuard: hosts and origins, by which a page elsewhere would use the server.
func TestGuard(t *testing.T) {
	for _, c := range []struct {
		guard  Guard
		header []string
		want   int
	}{
		{Guard{}, nil, 200},
		{Guard{}, []string{"Host", "localhost"}, 200},
		{Guard{}, []string{"Host", "app.localhost:80"}, 200},
		{Guard{}, []string{"Host", "[::1]:8080"}, 200},
		{Guard{}, []string{"Host", "192.168.0.7:8080"}, 200},
		{Guard{}, []string{"Host", "evil.example:8080"}, 403}, // rebinding
		{Guard{}, []string{"Host", "127.0.0.1.evil.example"}, 403},
		{Guard{}, []string{"Host", ""}, 403},
		{Guard{Hosts: []string{"box.lan"}}, []string{"Host", "BOX.lan:1"}, 200},
		{Guard{}, []string{"Origin", "http://127.0.0.1:8080"}, 200},
		{Guard{}, []string{"Origin", "http://127.0.0.1:9999"}, 403},
		{Guard{}, []string{"Origin", "https://evil.example"}, 403},
		{Guard{}, []string{"Origin", "null"}, 403},
		{Guard{}, []string{"Origin", "http://evil.example/127.0.0.1:8080"}, 403},
		{Guard{Origins: []string{"https://good.example"}}, []string{"Origin", "https://good.example"}, 200},
		{Guard{Origins: []string{"https://good.example"}}, []string{"Origin", "https://evil.example"}, 403},
		{Guard{Origins: []string{"*"}}, []string{"Origin", "https://any.example"}, 200},
		{Guard{}, []string{"Content-Type", "text/plain"}, 415},
		{Guard{}, []string{"Content-Type", "application/x-www-form-urlencoded"}, 415},
		{Guard{}, []string{"Content-Type", "application/json; charset=utf-8"}, 200},
		{Guard{}, []string{"Content-Encoding", "gzip"}, 415},
		{Guard{Keys: []string{"secret-one", "secret-two"}}, nil, 401},
		{Guard{Keys: []string{"secret-one", "secret-two"}}, []string{"Authorization", "Bearer secret-two"}, 200},
		{Guard{Keys: []string{"secret-one", "secret-two"}}, []string{"X-Api-Key", "secret-one"}, 200},
		{Guard{Keys: []string{"secret-one"}}, []string{"Authorization", "Bearer secret-on"}, 401},
		{Guard{Keys: []string{"secret-one"}}, []string{"Authorization", "Basic secret-one"}, 401},
	} {
		w := ask(guarded(Options{Guard: c.guard}), "POST", "/ask", "{}", c.header...)
		if w.Code != c.want || w.Header().Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%+v, %q: %d, want %d: %s", c.guard, c.header, w.Code, c.want, w.Body)
		}
		if a := w.Header().Get("Access-Control-Allow-Origin"); (a == "*") != (len(c.guard.Origins) > 0 && c.guard.Origins[0] == "*") || w.Header().Get("Access-Control-Allow-Credentials") != "" {
			t.Errorf("%q: allowed %q", c.header, a)
		}
	}
	h := guarded(Options{Guard: Guard{Keys: []string{"secret-one", "secret-two"}, Origins: []string{"https://good.example"}}})
	if w := ask(h, "GET", "/open", ""); w.Code != 200 {
		t.Errorf("what needs no key: %d", w.Code)
	}
	w := ask(h, "OPTIONS", "/ask", "", "Origin", "https://good.example", "Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", "authorization, content-type, cookie, x-stainless-os")
	if w.Code != 204 || w.Header().Get("Access-Control-Allow-Headers") != "authorization, content-type, x-stainless-os" {
		t.Errorf("%d, %q", w.Code, w.Header())
	}
	one, two := ask(h, "POST", "/ask", "{}", "X-Api-Key", "secret-one").Body.String(), ask(h, "POST", "/ask", "{}", "X-Api-Key", "secret-two").Body.String()
	if one == two || strings.Contains(one, "secret") {
		t.Errorf("callers %s and %s", one, two)
	}
}

// TestBounds: bodies and requests at once are bounded, and places are given back.
func TestBounds(t *testing.T) {
	log := new(strings.Builder)
	h := guarded(Options{MaxBody: 100, MaxAtOnce: 2, Log: slog.New(slog.NewTextHandler(log, nil))})
	for range 20 {
		if w := ask(h, "POST", "/ask", strings.Repeat(" ", 101)); w.Code != 413 {
			t.Fatalf("a body too large: %d %s", w.Code, w.Body)
		}
		r := httptest.NewRequest("POST", "/ask", io.MultiReader(strings.NewReader(strings.Repeat(" ", 200)))) // of unknown length
		r.Host, r.ContentLength = "localhost", -1
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != 413 {
			t.Fatalf("of unknown length: %d %s", w.Code, w.Body)
		}
		if w := ask(h, "POST", "/ask", strings.Repeat(" ", 100)); w.Code != 200 {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
		func() {
			defer func() { recover() }()
			ask(h, "POST", "/panic", "{}")
		}()
	}
	lines := strings.Split(strings.TrimSpace(log.String()), "\n")
	if len(lines) != 80 || !strings.Contains(lines[2], "path=/ask status=200") || !strings.Contains(lines[0], "status=413") {
		t.Errorf("%d lines, such as %s", len(lines), lines[0])
	}

	started, finish := make(chan bool), make(chan bool)
	c := New(Options{MaxAtOnce: 2, Models: NewRegistry(RegistryOptions{}), Log: slog.New(slog.DiscardHandler)})
	slow := c.Handle(plain, func(x *Exchange) error { started <- true; <-finish; return x.JSON("done") })
	for range 2 {
		go ask(slow, "POST", "/", "{}")
		<-started
	}
	if w := ask(slow, "POST", "/", "{}"); w.Code != 429 || w.Header().Get("Retry-After") == "" {
		t.Errorf("one more than may be at once: %d", w.Code)
	}
	close(finish)
}

// TestRecord: a request and its answer are kept, the key is not.
func TestRecord(t *testing.T) {
	dir := t.TempDir()
	h := guarded(Options{Record: dir, Guard: Guard{Keys: []string{"secret-one"}}})
	ask(h, "POST", "/ask", `{"a": 1}`, "X-Api-Key", "secret-one")
	ask(h, "POST", "/ask", `{"a": `, "X-Api-Key", "secret-one")
	files, _ := filepath.Glob(filepath.Join(dir, "*.json"))
	if len(files) != 2 {
		t.Fatalf("%q", files)
	}
	all := ""
	for _, f := range files {
		b, err := os.ReadFile(f)
		st, _ := os.Stat(f)
		if err != nil || st.Mode().Perm() != 0o600 {
			t.Errorf("%v, %v", err, st.Mode())
		}
		all += string(b)
	}
	if !strings.Contains(all, `"request":{"a":1}`) || !strings.Contains(all, `"body":"{\"a\": "`) || !strings.Contains(all, `caller`) || strings.Contains(all, "secret") {
		t.Error(all)
	}
}

func ExampleOf() {
	e := Of(fmt.Errorf("reading: %w", Wrong("messages[0].role", "is missing")))
	fmt.Println(e.Status, e.Type, e.Param)
	// Output: 400 invalid_request_error messages[0].role
}
