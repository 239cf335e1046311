package openai

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"reflect"
	"strings"
	"testing"

	sdk "github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"

	"eclat/serve/core"
	"eclat/serve/servetest"
)

// serve runs this API alone, and gives a client of it, its address and its core.
func serve(t testing.TB, o servetest.Options) (sdk.Client, string, *core.Core) {
	t.Helper()
	c := servetest.Core(t, o)
	mux := http.NewServeMux()
	Routes(c, mux)
	url := servetest.Start(t, mux)
	return sdk.NewClient(option.WithBaseURL(url+"/v1"), option.WithAPIKey("none"), option.WithMaxRetries(0)), url, c
}

// ask is a request that the built-in model answers with a few words.
func askOf(text string, n int64) sdk.ChatCompletionNewParams {
	return sdk.ChatCompletionNewParams{
		Model:     servetest.Name,
		Messages:  []sdk.ChatCompletionMessageParamUnion{sdk.SystemMessage("Be brief."), sdk.UserMessage(text)},
		MaxTokens: sdk.Int(n), Seed: sdk.Int(7),
	}
}

// required checks, by the tags of the client's own types, that what the API requires is
// there, and what is there is known to it, but for the names given.
func required(t *testing.T, v any, extra ...string) {
	t.Helper()
	x := reflect.ValueOf(v)
	if x.Kind() == reflect.Slice {
		for i := range x.Len() {
			required(t, x.Index(i).Interface(), extra...)
		}
		return
	}
	if x.Kind() != reflect.Struct || !x.FieldByName("JSON").IsValid() {
		return
	}
	var raw map[string]json.RawMessage
	r, ok := v.(interface{ RawJSON() string })
	if !ok || r.RawJSON() == "" || r.RawJSON() == "null" {
		return
	}
	if err := json.Unmarshal([]byte(r.RawJSON()), &raw); err != nil {
		t.Errorf("%T: %v", v, err)
		return
	}
	known := map[string]bool{}
	for _, name := range extra {
		known[name] = true
	}
	for i := range x.NumField() {
		f := x.Type().Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "-" || name == "" {
			continue
		}
		known[name] = true
		if _, there := raw[name]; !there && f.Tag.Get("api") == "required" {
			t.Errorf("%T lacks %s: %s", v, name, r.RawJSON())
		}
		required(t, x.Field(i).Interface(), extra...)
	}
	for name := range raw {
		if !known[name] {
			t.Errorf("%T has %s, which the API does not know: %s", v, name, r.RawJSON())
		}
	}
}

// own are the fields that this server adds.
var own = []string{"timings", "reasoning_content", "tokens", "proof", "prompt_progress", "id"}

// collect reads a stream, and checks every chunk and their order.
func collect(t *testing.T, client sdk.Client, p sdk.ChatCompletionNewParams, opts ...option.RequestOption) (sdk.ChatCompletionAccumulator, []sdk.ChatCompletionChunk) {
	t.Helper()
	s := client.Chat.Completions.NewStreaming(context.Background(), p, opts...)
	defer s.Close()
	var acc sdk.ChatCompletionAccumulator
	var chunks []sdk.ChatCompletionChunk
	ended := map[int64]bool{}
	begun := map[int64]bool{}
	for s.Next() {
		c := s.Current()
		required(t, c, own...)
		if len(chunks) > 0 && (c.ID != chunks[0].ID || c.Created != chunks[0].Created) {
			t.Errorf("the head changes: %s", c.RawJSON())
		}
		if c.Object != "chat.completion.chunk" || c.Model != servetest.Name || !strings.Contains(c.RawJSON(), `"system_fingerprint":"sha256:`) {
			t.Errorf("a chunk's head: %s", c.RawJSON())
		}
		for _, choice := range c.Choices {
			if ended[choice.Index] {
				t.Errorf("something follows the end: %s", c.RawJSON())
			}
			if !begun[choice.Index] && (choice.Delta.Role != "assistant" || !strings.Contains(c.RawJSON(), `"content":""`)) {
				t.Errorf("the first chunk: %s", c.RawJSON())
			}
			begun[choice.Index] = true
			if choice.FinishReason != "" {
				ended[choice.Index] = true
				if !strings.Contains(c.RawJSON(), `"delta":{}`) {
					t.Errorf("the last chunk: %s", c.RawJSON())
				}
			}
		}
		chunks = append(chunks, c)
		if !acc.AddChunk(c) {
			t.Errorf("the client cannot add %s", c.RawJSON())
		}
	}
	if err := s.Err(); err != nil {
		t.Fatal(err)
	}
	if len(ended) == 0 || len(ended) != len(begun) {
		t.Errorf("%d choices ended of %d", len(ended), len(begun))
	}
	return acc, chunks
}

// refusedAs checks an error against its status, type and the field it names.
func refusedAs(t *testing.T, err error, status int, kind, param, says string) {
	t.Helper()
	var e *sdk.Error
	if !errors.As(err, &e) || e.StatusCode != status || e.Type != kind || e.Param != param || !strings.Contains(e.Message, says) {
		t.Errorf("%v, want %d %s at %q: %s", err, status, kind, param, says)
	}
}
