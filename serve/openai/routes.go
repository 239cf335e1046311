package openai

import (
	"net/http"

	"eclat/serve/core"
)

// Routes adds the API's paths. Those of completions are there without /v1 too, as other
// servers have them.
func Routes(c *core.Core, mux *http.ServeMux) {
	add := func(pattern string, answer func(*core.Exchange) error) { mux.Handle(pattern, c.Handle(Shape, answer)) }
	for _, base := range []string{"/v1", ""} {
		add("POST "+base+"/chat/completions", chatCompletions)
		add("GET "+base+"/models", models)
	}
	add("POST /v1/completions", completions)
	add("POST /v1/embeddings", embeddings)
	add("GET /v1/models/{name...}", oneModel)
	add("POST /tokenize", tokenize)
	add("POST /detokenize", detokenize)
	add("POST /apply-template", applyTemplate)
	add("GET /props", props)
	add("GET /slots", slots)
}

// Shape is how this API writes errors.
var Shape = core.Shape{Body: func(e *core.Error) any {
	type body struct {
		Message string  `json:"message"`
		Type    string  `json:"type"`
		Param   *string `json:"param"`
		Code    any     `json:"code"`
		Prompt  int     `json:"n_prompt_tokens,omitempty"`
		Context int     `json:"n_ctx,omitempty"`
	}
	b := body{Message: e.Message, Type: e.Type, Prompt: e.Prompt, Context: e.Context}
	if e.Param != "" {
		b.Param = &e.Param
	}
	if e.Code != "" {
		b.Code = e.Code
	}
	return map[string]any{"error": b}
}}
