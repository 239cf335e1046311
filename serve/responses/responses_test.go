package responses

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	sdk "github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
	api "github.com/openai/openai-go/v3/responses"

	"eclat/serve/servetest"
)

func serve(t testing.TB, template string) (sdk.Client, string) {
	t.Helper()
	c := servetest.Core(t, servetest.Options{Template: template})
	mux := http.NewServeMux()
	Routes(c, mux)
	url := servetest.Start(t, mux)
	return sdk.NewClient(option.WithBaseURL(url+"/v1"), option.WithAPIKey("none"), option.WithMaxRetries(0)), url
}

func ask(text string, n int64) api.ResponseNewParams {
	return api.ResponseNewParams{Model: servetest.Name, MaxOutputTokens: sdk.Int(n), Temperature: sdk.Float(0), Instructions: sdk.String("Be brief."),
		Input: api.ResponseNewParamsInputUnion{OfString: sdk.String(text)}}
}

// stream reads the events of an answer: their types in order, and the response at the end.
func stream(t *testing.T, client sdk.Client, p api.ResponseNewParams) (types []string, text string, last api.Response) {
	t.Helper()
	s := client.Responses.NewStreaming(context.Background(), p)
	for n := int64(0); s.Next(); n++ {
		ev := s.Current()
		if ev.SequenceNumber != n {
			t.Errorf("event %d has the number %d", n, ev.SequenceNumber)
		}
		if n < 2 && (ev.Response.ID == "" || ev.Response.Status != "in_progress" || ev.Response.Model != servetest.Name || len(ev.Response.Output) != 0) {
			t.Errorf("%s has no whole response: %s", ev.Type, ev.RawJSON())
		}
		types = append(types, ev.Type)
		if ev.Type == "response.output_text.delta" {
			text += ev.Delta
		}
		last = ev.Response
	}
	if err := s.Err(); err != nil {
		t.Fatal(err)
	}
	return types, text, last
}

// TestResponses: one answer, whole and as events in their order.
func TestResponses(t *testing.T) {
	client, _ := serve(t, "")
	p := ask("What is the state of the Union?", 16)
	whole, err := client.Responses.New(context.Background(), p)
	if err != nil {
		t.Fatal(err)
	}
	if whole.OutputText() == "" || whole.Status != "incomplete" || whole.IncompleteDetails.Reason != "max_output_tokens" || whole.Usage.OutputTokens != 16 || whole.MaxOutputTokens != 16 {
		t.Fatalf("%s", whole.RawJSON())
	}
	types, text, last := stream(t, client, p)
	if text != whole.OutputText() || last.OutputText() != text || last.Usage.InputTokens != whole.Usage.InputTokens || last.Usage.InputTokensDetails.CachedTokens == 0 {
		t.Errorf("as events %q, at their end %q, whole %q", text, last.OutputText(), whole.OutputText())
	}
	before := []string{"response.created", "response.in_progress", "response.output_item.added", "response.content_part.added"}
	after := []string{"response.output_text.done", "response.content_part.done", "response.output_item.done", "response.incomplete"}
	n := len(types)
	if n < 10 || !slices.Equal(types[:4], before) || !slices.Equal(types[n-4:], after) ||
		slices.ContainsFunc(types[4:n-4], func(s string) bool { return s != "response.output_text.delta" }) {
		t.Errorf("events %v", types)
	}
}

// TestResponsesTools: tools of types that are not known are passed over; a call that is
// demanded comes, whole and as events; its output is taken.
func TestResponsesTools(t *testing.T) {
	client, url := serve(t, "qwen3")
	status, body := servetest.Post(t, url+"/v1/responses", `{"input":"Rain?","max_output_tokens":100,"temperature":0,"reasoning":{"effort":"none"},
		"tools":[{"type":"web_search"},{"type":"custom","name":"patch","format":{}},
		{"type":"function","name":"weather","parameters":{"type":"object","properties":{"city":{"enum":["Bern"]}},"required":["city"],"additionalProperties":false}}],
		"tool_choice":{"type":"function","name":"weather"}}`)
	var got struct {
		Status string
		Tools  []any
		Output []call
	}
	if err := json.Unmarshal([]byte(body), &got); err != nil || status != 200 || len(got.Tools) != 1 || len(got.Output) == 0 {
		t.Fatalf("%d, %s", status, body)
	}
	c := got.Output[len(got.Output)-1]
	var arguments struct{ City string }
	if json.Unmarshal([]byte(c.Arguments), &arguments); c.Type != "function_call" || c.Name != "weather" || arguments.City != "Bern" || c.CallID == "" || got.Status != "completed" {
		t.Errorf("%s", body)
	}
	p := ask("Rain?", 100)
	p.Tools = []api.ToolUnionParam{{OfFunction: &api.FunctionToolParam{Name: "weather", Parameters: map[string]any{"type": "object", "properties": map[string]any{"city": map[string]any{"enum": []string{"Bern"}}}, "required": []string{"city"}, "additionalProperties": false}}}}
	p.ToolChoice = api.ResponseNewParamsToolChoiceUnion{OfFunctionTool: &api.ToolChoiceFunctionParam{Name: "weather"}}
	types, _, last := stream(t, client, p)
	want := []string{"response.output_item.added", "response.function_call_arguments.delta", "response.function_call_arguments.done", "response.output_item.done", "response.completed"}
	if n := len(types); n < 7 || !slices.Equal(types[n-5:], want) || last.Output[len(last.Output)-1].Name != "weather" {
		t.Errorf("events %v", types)
	}
	status, body = servetest.Post(t, url+"/v1/responses", `{"max_output_tokens":2,"input":[{"role":"user","content":[{"type":"input_text","text":"Rain?"}]},
		{"type":"reasoning","id":"rs_1","summary":[],"content":[{"type":"reasoning_text","text":"hm"}]},
		{"type":"function_call","call_id":"c1","name":"weather","arguments":"{\"city\":\"Bern\"}"},
		{"type":"function_call_output","call_id":"c1","output":"rain"}]}`)
	if status != 200 {
		t.Errorf("%d, %s", status, body)
	}
}

// TestResponsesRefused: what is not kept, and what is not known, is refused with its path.
func TestResponsesRefused(t *testing.T) {
	_, url := serve(t, "")
	for _, c := range []struct{ body, says string }{
		{`{}`, `"param":"input"`}, {`{"input":[]}`, `"param":"input"`}, {`{"input":1}`, `"param":"input"`},
		{`{"input":"a","previous_response_id":"resp_1"}`, `"param":"previous_response_id"`},
		{`{"input":"a","conversation":"c"}`, `"param":"conversation"`}, {`{"input":"a","background":true}`, `"param":"background"`},
		{`{"input":"a","truncation":"auto"}`, `"param":"truncation"`}, {`{"input":"a","max_output_tokens":0}`, `"param":"max_output_tokens"`},
		{`{"input":[{"type":"item_reference","id":"x"}]}`, `"param":"input[0].type"`},
		{`{"input":[{"role":"king","content":"a"}]}`, `"param":"input[0].role"`},
		{`{"input":[{"role":"user","content":[{"type":"input_image","image_url":"x"}]}]}`, `"param":"input[0].content[0].type"`},
		{`{"input":"a","tool_choice":"required"}`, `"param":"tool_choice"`}, {`{"input":"a","tool_choice":{"type":"function","name":"f"}}`, `"param":"tool_choice"`},
		{`{"input":"a","text":{"format":{"type":"json_schema"}}}`, `"param":"text.format.schema"`},
		{`{"input":"a","include":["message.output_text.logprobs"]}`, `"param":"include[0]"`}, {`{"input":"a","inptu":1}`, `"param":"inptu"`},
		{`{"input":"` + strings.Repeat("people ", 5000) + `"}`, "exceed_context_size_error"},
	} {
		if status, answer := servetest.Post(t, url+"/v1/responses", c.body); status != 400 || !strings.Contains(answer, c.says) {
			t.Errorf("%.80s: %d, %.300s", c.body, status, answer)
		}
	}
}

// TestResponsesFormat: an answer keeps to a schema.
func TestResponsesFormat(t *testing.T) {
	_, url := serve(t, "")
	status, body := servetest.Post(t, url+"/v1/responses", `{"input":"a","max_output_tokens":60,"text":{"format":{"type":"json_schema","name":"n","schema":
		{"type":"object","properties":{"city":{"enum":["Bern","Rome"]}},"required":["city"],"additionalProperties":false}}}}`)
	var got struct {
		Status string
		Output []message
	}
	var city struct{ City string }
	if err := json.Unmarshal([]byte(body), &got); err != nil || status != 200 || len(got.Output) != 1 || got.Status != "completed" ||
		json.Unmarshal([]byte(got.Output[0].Content[0].Text), &city) != nil || city.City == "" {
		t.Errorf("%d, %s", status, body)
	}
}
