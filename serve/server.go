package serve

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"eclat/serve/admin"
	"eclat/serve/anthropic"
	"eclat/serve/core"
	"eclat/serve/openai"
	"eclat/serve/responses"
	"eclat/serve/web"
)

// Server serves a core's models.
type Server struct {
	core   *core.Core
	http   *http.Server
	cancel context.CancelCauseFunc // ends all requests
}

// New makes a server with all routes.
func New(c *core.Core) *Server {
	ctx, cancel := context.WithCancelCause(context.Background())
	s := &Server{core: c, cancel: cancel}
	s.http = &http.Server{
		Handler:           Handler(c),
		ReadHeaderTimeout: 20 * time.Second,
		IdleTimeout:       3 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ErrorLog:          slog.NewLogLogger(c.Log.Handler(), slog.LevelWarn),
	}
	return s
}

// app is the web app's files, the same ones for every server. They are packed on first use.
var app = sync.OnceValue(web.Handler)

// Handler is the routes behind the guard.
func Handler(c *core.Core) http.Handler {
	mux := http.NewServeMux()
	openai.Routes(c, mux)
	anthropic.Routes(c, mux)
	responses.Routes(c, mux)
	admin.Routes(c, mux)
	for _, path := range []string{"/{$}", "/app/", "/vendor/"} { // the page asks for the key itself
		mux.Handle("GET "+path, c.HandleOpen(openai.Shape, func(x *core.Exchange) error {
			app().ServeHTTP(x.W, x.R)
			return nil
		}))
	}
	mux.Handle("GET /health", c.HandleOpen(openai.Shape, health(c)))
	mux.Handle("GET /v1/health", c.HandleOpen(openai.Shape, health(c)))
	mux.Handle("GET /metrics", c.Handle(openai.Shape, metrics(c)))
	mux.Handle("/", c.Handle(openai.Shape, func(x *core.Exchange) error {
		return core.Errorf(http.StatusNotFound, "there is nothing at %s %.100q", x.R.Method, x.R.URL.Path)
	}))
	return c.Guard.Wrap(mux, openai.Shape)
}

// Serve answers until ctx ends. Then nothing new is taken, and answers on their way have as
// long as patience to finish; what is left then is cancelled.
func (s *Server) Serve(ctx context.Context, l net.Listener, patience time.Duration) error {
	failed := make(chan error, 1)
	go func() { failed <- s.http.Serve(l) }()
	select {
	case err := <-failed:
		s.cancel(core.ErrEnding)
		return err
	case <-ctx.Done():
	}
	wait, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	err := s.http.Shutdown(wait)
	s.cancel(core.ErrEnding) // the requests that are left end at their next step
	if err != nil {
		s.core.Log.Warn("some answers were cut off", "patience", patience)
		last, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		s.http.Shutdown(last)
	}
	s.http.Close()
	if e := <-failed; !errors.Is(e, http.ErrServerClosed) {
		return e
	}
	return err
}
