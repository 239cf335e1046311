package anthropic

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"eclat/serve/servetest"
)

// FuzzMessages: whatever a body holds, it is taken or refused in the API's shape.
func FuzzMessages(f *testing.F) {
	for _, s := range []string{
		`{"max_tokens":1,"system":[{"type":"text","text":"a"}],"messages":[{"role":"user","content":"a"}],"stop_sequences":["b"],"top_k":3}`,
		`{"messages":[{"role":"user","content":"a"},{"role":"assistant","content":[{"type":"thinking","thinking":"t","signature":"s"},{"type":"tool_use","id":"1","name":"f","input":{"a":1}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"1","is_error":true,"content":[{"type":"text","text":"r"}]}]}]}`,
		`{"messages":[{"role":"user","content":"a"}],"tools":[{"name":"f","input_schema":{"type":"object"}}],"tool_choice":{"type":"any","disable_parallel_tool_use":true},"thinking":{"type":"enabled","budget_tokens":1024}}`,
		`{"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b"}],"output_config":{"effort":"high","format":{"type":"json_schema","schema":{"type":"object"}}}}`,
	} {
		f.Add([]byte(s))
	}
	c := servetest.Core(f, servetest.Options{Template: "qwen3"})
	h := c.Handle(Shape, countTokens)
	f.Fuzz(func(t *testing.T, body []byte) {
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(string(body)))
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != 200 && (w.Code != 400 && w.Code != 404 || !json.Valid(w.Body.Bytes())) {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
	})
}
