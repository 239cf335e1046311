package serve

import (
	"net/http"

	"eclat/serve/core"
)

// health answers whether the server can answer: 200, or 503 while a model is loaded and
// none is there, and while a device is lost and not back. It tells nothing else, and needs
// no key.
func health(c *core.Core) func(x *core.Exchange) error {
	return func(x *core.Exchange) error {
		loading, loaded := false, false
		for _, i := range c.Models.List() {
			loading = loading || i.State == core.Loading
			loaded = loaded || i.State == core.Loaded
		}
		down := ""
		c.Models.Each(func(m *core.Model) {
			if m.Engine.Down() {
				down = m.Name
			}
		})
		switch {
		case down != "":
			e := core.Errorf(http.StatusServiceUnavailable, "the device of %s is lost", down)
			e.RetryAfter = 5
			return e
		case loading && !loaded:
			e := core.Errorf(http.StatusServiceUnavailable, "Loading model")
			e.RetryAfter = 1
			return e
		}
		return x.JSON(map[string]string{"status": "ok"})
	}
}

// metrics answers in Prometheus' form.
func metrics(c *core.Core) func(x *core.Exchange) error {
	h := c.Metrics.Handler()
	return func(x *core.Exchange) error {
		h.ServeHTTP(x.W, x.R)
		return nil
	}
}
