package anthropic

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"

	"eclat/engine"
	"eclat/engine/turn"
	"eclat/model/chat/parts"
	"eclat/serve/core"
)

type message struct {
	ID           string     `json:"id"`
	Type         string     `json:"type"`
	Role         string     `json:"role"`
	Model        string     `json:"model"`
	Content      []any      `json:"content"`
	StopReason   *string    `json:"stop_reason"`
	StopSequence *string    `json:"stop_sequence"`
	StopDetails  *string    `json:"stop_details"`
	Container    *string    `json:"container"`
	Diagnostics  *string    `json:"diagnostics"`
	Usage        usageOfAll `json:"usage"`
}

func newMessage(m *core.Model) message {
	return message{ID: core.NewID("msg_"), Type: "message", Role: "assistant", Model: m.Name, Content: []any{}}
}

type details struct {
	Thinking int `json:"thinking_tokens"`
}

type usage struct {
	Input         int     `json:"input_tokens"` // of the prompt, without those that were found computed
	CacheCreation int     `json:"cache_creation_input_tokens"`
	CacheRead     int     `json:"cache_read_input_tokens"`
	Output        int     `json:"output_tokens"`
	Details       details `json:"output_tokens_details"`
	ServerTools   *string `json:"server_tool_use"`
}

// usageOfAll is the usage of a message; those that follow have no more than usage.
type usageOfAll struct {
	usage
	Creation *string `json:"cache_creation"`
	Geo      *string `json:"inference_geo"`
	Tier     *string `json:"service_tier"`
	Speed    *string `json:"speed"`
}

func usageOf(r *turn.Result) usage {
	return usage{Input: r.PromptTokens - r.CachedTokens, CacheRead: r.CachedTokens, Output: r.GeneratedTokens, Details: details{r.ReasoningTokens}}
}

type textBlock struct {
	Type      string    `json:"type"`
	Text      string    `json:"text"`
	Citations *[]string `json:"citations"`
}

type thinkingBlock struct {
	Type      string `json:"type"`
	Thinking  string `json:"thinking"`
	Signature string `json:"signature"`
}

type toolBlock struct {
	Type   string          `json:"type"`
	ID     string          `json:"id"`
	Name   string          `json:"name"`
	Input  json.RawMessage `json:"input"`
	Caller struct {
		Type string `json:"type"`
	} `json:"caller"`
}

func newTool(id, name, input string) toolBlock {
	if id == "" {
		id = core.NewID("toolu_")
	}
	b := toolBlock{Type: "tool_use", ID: id, Name: name, Input: json.RawMessage(input)}
	b.Caller.Type = "direct"
	return b
}

// signature is what clients want a thinking block to have.
func signature(thinking string) string {
	sum := sha256.Sum256([]byte(thinking))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// content are the parts of an answer as blocks. A call that is not whole is none.
func content(list parts.Parts) []any {
	out := []any{}
	for _, p := range list {
		switch {
		case p.Kind == parts.Reasoning:
			out = append(out, thinkingBlock{"thinking", p.Text, signature(p.Text)})
		case p.Kind == parts.Answer:
			out = append(out, textBlock{Type: "text", Text: p.Text})
		case p.Kind == parts.Call && p.Whole:
			out = append(out, newTool(p.ID, p.Name, p.Arguments))
		}
	}
	return out
}

// ended says why an answer ended, and by which stop sequence.
func ended(r *turn.Result) (why string, sequence *string) {
	switch {
	case r.Stopped != "":
		return "stop_sequence", &r.Stopped
	case len(r.Parts.Calls()) > 0 && (r.Stop == engine.StopEOS || r.Parts[len(r.Parts)-1].Whole):
		return "tool_use", nil
	case r.Stop == engine.StopLength:
		return "max_tokens", nil
	case r.Stop == engine.StopContext:
		return "model_context_window_exceeded", nil
	case len(r.Parts.Calls()) > 0:
		return "tool_use", nil
	}
	return "end_turn", nil
}
