package serve

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"eclat/engine"
	"eclat/model"
	"eclat/serve/core"
	"eclat/serve/servetest"
)

// TestRequests: what agents, editors, pages and frameworks send, after their APIs' public
// documentation, is answered, or refused with the path of the field that cannot be honoured.
func TestRequests(t *testing.T) {
	text, err := os.ReadFile("testdata/requests.json")
	if err != nil {
		t.Fatal(err)
	}
	var all []struct {
		Of, Path, Param, Template string
		Status                    int
		Body                      json.RawMessage
	}
	if err := json.Unmarshal(text, &all); err != nil || len(all) < 30 {
		t.Fatal(len(all), err)
	}
	servers := map[string]string{}
	for _, template := range []string{"", "magistral"} {
		servers[template], _ = start(t, servetest.Options{Path: instruct(t), Template: template, Engine: engine.Options{Embeddings: true, Context: 8192}, Core: core.Options{Pooling: model.MeanPooling}})
	}
	for _, c := range all {
		status, body := servetest.Post(t, servers[c.Template]+c.Path, string(c.Body))
		var e struct {
			Error struct{ Message, Param string }
		}
		json.Unmarshal([]byte(body), &e)
		streamed := strings.Contains(string(c.Body), `"stream": true`)
		switch {
		case status != c.Status:
			t.Errorf("%s: %d, want %d: %s", c.Of, status, c.Status, body)
		case status != 200:
			// Messages' errors have no field for the path: it begins what they say.
			if e.Error.Param != c.Param && !strings.HasPrefix(e.Error.Message, c.Param) {
				t.Errorf("%s: refused at %q, want %q: %s", c.Of, e.Error.Param, c.Param, body)
			}
		case streamed != strings.Contains(body, "data: {") || strings.Contains(body, `"error":{`):
			t.Errorf("%s: %s", c.Of, body)
		}
	}
}
