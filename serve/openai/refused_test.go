package openai

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"

	sdk "github.com/openai/openai-go/v3"

	"eclat/serve/core"
	"eclat/serve/servetest"
)

// TestRefused: what cannot be honoured is refused in the API's own shape, with the path of
// the field.
func TestRefused(t *testing.T) {
	client, url, _ := serve(t, servetest.Options{})
	chat := func(fields string) string { return `{"messages":[{"role":"user","content":"x"}],` + fields + `}` }
	long := strings.Repeat("the people of the States ", 2000)
	for _, c := range []struct {
		path, body  string
		status      int
		kind, param string
		says        string
	}{
		{"/v1/chat/completions", `{`, 400, "invalid_request_error", "", "no sound JSON"},
		{"/v1/chat/completions", `[]`, 400, "invalid_request_error", "", "not an object"},
		{"/v1/chat/completions", `{}`, 400, "invalid_request_error", "messages", "none"},
		{"/v1/chat/completions", chat(`"model":"gpt-9"`), 404, "not_found_error", "model", "gpt-9"},
		{"/v1/chat/completions", chat(`"model":7`), 400, "invalid_request_error", "model", "a number"},
		{"/v1/chat/completions", chat(`"temperature":-1`), 400, "invalid_request_error", "temperature", "-1"},
		{"/v1/chat/completions", chat(`"temperature":1e39`), 400, "invalid_request_error", "temperature", "1e39"},
		{"/v1/chat/completions", chat(`"temperature":"hot"`), 400, "invalid_request_error", "temperature", "a string"},
		{"/v1/chat/completions", chat(`"top_p":1.5`), 400, "invalid_request_error", "top_p", "1.5"},
		{"/v1/chat/completions", chat(`"max_tokens":-2`), 400, "invalid_request_error", "max_tokens", "-2"},
		{"/v1/chat/completions", chat(`"max_tokens":1.5`), 400, "invalid_request_error", "max_tokens", "not a whole number"},
		{"/v1/chat/completions", chat(`"max_tokens":5,"max_completion_tokens":6`), 400, "invalid_request_error", "max_completion_tokens", "max_tokens is 5"},
		{"/v1/chat/completions", chat(`"n":17`), 400, "invalid_request_error", "n", "17"},
		{"/v1/chat/completions", chat(`"n":0`), 400, "invalid_request_error", "n", "0"},
		{"/v1/chat/completions", chat(`"stop":["a",""]`), 400, "invalid_request_error", "stop", "empty"},
		{"/v1/chat/completions", chat(`"stop":"` + strings.Repeat("x", 2000) + `"`), 400, "invalid_request_error", "stop", "longer"},
		{"/v1/chat/completions", chat(`"seed":1.5`), 400, "invalid_request_error", "seed", "whole"},
		{"/v1/chat/completions", chat(`"logit_bias":{"x":1}`), 400, "invalid_request_error", "logit_bias", "token's id"},
		{"/v1/chat/completions", chat(`"logit_bias":{"999999999":1}`), 400, "invalid_request_error", "logit_bias", "vocabulary"},
		{"/v1/chat/completions", chat(`"logit_bias":{"5":"x"}`), 400, "invalid_request_error", "logit_bias.5", "a string"},
		{"/v1/chat/completions", chat(`"top_logprobs":3`), 400, "invalid_request_error", "top_logprobs", "logprobs: true"},
		{"/v1/chat/completions", chat(`"logprobs":true,"top_logprobs":21`), 400, "invalid_request_error", "top_logprobs", "21"},
		{"/v1/chat/completions", chat(`"stream_options":{"include_usage":true}`), 400, "invalid_request_error", "stream_options", "stream"},
		{"/v1/chat/completions", chat(`"response_format":{"type":"xml"}`), 400, "invalid_request_error", "response_format.type", "xml"},
		{"/v1/chat/completions", chat(`"response_format":{"type":"json_schema"}`), 400, "invalid_request_error", "response_format.json_schema", "missing"},
		{"/v1/chat/completions", chat(`"grammar":"root ::= ("`), 400, "invalid_request_error", "grammar", "cannot be kept"},
		{"/v1/chat/completions", chat(`"grammar":"root ::= \"a\"","response_format":{"type":"json_object"}`), 400, "invalid_request_error", "response_format", "one of several"},
		{"/v1/chat/completions", chat(`"tools":[{"type":"function","function":{"name":"a b"}}]`), 400, "invalid_request_error", "tools[0].function.name", "a b"},
		{"/v1/chat/completions", chat(`"tools":[{"type":"web_search"}]`), 400, "invalid_request_error", "tools[0].type", "web_search"},
		{"/v1/chat/completions", chat(`"tools":[{"type":"function","function":{"name":"a"}}],"tool_choice":{"type":"function","function":{"name":"b"}}`), 400, "invalid_request_error", "tool_choice", `"b"`},
		{"/v1/chat/completions", chat(`"tools":[{"type":"function","function":{"name":"a"}}],"tool_choice":"must"`), 400, "invalid_request_error", "tool_choice", "must"},
		{"/v1/chat/completions", chat(`"tools":[{"type":"function","function":{"name":"a"}}],"tool_choice":"required"`), 400, "invalid_request_error", "tool_choice", "no form of tool calls"},
		{"/v1/chat/completions", chat(`"tools":[{"type":"function","function":{"name":"a"}}]`), 400, "invalid_request_error", "tools", "shows none"},
		{"/v1/chat/completions", chat(`"reasoning_budget":5`), 400, "invalid_request_error", "reasoning_budget", "does not mark"},
		{"/v1/chat/completions", chat(`"reasoning_effort":"huge"`), 400, "invalid_request_error", "reasoning_effort", "huge"},
		{"/v1/chat/completions", chat(`"chat_template_kwargs":{"messages":[]}`), 400, "invalid_request_error", "chat_template_kwargs", "messages"},
		{"/v1/chat/completions", chat(`"modalities":["audio"]`), 400, "invalid_request_error", "modalities", "text"},
		{"/v1/chat/completions", chat(`"temprature":1`), 400, "invalid_request_error", "temprature", "temperature"},
		{"/v1/chat/completions", `{"messages":[{"role":"wizard","content":"x"}]}`, 400, "invalid_request_error", "messages[0].role", "wizard"},
		{"/v1/chat/completions", `{"messages":[{"role":"user"}]}`, 400, "invalid_request_error", "messages[0].content", "missing"},
		{"/v1/chat/completions", `{"messages":[{"role":"user","content":7}]}`, 400, "invalid_request_error", "messages[0].content", "a number"},
		{"/v1/chat/completions", `{"messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"http://x"}}]}]}`, 400, "invalid_request_error", "messages[0].content[0].type", "text only"},
		{"/v1/chat/completions", `{"messages":[{"role":"user","content":"` + long + `"}]}`, 400, "exceed_context_size_error", "", "nothing is cut off"},
		{"/v1/completions", `{}`, 400, "invalid_request_error", "prompt", "missing"},
		{"/v1/completions", `{"prompt":[1,-5]}`, 400, "invalid_request_error", "prompt[1]", "-5"},
		{"/v1/completions", `{"prompt":[1,99999999]}`, 400, "invalid_request_error", "prompt[1]", "99999999"},
		{"/v1/completions", `{"prompt":[]}`, 400, "invalid_request_error", "prompt", "empty"},
		{"/v1/completions", `{"prompt":"x","suffix":"y"}`, 400, "invalid_request_error", "suffix", "fill in a middle"},
		{"/v1/completions", `{"prompt":"x","best_of":3}`, 400, "invalid_request_error", "best_of", "only 1"},
		{"/tokenize", `{"content":7}`, 400, "invalid_request_error", "content", "a number"},
		{"/detokenize", `{"tokens":"x"}`, 400, "invalid_request_error", "tokens", "a string"},
		{"/apply-template", `{"messages":[]}`, 400, "invalid_request_error", "messages", "none"},
	} {
		status, body := servetest.Post(t, url+c.path, c.body)
		var e struct {
			Error struct {
				Message, Type string
				Param         *string
				Prompt        int `json:"n_prompt_tokens"`
				Context       int `json:"n_ctx"`
			}
		}
		err := json.Unmarshal([]byte(body), &e)
		param := ""
		if e.Error.Param != nil {
			param = *e.Error.Param
		}
		if err != nil || status != c.status || e.Error.Type != c.kind || param != c.param || !strings.Contains(e.Error.Message, c.says) || strings.Contains(e.Error.Message, "\n") {
			t.Errorf("%.100s: %d %s, want %d %s at %q: %s", c.body, status, body, c.status, c.kind, c.param, c.says)
		}
		if c.kind == "exceed_context_size_error" && (e.Error.Prompt <= e.Error.Context || e.Error.Context == 0) {
			t.Errorf("lengths: %s", body)
		}
	}
	p := askOf("x", 5)
	p.Model = "other"
	_, err := client.Chat.Completions.New(context.Background(), p)
	refusedAs(t, err, 404, "not_found_error", "model", "other")
	s := client.Chat.Completions.NewStreaming(context.Background(), p)
	if s.Next() {
		t.Error("a stream of a model that is not there")
	}
	refusedAs(t, s.Err(), 404, "not_found_error", "model", "other")
}

// TestFieldsKnown: every field that the API's client can send is honoured, without effect,
// or refused for a reason; none is unknown.
func TestFieldsKnown(t *testing.T) {
	_, url, _ := serve(t, servetest.Options{})
	for path, v := range map[string]any{"/v1/chat/completions": sdk.ChatCompletionNewParams{}, "/v1/completions": sdk.CompletionNewParams{}} {
		x := reflect.TypeOf(v)
		n := 0
		for i := range x.NumField() {
			name, _, _ := strings.Cut(x.Field(i).Tag.Get("json"), ",")
			if name == "" || name == "-" {
				continue
			}
			n++
			_, body := servetest.Post(t, url+path, fmt.Sprintf(`{%q: {"a": [1]}}`, name))
			if strings.Contains(body, "not a field that is known") && strings.Contains(body, fmt.Sprintf(`"param":%q`, name)) {
				t.Errorf("%s: %s", path, body)
			}
		}
		if n < 10 {
			t.Errorf("%s: only %d fields", path, n)
		}
	}
}

// FuzzChat: whatever a body holds, it is taken or refused with 400 in the API's shape.
func FuzzChat(f *testing.F) {
	for _, s := range []string{
		`{"messages":[{"role":"user","content":"x"}],"max_tokens":1,"stop":["a"],"logit_bias":{"5":-100},"seed":3,"n":2}`,
		`{"messages":[{"role":"system","content":[{"type":"text","text":"x"}]},{"role":"assistant","content":null,"tool_calls":[{"id":"1","type":"function","function":{"name":"f","arguments":"{}"}}]},{"role":"tool","tool_call_id":"1","content":"r"}]}`,
		`{"messages":[{"role":"user","content":"x"}],"tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object","properties":{"a":{"type":"string"}}}}}],"tool_choice":{"type":"function","function":{"name":"f"}},"response_format":{"type":"json_schema","json_schema":{"name":"n","schema":{"type":"object"}}}}`,
		`{"messages":[{"role":"user","content":"x"},{"role":"assistant","content":"y"}],"continue_final_message":true,"chat_template_kwargs":{"enable_thinking":false},"reasoning_effort":"low","grammar":"root ::= [a-z]+"}`,
		`{"prompt":["a","b"],"echo":true,"logprobs":2,"suffix":"c"}`, `{"prompt":[1,2,3]}`,
	} {
		f.Add([]byte(s))
	}
	c := servetest.Core(f, servetest.Options{Template: "qwen3"})
	only := c.Handle(Shape, func(x *core.Exchange) error { // reads, and does not answer
		o, err := x.Fields()
		if err != nil {
			return err
		}
		m, err := x.Open("")
		if err != nil {
			return err
		}
		if o.Has("prompt") {
			readAsk(o, m)
			readPrompts(o, m)
			readFormat(o, m)
			return o.End()
		}
		_, err = readChat(x, o, m)
		return err
	})
	f.Fuzz(func(t *testing.T, body []byte) {
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(string(body)))
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		only.ServeHTTP(w, r)
		if w.Code != 200 && w.Code != 400 {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
		if w.Code == 400 && !json.Valid(w.Body.Bytes()) {
			t.Fatalf("%s", w.Body)
		}
	})
}
