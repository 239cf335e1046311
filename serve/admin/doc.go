// Package admin tells what a server's models and devices are at, and does to them what its
// user asks: what the web app's pages beside the chat stand on. web/api.md describes it.
//
//	status.go   GET /api/status: what lies where
//	models.go   POST /models/load, /models/unload
//	run.go      what measures: one at a time, told of as it goes
//	bench.go    POST /api/bench: tokens a second
//	compare.go  POST /api/compare: how equal two devices are
//	check.go    POST /api/check: a device's kernels against the reference
//	verify.go   POST /api/verify: the sums of a fragments folder
//
// All of it needs the key. Nothing is read but the models that the server was started
// with, and nothing is written. Handlers are for any number of goroutines.
package admin

import (
	"net/http"
	"sync"

	"eclat/serve/core"
	"eclat/serve/openai"
)

const (
	maxName = 1024      // bytes of a model's name
	maxID   = 128       // bytes of a device's
	maxList = 8         // numbers of a list
	longest = 1_000_000 // tokens of any length that is asked for; the context bounds it further
)

// admin is the state behind the handlers.
type admin struct {
	core    *core.Core
	running chan struct{} // a place for the one measurement at a time

	mu       sync.Mutex
	last     map[string]*lying    // what was told of a model last, by its name
	verified map[string]fragments // what a check of a fragments folder found, by the model's path
}

// Routes adds the paths.
func Routes(c *core.Core, mux *http.ServeMux) {
	a := &admin{core: c, running: make(chan struct{}, 1), last: map[string]*lying{}, verified: map[string]fragments{}}
	add := func(pattern string, answer func(*core.Exchange) error) {
		mux.Handle(pattern, c.Handle(openai.Shape, answer))
	}
	add("GET /api/status", a.status)
	add("POST /models/load", a.load)
	add("POST /models/unload", a.unload)
	add("POST /api/bench", a.bench)
	add("POST /api/compare", a.compare)
	add("POST /api/check", a.check)
	add("POST /api/verify", a.verify)
}
