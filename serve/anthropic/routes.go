package anthropic

import (
	"net/http"

	"eclat/serve/core"
)

// Routes adds the API's paths.
func Routes(c *core.Core, mux *http.ServeMux) {
	mux.Handle("POST /v1/messages", c.Handle(Shape, messages))
	mux.Handle("POST /v1/messages/count_tokens", c.Handle(Shape, countTokens))
}

// Shape is how this API writes errors.
var Shape = core.Shape{Event: "error", Body: func(e *core.Error) any {
	type body struct {
		Type    string `json:"type"`
		Message string `json:"message"`
	}
	return map[string]any{"type": "error", "error": body{typeOf(e.Status), e.Message}}
}}

// typeOf is this API's word for a status.
func typeOf(status int) string {
	switch status {
	case http.StatusUnauthorized:
		return "authentication_error"
	case http.StatusForbidden:
		return "permission_error"
	case http.StatusNotFound:
		return "not_found_error"
	case http.StatusRequestEntityTooLarge:
		return "request_too_large"
	case http.StatusTooManyRequests:
		return "rate_limit_error"
	case http.StatusServiceUnavailable:
		return "overloaded_error"
	}
	if status >= 500 {
		return "api_error"
	}
	return "invalid_request_error"
}
