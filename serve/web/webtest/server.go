package webtest

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Message is one of a request's.
type Message struct {
	Role      string `json:"role"`
	Content   string `json:"content"`
	Reasoning string `json:"reasoning_content"`
	ToolCall  string `json:"tool_call_id"`
}

// Request is what a test looks at of a chat completion's body.
type Request struct {
	Model       string          `json:"model"`
	Messages    []Message       `json:"messages"`
	Temperature *float64        `json:"temperature"`
	Seed        *int64          `json:"seed"`
	Logprobs    bool            `json:"logprobs"`
	Tools       json.RawMessage `json:"tools"`
	Continue    bool            `json:"continue_final_message"`
}

// Server answers the app. The zero value is ready.
type Server struct {
	Bare    bool          // without /api/…, as other servers are
	Context int           // words that a conversation may have; 4,000 where it is zero
	Key     string        // wanted of each request; "" for none
	Pause   time.Duration // between the pieces of a slow answer; 15 ms where it is zero

	mu       sync.Mutex
	requests []Request
	left     int
	loaded   bool // the second model
}

// Requests returns the chat completions asked for so far.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Request(nil), s.requests...)
}

// Left returns how many clients went away in mid-answer.
func (s *Server) Left() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.left
}

// Handler serves the API, and everything else by app.
func (s *Server) Handler(app http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/", app)
	api := func(pattern string, f http.HandlerFunc) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			if s.Key != "" && r.Header.Get("Authorization") != "Bearer "+s.Key {
				fail(w, http.StatusUnauthorized, "invalid_api_key", "the key is missing or wrong", nil)
				return
			}
			f(w, r)
		})
	}
	api("GET /v1/models", func(w http.ResponseWriter, _ *http.Request) { write(w, models) })
	api("GET /props", func(w http.ResponseWriter, _ *http.Request) { write(w, props) })
	api("POST /v1/chat/completions", s.chat)
	if !s.Bare {
		api("GET /api/status", s.status)
		api("POST /models/load", func(w http.ResponseWriter, _ *http.Request) { s.load(true); write(w, map[string]any{}) })
		api("POST /models/unload", func(w http.ResponseWriter, _ *http.Request) { s.load(false); write(w, map[string]any{}) })
		api("POST /api/bench", bench)
		api("POST /api/compare", compare)
	}
	return mux
}

func (s *Server) load(on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.loaded = on
}

func (s *Server) chat(w http.ResponseWriter, r *http.Request) {
	var req Request
	if err := json.NewDecoder(io.LimitReader(r.Body, 64<<20)).Decode(&req); err != nil {
		fail(w, http.StatusBadRequest, "invalid_request_error", err.Error(), nil)
		return
	}
	s.mu.Lock()
	s.requests = append(s.requests, req)
	n := len(s.requests)
	s.mu.Unlock()
	said, words, going := "", 0, false
	for i, m := range req.Messages {
		words += len(strings.Fields(m.Content))
		if m.Role == "user" {
			said = m.Content
		}
		going = req.Continue && i == len(req.Messages)-1 && m.Role == "assistant"
	}
	if words > max(s.Context, 4000) {
		fail(w, http.StatusBadRequest, "exceed_context_size_error", "the prompt is longer than the context", map[string]any{"n_prompt_tokens": words, "n_ctx": 4096})
		return
	}
	a := script(said, n, going)
	if req.Messages[len(req.Messages)-1].Role == "tool" {
		a = answer{pieces: cut("The tool says: " + req.Messages[len(req.Messages)-1].Content + ".")}
	}
	head := w.Header()
	head.Set("Content-Type", "text/event-stream")
	out := &stream{w: w, r: r, model: req.Model}
	out.chunk(map[string]any{"role": "assistant", "content": ""}, nil, nil)
	ok := true
	for _, t := range cut(a.thought) {
		ok = ok && s.wait(r, a.slow) && out.chunk(map[string]any{"reasoning_content": t}, nil, nil)
	}
	for i, p := range a.pieces {
		if a.drop && i == len(a.pieces)/2 {
			panic(http.ErrAbortHandler) // the connection breaks
		}
		var logprobs any
		if req.Logprobs {
			logprobs = map[string]any{"content": []any{likely(p, i)}}
		}
		if ok = ok && s.wait(r, a.slow) && out.chunk(map[string]any{"content": p}, logprobs, nil); !ok {
			s.mu.Lock()
			s.left++
			s.mu.Unlock()
			return
		}
	}
	for i, c := range a.calls {
		out.chunk(map[string]any{"tool_calls": []any{map[string]any{"index": i, "id": fmt.Sprintf("call_%d", i), "type": "function", "function": map[string]any{"name": c[0], "arguments": ""}}}}, nil, nil)
		for _, p := range cut(c[1]) {
			out.chunk(map[string]any{"tool_calls": []any{map[string]any{"index": i, "function": map[string]any{"arguments": p}}}}, nil, nil)
		}
	}
	finish := "stop"
	if a.length {
		finish = "length"
	} else if len(a.calls) > 0 {
		finish = "tool_calls"
	}
	out.chunk(map[string]any{}, nil, finish)
	out.send(map[string]any{"choices": []any{}, "model": req.Model,
		"usage":   map[string]any{"prompt_tokens": words + 12, "completion_tokens": len(a.pieces), "prompt_tokens_details": map[string]any{"cached_tokens": words / 2}},
		"timings": map[string]any{"cache_n": words / 2, "prompt_n": words + 12, "prompt_ms": 40, "predicted_n": len(a.pieces), "predicted_ms": 900, "predicted_per_second": 38.42}})
	fmt.Fprint(w, "data: [DONE]\n\n")
}

// wait pauses before a piece of a slow answer; false where the client has left.
func (s *Server) wait(r *http.Request, slow bool) bool {
	if !slow {
		return r.Context().Err() == nil
	}
	pause := s.Pause
	if pause == 0 {
		pause = 15 * time.Millisecond
	}
	select {
	case <-r.Context().Done():
		return false
	case <-time.After(pause):
		return true
	}
}

// stream writes chunks of one answer.
type stream struct {
	w     http.ResponseWriter
	r     *http.Request
	model string
}

func (s *stream) chunk(delta map[string]any, logprobs, finish any) bool {
	return s.send(map[string]any{"id": "chatcmpl-1", "object": "chat.completion.chunk", "model": s.model, "system_fingerprint": "sha256:5b1c",
		"choices": []any{map[string]any{"index": 0, "delta": delta, "logprobs": logprobs, "finish_reason": finish}}})
}

func (s *stream) send(v any) bool {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // of what is made here
	}
	_, err = fmt.Fprintf(s.w, "data: %s\n\n", b)
	s.w.(http.Flusher).Flush()
	return err == nil && s.r.Context().Err() == nil
}

func write(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(v) // an error is a client that left
}

func fail(w http.ResponseWriter, status int, kind, text string, more map[string]any) {
	e := map[string]any{"message": text, "type": kind, "code": status}
	for k, v := range more {
		e[k] = v
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(map[string]any{"error": e})
}

// cut breaks a text into pieces like tokens: words with the space before them.
func cut(text string) (pieces []string) {
	for text != "" {
		i := strings.IndexAny(text[1:], " \n")
		if i < 0 {
			return append(pieces, text)
		}
		pieces, text = append(pieces, text[:i+1]), text[i+1:]
	}
	return pieces
}

// likely is a token's entry in logprobs.
func likely(token string, i int) map[string]any {
	p := []float64{-0.02, -0.35, -1.1, -2.1, -3.4}[i%5]
	return map[string]any{"token": token, "logprob": p, "bytes": nil, "top_logprobs": []any{
		map[string]any{"token": token, "logprob": p}, map[string]any{"token": " perhaps", "logprob": p - 0.7}, map[string]any{"token": " so", "logprob": p - 1.9}}}
}
