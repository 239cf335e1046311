package responses

import (
	"encoding/json"

	"eclat/engine/turn"
	"eclat/serve/core"
	"eclat/serve/openai"
)

// response is the object that all is about; it is whole in the first events already.
type response struct {
	ID           string            `json:"id"`
	Object       string            `json:"object"`
	Created      int64             `json:"created_at"`
	Completed    *int64            `json:"completed_at"`
	Status       string            `json:"status"`
	Background   bool              `json:"background"`
	Error        *fault            `json:"error"`
	Incomplete   *why              `json:"incomplete_details"`
	Instructions *string           `json:"instructions"`
	MaxTokens    *int              `json:"max_output_tokens"`
	Model        string            `json:"model"`
	Output       []any             `json:"output"`
	Parallel     bool              `json:"parallel_tool_calls"`
	Previous     *string           `json:"previous_response_id"`
	Reasoning    reasoning         `json:"reasoning"`
	Store        bool              `json:"store"`
	Temperature  float32           `json:"temperature"`
	Text         text              `json:"text"`
	Choice       json.RawMessage   `json:"tool_choice"`
	Tools        []json.RawMessage `json:"tools"`
	TopP         float32           `json:"top_p"`
	Truncation   string            `json:"truncation"`
	Usage        *usage            `json:"usage"`
	User         *string           `json:"user"`
	Metadata     json.RawMessage   `json:"metadata"`
	Access       *struct{}         `json:"access_programs"`    // null: none of OpenAI's own
	Fingerprint  string            `json:"system_fingerprint"` // of the weights
}

type fault struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

type why struct {
	Reason string `json:"reason"`
}

type reasoning struct {
	Effort  *string `json:"effort"`
	Summary *string `json:"summary"`
}

type text struct {
	Format json.RawMessage `json:"format"`
}

type usage struct {
	Input        int `json:"input_tokens"`
	InputDetails struct {
		Cached  int `json:"cached_tokens"`
		Written int `json:"cache_write_tokens"`
	} `json:"input_tokens_details"`
	Output        int `json:"output_tokens"`
	OutputDetails struct {
		Reasoning int `json:"reasoning_tokens"`
	} `json:"output_tokens_details"`
	Total int `json:"total_tokens"`
}

func newResponse(m *core.Model) response {
	return response{
		ID: core.NewID("resp_"), Object: "response", Status: "in_progress", Model: m.Name, Output: []any{}, Truncation: "disabled",
		Text: text{json.RawMessage(`{"type":"text"}`)}, Metadata: json.RawMessage("{}"), Fingerprint: openai.Fingerprint(m),
	}
}

func usageOf(r *turn.Result) *usage {
	u := &usage{Input: r.PromptTokens, Output: r.GeneratedTokens, Total: r.PromptTokens + r.GeneratedTokens}
	u.InputDetails.Cached, u.OutputDetails.Reasoning = r.CachedTokens, r.ReasoningTokens
	return u
}

// content is a part of a message or of reasoning.
type content struct {
	Type        string `json:"type"`
	Text        string `json:"text"`
	Annotations *[]any `json:"annotations,omitempty"` // of output_text, never any
	LogProbs    *[]any `json:"logprobs,omitempty"`    // the same
}

func outputText(s string) content {
	return content{Type: "output_text", Text: s, Annotations: &[]any{}, LogProbs: &[]any{}}
}

// message, thought and call are the items of an output.
type message struct {
	ID      string    `json:"id"`
	Type    string    `json:"type"`
	Status  string    `json:"status"`
	Role    string    `json:"role"`
	Content []content `json:"content"`
}

type thought struct {
	ID      string    `json:"id"`
	Type    string    `json:"type"`
	Status  string    `json:"status"`
	Summary []any     `json:"summary"`
	Content []content `json:"content"`
}

type call struct {
	ID        string `json:"id"`
	Type      string `json:"type"`
	Status    string `json:"status"`
	CallID    string `json:"call_id"`
	Name      string `json:"name"`
	Arguments string `json:"arguments"`
}
