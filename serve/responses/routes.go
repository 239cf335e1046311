package responses

import (
	"net/http"

	"eclat/serve/core"
	"eclat/serve/openai"
)

// Routes adds the API's path.
func Routes(c *core.Core, mux *http.ServeMux) {
	mux.Handle("POST /v1/responses", c.Handle(openai.Shape, answer))
}
