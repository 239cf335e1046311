package core

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"strconv"
	"sync"
	"time"

	"eclat/model"
	"eclat/serve/field"
)

// Options say how a Core serves. The zero value of a number is its default.
type Options struct {
	Guard     Guard
	Models    *Registry
	Log       *slog.Logger  // nil: slog.Default()
	Record    string        // folder that requests and answers are kept in; "" for none
	Prompts   bool          // log the prompts of conversations, as the model has them
	MaxBody   int64         // most bytes of a body
	MaxAtOnce int           // most requests at once, of all that are not done
	Draft     int           // most tokens that the engine guesses at a time, see engine.Request
	Pooling   model.Pooling // of embeddings; NoPooling: as each model's file says
	Machine   Machine
	Now       func() time.Time // what templates take for today; nil: time.Now
}

// Defaults of Options.
const (
	DefaultMaxBody   = 32 << 20
	DefaultMaxAtOnce = 512
)

// Core is the state of a server.
type Core struct {
	Options
	Metrics *Metrics
	places  chan struct{} // of requests at once
	bodies  budget        // bytes of bodies that are held
	runs    runs
	checks  checks
}

// New makes a core.
func New(o Options) *Core {
	o.MaxBody = cmp.Or(o.MaxBody, DefaultMaxBody)
	o.MaxAtOnce = cmp.Or(o.MaxAtOnce, DefaultMaxAtOnce)
	o.Log = cmp.Or(o.Log, slog.Default())
	if o.Now == nil {
		o.Now = time.Now
	}
	c := &Core{Options: o, places: make(chan struct{}, o.MaxAtOnce)}
	c.bodies.left.Store(8 * o.MaxBody)
	c.Metrics = newMetrics(c)
	return c
}

// Shape is how an API writes errors.
type Shape struct {
	Body  func(e *Error) any // as JSON
	Event string             // of an error inside a stream; "" for one without a name
}

// Exchange is a request and its answer.
type Exchange struct {
	*Core
	W      http.ResponseWriter
	R      *http.Request
	ID     string // of this request, in the log and in records
	Caller string // whose prompts may be shared, see engine.Request
	Body   []byte // of a POST

	stream *Stream
	lease  *Lease
	begun  time.Time

	mu    sync.Mutex // choices of an answer end at once
	notes []slog.Attr
}

// Handle makes a handler of a function that answers. Its error is written as the shape
// says; inside a stream it is the last event. A POST must be JSON: what a page elsewhere
// may post without asking (text/plain, forms) is refused.
func (c *Core) Handle(shape Shape, answer func(x *Exchange) error) http.Handler {
	return c.handle(shape, (*Exchange).enter, answer)
}

// HandleOpen is Handle for what needs no key, nor a place among the requests at work.
func (c *Core) HandleOpen(shape Shape, answer func(x *Exchange) error) http.Handler {
	return c.handle(shape, func(*Exchange) (func(), error) { return func() {}, nil }, answer)
}

func (c *Core) handle(shape Shape, enter func(x *Exchange) (leave func(), err error), answer func(x *Exchange) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		x := &Exchange{Core: c, R: r, ID: NewID(""), begun: time.Now()}
		seen := &watched{ResponseWriter: w}
		x.W = seen
		var err error
		defer func() {
			if x.lease != nil {
				x.lease.Release()
			}
			if fault := recover(); fault != nil {
				c.log(x, seen, errors.New("panic"))
				panic(fault) // net/http tells of it, and ends the connection
			}
			c.log(x, seen, err)
		}()
		if c.Record != "" && r.Method == http.MethodPost {
			seen.keep = new(bytes.Buffer)
		}
		w.Header().Set("X-Request-Id", x.ID)
		var leave func()
		if leave, err = enter(x); err == nil {
			defer leave()
			if err = x.read(); err == nil {
				defer c.bodies.give(int64(len(x.Body)))
				err = answer(x)
			}
		}
		if err != nil {
			x.fail(shape, err)
		}
		if seen.keep != nil {
			if err := c.record(x, seen); err != nil {
				c.Log.Warn("a request was not recorded", "err", err)
			}
		}
	})
}

// enter finds out who asks, and takes a place.
func (x *Exchange) enter() (leave func(), err error) {
	if x.Caller, err = x.Guard.caller(x.R); err != nil {
		return nil, err
	}
	select {
	case x.places <- struct{}{}:
		return func() { <-x.places }, nil
	default:
		return nil, busy("%d requests are at work already", cap(x.places))
	}
}

// read reads the body of a POST.
func (x *Exchange) read() error {
	if x.R.Method != http.MethodPost {
		return nil
	}
	if t, _, err := mime.ParseMediaType(x.R.Header.Get("Content-Type")); err != nil || t != "application/json" {
		return Errorf(http.StatusUnsupportedMediaType, "Content-Type is %.60q, not application/json", x.R.Header.Get("Content-Type"))
	}
	if e := x.R.Header.Get("Content-Encoding"); e != "" && e != "identity" {
		return Errorf(http.StatusUnsupportedMediaType, "Content-Encoding %.40q is not supported", e)
	}
	if x.R.ContentLength > x.MaxBody {
		return &http.MaxBytesError{Limit: x.MaxBody}
	}
	take := x.R.ContentLength
	if take < 0 {
		take = x.MaxBody // it does not say how long it is
	}
	if !x.bodies.take(take) {
		return busy("the bodies of other requests take all the memory there is for them")
	}
	http.NewResponseController(x.W).SetReadDeadline(time.Now().Add(slowest))
	b, err := io.ReadAll(http.MaxBytesReader(x.W, x.R.Body, x.MaxBody))
	http.NewResponseController(x.W).SetReadDeadline(time.Time{})
	x.bodies.give(take - int64(len(b))) // may be less than nothing: it took longer than it said
	if err != nil {
		x.bodies.give(int64(len(b)))
		if large := (*http.MaxBytesError)(nil); errors.As(err, &large) {
			return err
		}
		return Errorf(http.StatusBadRequest, "the body could not be read to its end")
	}
	x.Body = b
	return nil
}

// Context ends when the client has left.
func (x *Exchange) Context() context.Context { return x.R.Context() }

// Fields begins to read the body.
func (x *Exchange) Fields() (*field.Object, error) { return field.Parse(x.Body) }

// Note adds something to the request's line in the log.
func (x *Exchange) Note(attrs ...slog.Attr) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.notes = append(x.notes, attrs...)
}

// Took is how long the request has taken so far.
func (x *Exchange) Took() time.Duration { return time.Since(x.begun) }

// JSON answers with a value.
func (x *Exchange) JSON(v any) error { return x.json(http.StatusOK, v) }

func (x *Exchange) json(status int, v any) error {
	var buf bytes.Buffer
	if err := encode(&buf, v); err != nil {
		return err
	}
	h := x.W.Header()
	h.Set("Content-Type", "application/json; charset=utf-8")
	h.Set("Content-Length", strconv.Itoa(buf.Len()))
	rc := http.NewResponseController(x.W)
	rc.SetWriteDeadline(time.Now().Add(slowest))
	x.W.WriteHeader(status)
	_, err := x.W.Write(buf.Bytes())
	if err != nil {
		return context.Canceled // the client has left
	}
	return nil
}

// Stream begins an answer of events, where it has not begun.
func (x *Exchange) Stream() *Stream {
	if x.stream == nil {
		x.stream = newStream(x.W)
	}
	return x.stream
}

// fail writes an error.
func (x *Exchange) fail(shape Shape, err error) {
	if context.Cause(x.R.Context()) == ErrEnding {
		err = ErrEnding
	}
	e := Of(err)
	switch {
	case x.stream == nil:
		if e.RetryAfter > 0 {
			x.W.Header().Set("Retry-After", strconv.Itoa(e.RetryAfter))
		}
		if e.Status == http.StatusUnauthorized {
			x.W.Header().Set("WWW-Authenticate", `Bearer realm="eclat"`)
		}
		x.json(e.Status, shape.Body(e))
	default: // also where the client has most likely left
		x.stream.Event(shape.Event, shape.Body(e))
	}
}

// log writes the request's line.
func (c *Core) log(x *Exchange, seen *watched, err error) {
	status, level := seen.status, slog.LevelInfo
	if err != nil {
		e := Of(err)
		if x.R.Context().Err() != nil || status == 0 {
			status = e.Status
		}
		if x.R.Context().Err() != nil {
			status = statusGone
		}
		x.Note(slog.String("error", short(e.Message)))
		if e.Status >= 500 {
			level = slog.LevelError
		}
	}
	took := time.Since(x.begun)
	attrs := append([]slog.Attr{
		slog.String("id", x.ID), slog.String("method", x.R.Method), slog.String("path", short(x.R.URL.Path)),
		slog.Int("status", status), slog.Int64("bytes", seen.bytes), slog.Duration("took", took.Round(time.Microsecond)),
	}, x.notes...)
	c.Log.LogAttrs(context.Background(), level, "request", attrs...)
	c.Metrics.request(x.R.Pattern, status, took)
}

// short bounds what is logged of a text from outside; slog escapes it.
func short(s string) string {
	if len(s) > 200 {
		s = s[:200] + "…"
	}
	return s
}

// NewID is a new name that nothing else has.
func NewID(prefix string) string {
	var b [12]byte
	rand.Read(b[:])
	return prefix + hex.EncodeToString(b[:])
}

// watched is a ResponseWriter that sees what is written.
type watched struct {
	http.ResponseWriter
	status int
	bytes  int64
	keep   *bytes.Buffer // of what is written, for a record; nil for none
}

func (w *watched) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *watched) Write(b []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	n, err := w.ResponseWriter.Write(b)
	w.bytes += int64(n)
	if w.keep != nil && w.keep.Len() < maxRecord {
		w.keep.Write(b[:min(n, maxRecord-w.keep.Len())])
	}
	return n, err
}

// Unwrap is for http.ResponseController.
func (w *watched) Unwrap() http.ResponseWriter { return w.ResponseWriter }
