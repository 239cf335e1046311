package web_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"eclat/engine"
	"eclat/serve"
	"eclat/serve/core"
	"eclat/serve/servetest"
	"eclat/serve/web"
)

func init() {
	web.RealServer = func(t *testing.T, key string) (http.Handler, func()) {
		t.Helper()
		o := servetest.Options{Engine: engine.Options{Context: 4096}, Core: core.Options{Draft: engine.MaxDraft}}
		if key != "" {
			o.Core.Guard.Keys = []string{key}
		}
		c := servetest.Core(t, o)
		return serve.Handler(c), func() {
			t.Helper()
			for range 6000 {
				working := 0
				c.Models.Each(func(m *core.Model) {
					n, _ := m.Engine.Counters(context.Background())
					working += n.Working + n.Waiting
				})
				if working == 0 {
					return
				}
				time.Sleep(10 * time.Millisecond)
			}
			t.Error("a request is still at work, though its client has left")
		}
	}
}
