package openai

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	sdk "github.com/openai/openai-go/v3"

	"eclat/serve/servetest"
)

// TestCompletions: plain text goes on, whole and in chunks, from text and from ids, with the
// prompt in front where that is asked for.
func TestCompletions(t *testing.T) {
	client, url, _ := serve(t, servetest.Options{})
	p := sdk.CompletionNewParams{Model: servetest.Name, Prompt: sdk.CompletionNewParamsPromptUnion{OfString: sdk.String("The people of the")}, MaxTokens: sdk.Int(8), Temperature: sdk.Float(0), Logprobs: sdk.Int(2)}
	whole, err := client.Completions.New(context.Background(), p)
	if err != nil {
		t.Fatal(err)
	}
	required(t, *whole, own...)
	text := whole.Choices[0].Text
	l := whole.Choices[0].Logprobs
	if text == "" || len(l.Tokens) != 8 || len(l.TokenLogprobs) != 8 || len(l.TopLogprobs) != 8 || len(l.TopLogprobs[0]) != 2 || strings.Join(l.Tokens, "") != text || l.TextOffset[1] != int64(len(l.Tokens[0])) {
		t.Errorf("%s", whole.RawJSON())
	}
	streamed := ""
	s := client.Completions.NewStreaming(context.Background(), p)
	for s.Next() {
		c := s.Current()
		required(t, c, own...)
		if c.Object != "text_completion" {
			t.Errorf("%s", c.RawJSON())
		}
		for _, choice := range c.Choices {
			streamed += choice.Text
		}
	}
	if s.Err() != nil || streamed != text {
		t.Errorf("in chunks %q, whole %q, %v", streamed, text, s.Err())
	}
	p.Echo = sdk.Bool(true)
	if echo, err := client.Completions.New(context.Background(), p); err != nil || echo.Choices[0].Text != "The people of the"+text {
		t.Errorf("%v, %v", echo, err)
	}
	// The probabilities of a text that is echoed are those with which it was chosen.
	again := p
	again.Prompt = sdk.CompletionNewParamsPromptUnion{OfString: sdk.String("The people of the" + text)}
	again.MaxTokens = sdk.Int(1)
	told, err := client.Completions.New(context.Background(), again)
	if err != nil {
		t.Fatal(err)
	}
	var raw struct { // the client passes over null
		Choices []struct {
			Logprobs struct {
				Tokens []string
				Probs  []*float64           `json:"token_logprobs"`
				Top    []map[string]float64 `json:"top_logprobs"`
			}
		}
	}
	if err := json.Unmarshal([]byte(told.RawJSON()), &raw); err != nil || len(raw.Choices) != 1 {
		t.Fatal(err, told.RawJSON())
	}
	e := raw.Choices[0].Logprobs
	n := len(e.Tokens)
	if n != 15 || len(e.Probs) != n || len(e.Top) != n || e.Probs[0] != nil || e.Top[0] != nil {
		t.Fatalf("echoed: %s", told.RawJSON())
	}
	for i, want := range l.TokenLogprobs {
		if got := e.Probs[n-9+i]; got == nil || *got != want || e.Top[n-9+i][l.Tokens[i]] != want {
			t.Errorf("token %d of the answer is echoed with %v, chosen with %v: %s", i, got, want, told.RawJSON())
		}
	}
	p.Echo = sdk.Bool(false)
	p.Prompt = sdk.CompletionNewParamsPromptUnion{OfArrayOfStrings: []string{"The people of the", "The Congress of the"}}
	two, err := client.Completions.New(context.Background(), p)
	if err != nil || len(two.Choices) != 2 || two.Choices[0].Text != text || two.Choices[1].Index != 1 {
		t.Errorf("%v, %v", two, err)
	}
	_, ids := servetest.Post(t, url+"/tokenize", `{"content":"The people of the","add_special":true}`)
	var tokens struct{ Tokens []int64 }
	if err := json.Unmarshal([]byte(ids), &tokens); err != nil {
		t.Fatal(err)
	}
	p.Prompt = sdk.CompletionNewParamsPromptUnion{OfArrayOfTokens: tokens.Tokens}
	if byID, err := client.Completions.New(context.Background(), p); err != nil || byID.Choices[0].Text != text {
		t.Errorf("%v, %v", byID, err)
	}
}

// TestSmallPaths: what llama.cpp's server has besides.
func TestSmallPaths(t *testing.T) {
	client, url, _ := serve(t, servetest.Options{})
	if _, body := servetest.Get(t, url+"/props"); !strings.Contains(body, `"is_sleeping":true`) {
		t.Errorf("before anything is loaded: %s", body)
	}
	page, err := client.Models.List(context.Background())
	if err != nil || len(page.Data) != 1 || page.Data[0].ID != servetest.Name || page.Data[0].Object != "model" || page.Data[0].Created != 1e9 {
		t.Errorf("%v, %v", page, err)
	}
	if m, err := client.Models.Get(context.Background(), servetest.Name); err != nil || m.ID != servetest.Name {
		t.Errorf("%v, %v", m, err)
	}
	_, err = client.Models.Get(context.Background(), "other")
	refusedAs(t, err, 404, "not_found_error", "model", "other")
	for _, c := range []struct{ path, body, want string }{
		{"/tokenize", `{"content":"The people","with_pieces":true}`, `"piece":" people"`},
		{"/detokenize", `{"tokens":[]}`, `{"content":""}`},
		{"/apply-template", `{"messages":[{"role":"user","content":"<|im_end|>x"}]}`, `<|im_start|>user\n<|im_end|>x<|im_end|>\n<|im_start|>assistant\n`},
	} {
		if status, body := servetest.Post(t, url+c.path, c.body); status != 200 || !strings.Contains(body, c.want) {
			t.Errorf("%s: %d %s, want %s", c.path, status, body, c.want)
		}
	}
	_, ids := servetest.Post(t, url+"/tokenize", `{"content":"The people, 12 é"}`)
	if _, body := servetest.Post(t, url+"/detokenize", ids); body != `{"content":"The people, 12 é"}`+"\n" {
		t.Errorf("there and back: %s", body)
	}
	_, body := servetest.Get(t, url+"/props")
	var props struct {
		Settings struct {
			Params map[string]any `json:"params"`
		} `json:"default_generation_settings"`
		Slots int             `json:"total_slots"`
		Caps  map[string]bool `json:"chat_template_caps"`
	}
	if err := json.Unmarshal([]byte(body), &props); err != nil || props.Slots != 8 || props.Settings.Params["top_k"] != 40.0 || !props.Caps["supports_system_messages"] {
		t.Errorf("%v: %s", err, body)
	}
	if _, body := servetest.Get(t, url+"/slots"); strings.Count(body, `"is_processing":false`) != 8 {
		t.Errorf("%s", body)
	}
}

// TestProof: the sum of the logits, the same however the answer is sent.
func TestProof(t *testing.T) {
	_, url, _ := serve(t, servetest.Options{})
	body := `{"messages":[{"role":"user","content":"x"}],"max_tokens":6,"seed":3,"proof":true,"return_tokens":true`
	sum := func(text string) string {
		_, rest, _ := strings.Cut(text, `"proof":{`)
		rest, _, ok := strings.Cut(rest, "}")
		if !ok || !strings.Contains(rest, `"tokens":6`) {
			t.Errorf("no proof: %s", text)
		}
		return rest
	}
	_, whole := servetest.Post(t, url+"/v1/chat/completions", body+"}")
	_, chunks := servetest.Post(t, url+"/v1/chat/completions", body+`,"stream":true}`)
	if sum(whole) != sum(chunks) || !strings.Contains(whole, `"tokens":[`) {
		t.Errorf("%s and %s", whole, chunks)
	}
}
