package openai

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"math"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	sdk "github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
	"github.com/openai/openai-go/v3/shared"

	"eclat/serve/core"
	"eclat/serve/servetest"
)

// TestChat: the same answer whole and in chunks, with all that the API's types require.
func TestChat(t *testing.T) {
	client, _, _ := serve(t, servetest.Options{})
	p := askOf("What is the state of the Union?", 24)
	whole, err := client.Chat.Completions.New(context.Background(), p)
	if err != nil {
		t.Fatal(err)
	}
	required(t, *whole, own...)
	text := whole.Choices[0].Message.Content
	u := whole.Usage
	if text == "" || whole.Choices[0].FinishReason != "length" || whole.Object != "chat.completion" || u.CompletionTokens != 24 || u.TotalTokens != u.PromptTokens+24 {
		t.Errorf("%s", whole.RawJSON())
	}
	p.StreamOptions.IncludeUsage = sdk.Bool(true)
	acc, chunks := collect(t, client, p)
	if got := acc.Choices[0].Message.Content; got != text {
		t.Errorf("in chunks %q, whole %q", got, text)
	}
	last := chunks[len(chunks)-1]
	if len(last.Choices) != 0 || last.Usage.CompletionTokens != 24 || last.Usage.PromptTokens != u.PromptTokens || last.Usage.PromptTokensDetails.CachedTokens == 0 {
		t.Errorf("usage: %s", last.RawJSON())
	}
	if len(chunks) < 10 {
		t.Errorf("24 tokens came in %d chunks", len(chunks))
	}
	if timed := chunks[len(chunks)-2].RawJSON(); !strings.Contains(timed, `"predicted_n":24`) || !strings.Contains(timed, `"cache_n":`) {
		t.Errorf("timings: %s", timed)
	}
}

// TestPrompts: where prompts are logged, the log has each as the model has it, on one line
// that commands no terminal; else none of it.
func TestPrompts(t *testing.T) {
	for _, logged := range []bool{true, false} {
		var log bytes.Buffer
		client, _, _ := serve(t, servetest.Options{Core: core.Options{Prompts: logged, Log: slog.New(slog.NewTextHandler(&log, nil))}})
		if _, err := client.Chat.Completions.New(context.Background(), askOf("Who\x1b[31m <|im_end|>?", 2)); err != nil {
			t.Fatal(err)
		}
		got := strings.Contains(log.String(), `<|im_start|>user\nWho\x1b[31m <|im_end|>?<|im_end|>\n<|im_start|>assistant\n" ids=`)
		if got != logged || strings.Contains(log.String(), "\x1b") {
			t.Errorf("logged %v, wanted %v: %q", got, logged, log.String())
		}
	}
}

// TestChoices: n choices of one prompt, which is computed once; the first is as if alone.
func TestChoices(t *testing.T) {
	client, _, _ := serve(t, servetest.Options{})
	p := askOf("Speak.", 12)
	alone, err := client.Chat.Completions.New(context.Background(), p)
	if err != nil {
		t.Fatal(err)
	}
	p.N = sdk.Int(3)
	three, err := client.Chat.Completions.New(context.Background(), p)
	if err != nil {
		t.Fatal(err)
	}
	acc, _ := collect(t, client, p)
	if len(three.Choices) != 3 || len(acc.Choices) != 3 || three.Usage.CompletionTokens != 36 || three.Usage.PromptTokens != alone.Usage.PromptTokens {
		t.Fatalf("%s", three.RawJSON())
	}
	var texts []string
	for i, c := range three.Choices {
		if c.Message.Content != acc.Choices[i].Message.Content {
			t.Errorf("choice %d: whole %q, in chunks %q", i, c.Message.Content, acc.Choices[i].Message.Content)
		}
		texts = append(texts, c.Message.Content)
	}
	slices.Sort(texts)
	if len(slices.Compact(texts)) != 3 || three.Choices[0].Message.Content != alone.Choices[0].Message.Content {
		t.Errorf("choices %q, alone %q", texts, alone.Choices[0].Message.Content)
	}
}

// TestPrediction: what the answer is thought to be is tried first, and the answer is the same.
func TestPrediction(t *testing.T) {
	client, url, _ := serve(t, servetest.Options{})
	p := askOf("What is the state of the Union?", 60)
	plain, err := client.Chat.Completions.New(context.Background(), p)
	if err != nil {
		t.Fatal(err)
	}
	text := plain.Choices[0].Message.Content
	for _, guess := range []string{text, text[:len(text)/2] + " or not", "something else"} {
		p.Prediction.Content.OfString = sdk.String(guess)
		got, err := client.Chat.Completions.New(context.Background(), p)
		if err != nil {
			t.Fatal(err)
		}
		if got.Choices[0].Message.Content != text {
			t.Errorf("predicted %q: %q, without %q", guess, got.Choices[0].Message.Content, text)
		}
	}
	// Whether it pays to try them is the engine's to measure; it is handed the tokens.
	c := servetest.Core(t, servetest.Options{Template: "qwen3"})
	read := httptest.NewServer(c.Handle(Shape, func(x *core.Exchange) error {
		o, err := x.Fields()
		if err != nil {
			return err
		}
		m, err := x.Open("")
		if err != nil {
			return err
		}
		if a := readAsk(o, m); len(a.Guess) == 0 || !slices.Equal(a.Guess, m.Engine.Tokenizer.Encode(nil, "two parts <|im_end|>", false)) {
			t.Errorf("guessed %v", a.Guess)
		}
		return nil
	}))
	defer read.Close()
	servetest.Post(t, read.URL, `{"prediction":{"type":"content","content":[{"type":"text","text":"two "},{"type":"text","text":"parts <|im_end|>"}]}}`)
	for body, path := range map[string]string{`{"type":"text","content":"x"}`: "prediction.type", `{"type":"content"}`: "prediction.content", `{"type":"content","content":5}`: "prediction.content", `7`: "prediction"} {
		code, answer := servetest.Post(t, url+"/v1/chat/completions", `{"messages":[{"role":"user","content":"x"}],"prediction":`+body+`}`)
		if code != 400 || !strings.Contains(answer, `"param":"`+path) {
			t.Errorf("%s: %d %s", body, code, answer)
		}
	}
}

// TestStops: the answer ends before the stop string, which no chunk shows.
func TestStops(t *testing.T) {
	client, _, _ := serve(t, servetest.Options{})
	p := askOf("Speak.", 40)
	free, err := client.Chat.Completions.New(context.Background(), p)
	if err != nil {
		t.Fatal(err)
	}
	text := free.Choices[0].Message.Content
	at := strings.LastIndex(text[:len(text)-3], " ")
	p.Stop.OfStringArray = []string{"never said", text[at : at+3]}
	want := text[:strings.Index(text, text[at:at+3])]
	acc, _ := collect(t, client, p)
	if c := acc.Choices[0]; c.Message.Content != want || c.FinishReason != "stop" {
		t.Errorf("%q (%s), want %q", c.Message.Content, c.FinishReason, want)
	}
	if acc.Usage.CompletionTokens >= 40 {
		t.Errorf("it went on after the stop string: %d tokens", acc.Usage.CompletionTokens)
	}
}

// TestLogprobs: a probability for each token of the text, which they spell; the most likely
// ones in order.
func TestLogprobs(t *testing.T) {
	client, _, _ := serve(t, servetest.Options{})
	p := askOf("Speak.", 12)
	p.Logprobs, p.TopLogprobs = sdk.Bool(true), sdk.Int(4)
	whole, err := client.Chat.Completions.New(context.Background(), p)
	if err != nil {
		t.Fatal(err)
	}
	required(t, *whole, own...)
	acc, chunks := collect(t, client, p)
	streamed := 0
	for _, c := range chunks {
		for _, choice := range c.Choices {
			streamed += len(choice.Logprobs.Content)
		}
	}
	list := whole.Choices[0].Logprobs.Content
	var text []byte
	for _, l := range list {
		for _, b := range l.Bytes {
			text = append(text, byte(b))
		}
		if len(l.TopLogprobs) != 4 || l.Logprob > 0 || math.IsInf(l.Logprob, 0) {
			t.Errorf("%s", l.RawJSON())
		}
		for i, top := range l.TopLogprobs {
			if i > 0 && top.Logprob > l.TopLogprobs[i-1].Logprob {
				t.Errorf("not in order: %s", l.RawJSON())
			}
		}
	}
	if strings.TrimSpace(string(text)) != strings.TrimSpace(whole.Choices[0].Message.Content) || len(list) != 12 || streamed != 12 {
		t.Errorf("%d tokens, %d in chunks, spell %q; the text is %q, %q", len(list), streamed, text, whole.Choices[0].Message.Content, acc.Choices[0].Message.Content)
	}
}

// TestSchema: every seed's answer keeps to the schema.
func TestSchema(t *testing.T) {
	client, _, _ := serve(t, servetest.Options{})
	schema := map[string]any{"type": "object", "additionalProperties": false, "required": []string{"name", "age"},
		"properties": map[string]any{"name": map[string]any{"type": "string", "maxLength": 8}, "age": map[string]any{"type": "integer", "minimum": 0, "maximum": 150}}}
	for seed := range int64(4) {
		p := askOf("Who?", 120)
		p.Seed = sdk.Int(seed)
		p.ResponseFormat.OfJSONSchema = &shared.ResponseFormatJSONSchemaParam{JSONSchema: shared.ResponseFormatJSONSchemaJSONSchemaParam{Name: "person", Strict: sdk.Bool(true), Schema: schema}}
		acc, _ := collect(t, client, p)
		var v struct {
			Name *string
			Age  *int
		}
		d := json.NewDecoder(strings.NewReader(acc.Choices[0].Message.Content))
		d.DisallowUnknownFields()
		if err := d.Decode(&v); err != nil || v.Name == nil || v.Age == nil || *v.Age > 150 || acc.Choices[0].FinishReason != "stop" {
			t.Errorf("seed %d: %q (%s), %v", seed, acc.Choices[0].Message.Content, acc.Choices[0].FinishReason, err)
		}
	}
	p := askOf("Who?", 60)
	p.ResponseFormat.OfJSONObject = &shared.ResponseFormatJSONObjectParam{}
	acc, _ := collect(t, client, p)
	if text := acc.Choices[0].Message.Content; !strings.HasPrefix(text, "{") || acc.Choices[0].FinishReason == "stop" && !json.Valid([]byte(text)) {
		t.Errorf("%q", text)
	}
	p.ResponseFormat.OfJSONObject = nil
	p.ResponseFormat.OfJSONSchema = &shared.ResponseFormatJSONSchemaParam{JSONSchema: shared.ResponseFormatJSONSchemaJSONSchemaParam{Name: "x", Schema: map[string]any{"type": "object", "properties": map[string]any{"a": map[string]any{"type": "string", "contentEncoding": "base64", "nonsense": 1}}}}}
	_, err := client.Chat.Completions.New(context.Background(), p)
	refusedAs(t, err, 400, "invalid_request_error", "response_format.json_schema.schema", "")
}

func weather() []sdk.ChatCompletionToolUnionParam {
	tool := func(name string, properties map[string]any) sdk.ChatCompletionToolUnionParam {
		return sdk.ChatCompletionFunctionTool(shared.FunctionDefinitionParam{Name: name, Description: sdk.String("It tells " + name + "."),
			Parameters: shared.FunctionParameters{"type": "object", "properties": properties, "required": []string{"place"}, "additionalProperties": false}})
	}
	place := map[string]any{"place": map[string]any{"type": "string", "enum": []string{"Paris", "Rome"}}}
	return []sdk.ChatCompletionToolUnionParam{tool("weather", place), tool("time_of_day", place)}
}

// TestTools: a call that is demanded comes, with a name and arguments that keep to the
// tool's schema; in chunks the name comes first, without arguments.
func TestTools(t *testing.T) {
	client, _, _ := serve(t, servetest.Options{Template: "qwen3"})
	for seed := range int64(4) {
		p := askOf("What is the weather?", 200)
		p.Seed, p.Tools, p.ReasoningEffort = sdk.Int(seed), weather(), "none"
		p.ToolChoice.OfAuto = sdk.String("required")
		if seed%2 == 1 {
			p.ToolChoice = sdk.ToolChoiceOptionFunctionToolChoice(sdk.ChatCompletionNamedToolChoiceFunctionParam{Name: "time_of_day"})
		}
		acc, chunks := collect(t, client, p)
		whole, err := client.Chat.Completions.New(context.Background(), p)
		if err != nil {
			t.Fatal(err)
		}
		required(t, *whole, own...)
		calls := acc.Choices[0].Message.ToolCalls
		if len(calls) != 1 || acc.Choices[0].FinishReason != "tool_calls" || whole.Choices[0].FinishReason != "tool_calls" {
			t.Fatalf("seed %d: %s", seed, whole.RawJSON())
		}
		if w := whole.Choices[0].Message.ToolCalls[0]; w.Function.Name != calls[0].Function.Name || w.Function.Arguments != calls[0].Function.Arguments || w.ID == "" || w.Type != "function" {
			t.Errorf("seed %d: whole %s, in chunks %+v", seed, w.RawJSON(), calls[0])
		}
		if !strings.Contains(whole.RawJSON(), `"content":null`) {
			t.Errorf("a call has content: %s", whole.RawJSON())
		}
		var args struct{ Place string }
		if err := json.Unmarshal([]byte(calls[0].Function.Arguments), &args); err != nil || args.Place != "Paris" && args.Place != "Rome" || seed%2 == 1 && calls[0].Function.Name != "time_of_day" {
			t.Errorf("seed %d: %+v, %v", seed, calls[0].Function, err)
		}
		first := true
		for _, c := range chunks {
			if len(c.Choices) == 0 {
				continue
			}
			for _, call := range c.Choices[0].Delta.ToolCalls {
				if first != (call.ID != "") || first != (call.Function.Name != "") || first && call.Function.Arguments != "" || call.Index != 0 {
					t.Errorf("a piece of a call: %s", call.RawJSON())
				}
				first = false
			}
		}
	}
	// The conversation goes on with what the tool gave, as parts and as text.
	p := askOf("What is the weather?", 8)
	p.Tools = weather()
	call := sdk.AssistantMessage("")
	call.OfAssistant.ToolCalls = []sdk.ChatCompletionMessageToolCallUnionParam{{OfFunction: &sdk.ChatCompletionMessageFunctionToolCallParam{ID: "call_1", Function: sdk.ChatCompletionMessageFunctionToolCallFunctionParam{Name: "weather", Arguments: `{"place":"Rome"}`}}}}
	p.Messages = append(p.Messages, call, sdk.ToolMessage([]sdk.ChatCompletionContentPartTextParam{{Text: "sun"}, {Text: "ny"}}, "call_1"))
	if _, err := client.Chat.Completions.New(context.Background(), p); err != nil {
		t.Error(err)
	}
	p = askOf("x", 8)
	p.ToolChoice.OfAuto = sdk.String("required")
	_, err := client.Chat.Completions.New(context.Background(), p)
	refusedAs(t, err, 400, "invalid_request_error", "tool_choice", "there are no tools")
}

// TestAutoTools: calls that the model makes of itself, in any number or one at most; strict
// ones keep to their schemas.
func TestAutoTools(t *testing.T) {
	client, url, _ := serve(t, servetest.Options{Template: "magistral"})
	_, body := servetest.Post(t, url+"/tokenize", `{"content":"[TOOL_CALLS]"}`)
	var marker struct{ Tokens []int64 }
	if err := json.Unmarshal([]byte(body), &marker); err != nil || len(marker.Tokens) != 1 {
		t.Fatal(body)
	}
	p := askOf("What is the weather?", 80)
	p.Tools = weather()
	for i := range p.Tools {
		p.Tools[i].OfFunction.Function.Strict = sdk.Bool(true)
	}
	p.LogitBias = map[string]int64{fmt.Sprint(marker.Tokens[0]): 100}
	for _, parallel := range []bool{true, false} {
		p.ParallelToolCalls = sdk.Bool(parallel)
		acc, _ := collect(t, client, p)
		whole, err := client.Chat.Completions.New(context.Background(), p)
		if err != nil {
			t.Fatal(err)
		}
		calls := whole.Choices[0].Message.ToolCalls
		if n := len(calls); n == 0 || (n == 1) == parallel || len(acc.Choices[0].Message.ToolCalls) < n || !parallel && acc.Choices[0].FinishReason != "tool_calls" {
			t.Errorf("parallel %v: %d calls, in chunks %d (%s): %s", parallel, n, len(acc.Choices[0].Message.ToolCalls), acc.Choices[0].FinishReason, whole.RawJSON())
		}
		for i, c := range calls {
			var args struct{ Place string }
			if err := json.Unmarshal([]byte(c.Function.Arguments), &args); err != nil || args.Place != "Paris" && args.Place != "Rome" {
				t.Errorf("call %d: %s, %v", i, c.RawJSON(), err)
			}
		}
	}
}

// TestReasoning: what the model thinks is told apart, and may be limited or left out.
func TestReasoning(t *testing.T) {
	source := `{% for m in messages %}{{ m.role }}: {{ m.content }}` + "\n" + `{% endfor %}{% if enable_thinking is not defined or enable_thinking %}<think>{% endif %}`
	client, url, _ := serve(t, servetest.Options{Template: source})
	p := askOf("Why?", 40)
	whole, err := client.Chat.Completions.New(context.Background(), p, option.WithJSONSet("reasoning_budget", 6))
	if err != nil {
		t.Fatal(err)
	}
	if r := whole.Choices[0].Message.JSON.ExtraFields["reasoning_content"].Raw(); r == "" || whole.Usage.CompletionTokensDetails.ReasoningTokens < 6 || whole.Choices[0].Message.Content == "" {
		t.Errorf("%s", whole.RawJSON())
	}
	p.Logprobs = sdk.Bool(true) // of the answer alone: neither what was thought nor its end
	told, err := client.Chat.Completions.New(context.Background(), p, option.WithJSONSet("reasoning_budget", 6))
	if err != nil {
		t.Fatal(err)
	}
	spelt := ""
	for _, l := range told.Choices[0].Logprobs.Content {
		spelt += l.Token
	}
	if text := told.Choices[0].Message.Content; strings.TrimSpace(spelt) != strings.TrimSpace(text) {
		t.Errorf("probabilities of %q, the answer is %q", spelt, text)
	}
	for _, off := range []string{`"reasoning_effort":"none"`, `"chat_template_kwargs":{"enable_thinking":false}`, `"reasoning_budget":0`} {
		status, body := servetest.Post(t, url+"/v1/chat/completions", `{"messages":[{"role":"user","content":"Why?"}],"max_tokens":20,"seed":1,`+off+`}`)
		if status != 200 || strings.Contains(body, "reasoning_content") || !strings.Contains(body, `"reasoning_tokens":0`) && !strings.Contains(off, "budget") {
			t.Errorf("%s: %d %s", off, status, body)
		}
	}
}

// TestContinue: an answer that was broken off goes on where it was.
func TestContinue(t *testing.T) {
	client, url, _ := serve(t, servetest.Options{})
	p := askOf("Speak.", 20)
	p.Temperature = sdk.Float(0)
	whole, err := client.Chat.Completions.New(context.Background(), p)
	if err != nil {
		t.Fatal(err)
	}
	text := whole.Choices[0].Message.Content
	begin := text[:strings.Index(text, " ")+1]
	begin = strings.TrimRight(begin, " ")
	quoted, _ := json.Marshal(begin)
	status, body := servetest.Post(t, url+"/v1/chat/completions", `{"messages":[{"role":"system","content":"Be brief."},{"role":"user","content":"Speak."},{"role":"assistant","content":`+string(quoted)+`}],"continue_final_message":true,"max_tokens":10,"temperature":0}`)
	var out sdk.ChatCompletion
	if err := json.Unmarshal([]byte(body), &out); err != nil || status != 200 {
		t.Fatalf("%d %s", status, body)
	}
	if rest := out.Choices[0].Message.Content; rest == "" || !strings.HasPrefix(text, begin+rest[:min(4, len(rest))]) {
		t.Errorf("after %q comes %q, want the rest of %q", begin, rest, text)
	}
}

// TestContinueReasoning: where the answer that is to go on has reasoning and no text yet,
// the reasoning goes on; else the answer does.
func TestContinueReasoning(t *testing.T) {
	_, url, _ := serve(t, servetest.Options{Template: `{% for m in messages %}{{ m.role }}: {{ m.content }}` + "\n" + `{% endfor %}<think>`})
	for content, thinks := range map[string]bool{"": true, "Well": false} {
		status, body := servetest.Post(t, url+"/v1/chat/completions", `{"messages":[{"role":"user","content":"Why?"},{"role":"assistant","reasoning_content":"Because the","content":"`+content+`"}],
			"continue_final_message":true,"add_generation_prompt":false,"max_tokens":8,"temperature":0,"ignore_eos":true}`)
		var out sdk.ChatCompletion
		if err := json.Unmarshal([]byte(body), &out); err != nil || status != 200 {
			t.Fatalf("%d %s", status, body)
		}
		msg := out.Choices[0].Message
		if reasoning := msg.JSON.ExtraFields["reasoning_content"].Raw(); (reasoning != "") != thinks || (msg.Content == "") != thinks {
			t.Errorf("after the text %q: reasoning %s, text %q", content, reasoning, msg.Content)
		}
	}
}

// TestProgress: who asks for it is told how far a long prompt is read, up to its end and
// before the first piece.
func TestProgress(t *testing.T) {
	_, url, _ := serve(t, servetest.Options{})
	long := strings.Repeat("the people of the several States and of the Congress ", 40)
	status, body := servetest.Post(t, url+"/v1/chat/completions", `{"messages":[{"role":"user","content":"`+long+`"}],"max_tokens":2,"stream":true,"return_progress":true,"ignore_eos":true}`)
	var told []struct{ Processed, Total int }
	for line := range strings.Lines(body) {
		var c struct {
			Progress *struct{ Processed, Total int } `json:"prompt_progress"`
			Choices  []struct{ Delta struct{ Content string } }
		}
		data, ok := strings.CutPrefix(line, "data: ")
		if !ok || strings.HasPrefix(data, "[DONE]") {
			continue
		}
		if err := json.Unmarshal([]byte(data), &c); err != nil {
			t.Fatalf("%s: %v", data, err)
		}
		if c.Progress != nil {
			told = append(told, *c.Progress)
		} else if len(c.Choices) > 0 && c.Choices[0].Delta.Content != "" {
			break
		}
	}
	if n := len(told); status != 200 || n == 0 || told[n-1].Total < 300 || told[n-1].Processed > told[n-1].Total {
		t.Errorf("%d, told %v: %.300s", status, told, body)
	}
	for i := 1; i < len(told); i++ {
		if told[i].Processed <= told[i-1].Processed {
			t.Errorf("told %v", told)
		}
	}
}
