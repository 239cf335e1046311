package responses

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"eclat/serve/core"
	"eclat/serve/openai"
	"eclat/serve/servetest"
)

// FuzzResponses: whatever a body holds, it is taken or refused in the API's shape.
func FuzzResponses(f *testing.F) {
	for _, s := range []string{
		`{"input":"a","instructions":"b","max_output_tokens":1,"temperature":0.5,"reasoning":{"effort":"low"},"metadata":{"a":"b"}}`,
		`{"input":[{"role":"developer","content":"a"},{"type":"function_call","call_id":"1","name":"f","arguments":"{}"},{"type":"function_call_output","call_id":"1","output":[{"type":"input_text","text":"x"}]}]}`,
		`{"input":[{"type":"reasoning","summary":[],"content":[{"type":"reasoning_text","text":"x"}]},{"type":"message","role":"assistant","content":[{"type":"output_text","text":"y"}]}],"text":{"format":{"type":"json_object"}}}`,
		`{"input":"a","tools":[{"type":"function","name":"f","parameters":{"type":"object"}},{"type":"web_search"}],"tool_choice":{"type":"allowed_tools","mode":"auto","tools":[{"type":"function","name":"f"}]}}`,
	} {
		f.Add([]byte(s))
	}
	c := servetest.Core(f, servetest.Options{Template: "qwen3"})
	only := c.Handle(openai.Shape, func(x *core.Exchange) error {
		_, _, err := prepare(x)
		return err
	})
	f.Fuzz(func(t *testing.T, body []byte) {
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(string(body)))
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		only.ServeHTTP(w, r)
		if w.Code != 200 && (w.Code != 400 && w.Code != 404 || !json.Valid(w.Body.Bytes())) {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
	})
}
