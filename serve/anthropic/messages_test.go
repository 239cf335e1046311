package anthropic

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"

	sdk "github.com/anthropics/anthropic-sdk-go"
	"github.com/anthropics/anthropic-sdk-go/option"

	"eclat/serve/servetest"
)

func serve(t testing.TB, template string) (sdk.Client, string) {
	t.Helper()
	c := servetest.Core(t, servetest.Options{Template: template})
	mux := http.NewServeMux()
	Routes(c, mux)
	url := servetest.Start(t, mux)
	return sdk.NewClient(option.WithBaseURL(url), option.WithAPIKey("none"), option.WithMaxRetries(0)), url
}

func say(text string, n int64) sdk.MessageNewParams {
	return sdk.MessageNewParams{Model: servetest.Name, MaxTokens: n, Temperature: sdk.Float(0),
		Messages: []sdk.MessageParam{sdk.NewUserMessage(sdk.NewTextBlock(text))}}
}

// stream reads all events of an answer: what they add up to, and their types in order.
func stream(t *testing.T, client sdk.Client, p sdk.MessageNewParams) (sdk.Message, []string) {
	t.Helper()
	s := client.Messages.NewStreaming(context.Background(), p)
	var all sdk.Message
	var types []string
	for s.Next() {
		ev := s.Current()
		types = append(types, ev.Type)
		if err := all.Accumulate(ev); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Err(); err != nil {
		t.Fatal(err)
	}
	return all, types
}

// TestMessages: one answer, whole and as events; the order of these; why it ended.
func TestMessages(t *testing.T) {
	client, _ := serve(t, "")
	p := say("What is the state of the Union?", 16)
	p.System = []sdk.TextBlockParam{{Text: "Be brief."}}
	whole, err := client.Messages.New(context.Background(), p)
	if err != nil {
		t.Fatal(err)
	}
	if len(whole.Content) != 1 || whole.Content[0].Text == "" || whole.StopReason != "max_tokens" || whole.Usage.OutputTokens != 16 || whole.Role != "assistant" {
		t.Fatalf("%s", whole.RawJSON())
	}
	all, types := stream(t, client, p)
	if all.Content[0].Text != whole.Content[0].Text || all.StopReason != "max_tokens" || all.Usage.OutputTokens != 16 {
		t.Errorf("as events %q, whole %q", all.Content[0].Text, whole.Content[0].Text)
	}
	if in := all.Usage.InputTokens + all.Usage.CacheReadInputTokens; in != whole.Usage.InputTokens+whole.Usage.CacheReadInputTokens || all.Usage.CacheReadInputTokens == 0 {
		t.Errorf("usage %+v", all.Usage)
	}
	n := len(types)
	if n < 8 || !slices.Equal(types[:2], []string{"message_start", "content_block_start"}) || // the client keeps a ping to itself
		!slices.Equal(types[n-3:], []string{"content_block_stop", "message_delta", "message_stop"}) ||
		slices.ContainsFunc(types[2:n-3], func(s string) bool { return s != "content_block_delta" }) {
		t.Errorf("events %v", types)
	}
	text := whole.Content[0].Text
	word := strings.Fields(text)[len(strings.Fields(text))/2]
	p.StopSequences = []string{word}
	cut, err := client.Messages.New(context.Background(), p)
	if err != nil || cut.StopReason != "stop_sequence" || cut.StopSequence != word || cut.Content[0].Text != text[:strings.Index(text, word)] {
		t.Errorf("stopped at %q: %v, %v", word, cut, err)
	}
}

// TestMessagesCache: a header of billing that changes from request to request leaves the
// prompt, and what is found of it, alone.
func TestMessagesCache(t *testing.T) {
	client, _ := serve(t, "")
	var counts, cached []int64
	for _, sum := range []string{"a1", "b2"} {
		p := say("Speak.", 2)
		p.System = []sdk.TextBlockParam{{Text: "x-anthropic-billing-header: cch=" + sum}, {Text: strings.Repeat("Be brief and kind. ", 20)}}
		got, err := client.Messages.New(context.Background(), p)
		if err != nil {
			t.Fatal(err)
		}
		counts, cached = append(counts, got.Usage.InputTokens+got.Usage.CacheReadInputTokens), append(cached, got.Usage.CacheReadInputTokens)
		n, err := client.Messages.CountTokens(context.Background(), sdk.MessageCountTokensParams{Model: p.Model, Messages: p.Messages,
			System: sdk.MessageCountTokensParamsSystemUnion{OfTextBlockArray: p.System}})
		if err != nil || n.InputTokens != counts[len(counts)-1] {
			t.Errorf("%v tokens counted, %d were used, %v", n, counts[len(counts)-1], err)
		}
	}
	if counts[0] != counts[1] || cached[0] != 0 || cached[1] < 64 {
		t.Errorf("prompts of %v tokens, %v found", counts, cached)
	}
}

// TestMessagesTools: a call that is demanded comes as a block, whole and as events, with
// input that keeps to the schema; its result is taken.
func TestMessagesTools(t *testing.T) {
	client, _ := serve(t, "qwen3")
	p := say("What is the weather?", 200)
	p.Thinking = sdk.ThinkingConfigParamUnion{OfDisabled: &sdk.ThinkingConfigDisabledParam{}}
	tool := sdk.ToolParam{Name: "weather", Description: sdk.String("tells it"), InputSchema: sdk.ToolInputSchemaParam{
		Properties: map[string]any{"city": map[string]any{"enum": []string{"Bern", "Rome"}}}, Required: []string{"city"},
		ExtraFields: map[string]any{"additionalProperties": false}}}
	p.Tools = []sdk.ToolUnionParam{{OfTool: &tool}}
	p.ToolChoice = sdk.ToolChoiceUnionParam{OfTool: &sdk.ToolChoiceToolParam{Name: "weather"}}
	whole, err := client.Messages.New(context.Background(), p)
	if err != nil {
		t.Fatal(err)
	}
	if whole.StopReason != "tool_use" || len(whole.Content) == 0 {
		t.Fatalf("%s", whole.RawJSON())
	}
	call := whole.Content[len(whole.Content)-1]
	var input struct{ City string }
	if err := json.Unmarshal(call.Input, &input); err != nil || call.Name != "weather" || !strings.HasPrefix(call.ID, "toolu_") || input.City != "Bern" && input.City != "Rome" {
		t.Errorf("%s, %v", whole.RawJSON(), err)
	}
	all, _ := stream(t, client, p)
	if got := all.Content[len(all.Content)-1]; got.Name != "weather" || compact(t, got.Input) != compact(t, call.Input) || all.StopReason != "tool_use" {
		t.Errorf("as events %s, whole %s", got.Input, call.Input)
	}
	p.Messages = append(p.Messages, whole.ToParam(), sdk.NewUserMessage(sdk.NewToolResultBlock(call.ID, "rain", false), sdk.NewTextBlock("And now?")))
	p.ToolChoice = sdk.ToolChoiceUnionParam{OfNone: &sdk.ToolChoiceNoneParam{}}
	p.MaxTokens = 4
	if next, err := client.Messages.New(context.Background(), p); err != nil || next.StopReason != "max_tokens" {
		t.Errorf("%v, %v", next, err)
	}
}

// compact is JSON without spaces.
func compact(t *testing.T, raw json.RawMessage) string {
	t.Helper()
	var b bytes.Buffer
	if err := json.Compact(&b, raw); err != nil {
		t.Error(err)
	}
	return b.String()
}

// TestMessagesEvents: each event has its type for a name, and a ping comes after the first.
func TestMessagesEvents(t *testing.T) {
	_, url := serve(t, "")
	status, body := servetest.Post(t, url+"/v1/messages", `{"max_tokens":2,"stream":true,"messages":[{"role":"user","content":"a"}]}`)
	if status != 200 || !strings.HasPrefix(body, "event: message_start\ndata: {\"type\":\"message_start\"") || !strings.Contains(body, "\n\nevent: ping\ndata: {\"type\":\"ping\"}\n\n") {
		t.Errorf("%d, %s", status, body)
	}
}

// TestMessagesPrefill: an answer that is begun goes on.
func TestMessagesPrefill(t *testing.T) {
	client, _ := serve(t, "")
	p := say("Who?", 4)
	p.Messages = append(p.Messages, sdk.NewAssistantMessage(sdk.NewTextBlock("We the")))
	n, err := client.Messages.CountTokens(context.Background(), sdk.MessageCountTokensParams{Model: p.Model, Messages: p.Messages})
	if err != nil {
		t.Fatal(err)
	}
	got, err := client.Messages.New(context.Background(), p)
	if err != nil || got.Usage.InputTokens+got.Usage.CacheReadInputTokens != n.InputTokens {
		t.Errorf("%v, counted %d, %v", got, n.InputTokens, err)
	}
}

// TestMessagesRefused: errors have this API's shape and say which field.
func TestMessagesRefused(t *testing.T) {
	client, url := serve(t, "")
	const ok = `"model":"sotu","max_tokens":4,"messages":[{"role":"user","content":"a"}]`
	for _, c := range []struct {
		body   string
		status int
		says   string
	}{
		{`{`, 400, "JSON"}, {`{}`, 400, "messages"}, {`{"messages":[{"role":"user","content":"a"}]}`, 400, "max_tokens"},
		{`{"max_tokens":4,"messages":[{"role":"king","content":"a"}]}`, 400, "messages[0].role"},
		{`{"max_tokens":4,"messages":[{"role":"user","content":[{"type":"image","source":{}}]}]}`, 400, "messages[0].content[0].type"},
		{`{"max_tokens":4,"messages":[{"role":"user"}]}`, 400, "messages[0].content"},
		{`{` + ok + `,"tools":[{"name":"a b","input_schema":{}}]}`, 400, "tools[0].name"},
		{`{` + ok + `,"tools":[{"type":"web_search_20250305","name":"web_search"}]}`, 400, "tools[0].type"},
		{`{` + ok + `,"tools":[{"name":"a"}]}`, 400, "tools[0].input_schema"},
		{`{` + ok + `,"tool_choice":{"type":"any"}}`, 400, "tool_choice"},
		{`{` + ok + `,"thinking":{"type":"enabled"}}`, 400, "thinking.budget_tokens"},
		{`{` + ok + `,"temprature":1}`, 400, "did you mean temperature"},
		{`{` + ok + `,"mcp_servers":[{}]}`, 400, "mcp_servers"},
		{`{` + ok + `,"system":[{"type":"text","text":1}]}`, 400, "system[0].text"},
		{strings.Replace(`{`+ok+`}`, "sotu", "other", 1), 404, "other"},
		{strings.Replace(`{`+ok+`}`, `:"a"`, `:"`+strings.Repeat("people ", 5000)+`"`, 1), 400, "context"},
	} {
		status, answer := servetest.Post(t, url+"/v1/messages", c.body)
		var e struct {
			Type  string
			Error struct{ Type, Message string }
		}
		if json.Unmarshal([]byte(answer), &e); status != c.status || e.Type != "error" || !strings.Contains(e.Error.Message, c.says) {
			t.Errorf("%.80s: %d, %.300s", c.body, status, answer)
		}
		if want := map[int]string{400: "invalid_request_error", 404: "not_found_error"}[c.status]; e.Error.Type != want {
			t.Errorf("%.80s: %s", c.body, e.Error.Type)
		}
	}
	p := say("a", 4)
	p.Model = "other"
	var wrong *sdk.Error
	if _, err := client.Messages.New(context.Background(), p); !errors.As(err, &wrong) || wrong.StatusCode != 404 {
		t.Errorf("%v", err)
	}
}
