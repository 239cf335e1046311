package chat

import (
	"context"
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"

	"eclat/loader"
	"eclat/model/chat/jinja"
	"eclat/model/tokenizer"
)

// TestIDs: where no message spells a control token out, the ids of a rendered prompt are
// those of its text with control tokens read, which the tokenizer's tests hold to the
// best-known engine's: that messages are marked as plain text changes nothing else.
func TestIDs(t *testing.T) {
	data, err := os.ReadFile("../../../shared/templates/conversations.json")
	if err != nil {
		t.Skip("the conversations are not here: ", err)
	}
	var all struct{ Conversations []json.RawMessage }
	if err := json.Unmarshal(data, &all); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"../../../shared/vocab/tekken.gguf", "../../../shared/vocab/spm.gguf"} {
		f, err := loader.Open(path)
		if err != nil {
			t.Skip("the vocabulary is not here: ", err)
		}
		defer f.Close()
		tok, err := tokenizer.New(f)
		if err != nil {
			t.Fatal(err)
		}
		cases := 0
		for _, name := range order {
			tmpl, err := ParseBuiltIn(context.Background(), name)
			if err != nil {
				t.Fatal(err)
			}
			for _, raw := range all.Conversations {
				if strings.Contains(string(raw), "control-like") {
					continue
				}
				vars, err := Decode(raw)
				if err != nil {
					t.Fatal(err)
				}
				text, err := tmpl.RenderVars(context.Background(), vars, when)
				if err != nil {
					continue
				}
				cases++
				if got, want := Encode(nil, tok, text), Encode(nil, tok, jinja.Text{String: text.String}); !slices.Equal(got, want) {
					t.Errorf("%s, %s: %v, with all of it the template's %v", path, name, got, want)
				}
			}
		}
		t.Logf("%s: %d prompts", path, cases)
		if cases < 100 {
			t.Errorf("%s: only %d prompts", path, cases)
		}
	}
}
