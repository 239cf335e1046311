package core

import (
	"bytes"
	"encoding/json"
	"net/http"
	"time"
)

// slowest is how long one write to a client may take. A client that reads nothing for so
// long is taken for gone; until then it holds up no other's answer.
const slowest = 2 * time.Minute

// Stream sends server-sent events.
type Stream struct {
	w    http.ResponseWriter
	rc   *http.ResponseController
	buf  bytes.Buffer
	sent time.Time // when something was last sent
}

// quiet is how long a stream may be silent while a prompt is read.
const quiet = 10 * time.Second

// newStream sends the head of a stream.
func newStream(w http.ResponseWriter) *Stream {
	h := w.Header()
	h.Set("Content-Type", "text/event-stream; charset=utf-8")
	h.Set("Cache-Control", "no-cache")
	h.Set("X-Accel-Buffering", "no") // a proxy in between is to pass events on
	w.WriteHeader(http.StatusOK)
	s := &Stream{w: w, rc: http.NewResponseController(w), sent: time.Now()}
	s.rc.Flush()
	return s
}

// Data sends a value as JSON in an event without a name.
func (s *Stream) Data(v any) error { return s.Event("", v) }

// Event sends a value as JSON in an event of a name.
func (s *Stream) Event(name string, v any) error {
	s.buf.Reset()
	if name != "" {
		s.buf.WriteString("event: " + name + "\n")
	}
	s.buf.WriteString("data: ")
	if err := encode(&s.buf, v); err != nil { // it ends with a line break, and has no other
		return err
	}
	s.buf.WriteByte('\n')
	return s.send()
}

// Alive sends a comment, which clients pass over, where nothing was sent for a while: what is
// between them and here takes a silent connection for dead.
func (s *Stream) Alive() error {
	if time.Since(s.sent) < quiet {
		return nil
	}
	s.buf.Reset()
	s.buf.WriteString(": reading the prompt\n\n")
	return s.send()
}

// Text sends a line that is no JSON, as [DONE] is.
func (s *Stream) Text(line string) error {
	s.buf.Reset()
	s.buf.WriteString("data: " + line + "\n\n")
	return s.send()
}

func (s *Stream) send() error {
	s.sent = time.Now()
	s.rc.SetWriteDeadline(s.sent.Add(slowest))
	if _, err := s.w.Write(s.buf.Bytes()); err != nil {
		return err
	}
	return s.rc.Flush()
}

// encode writes a value as one line of JSON. Nothing is escaped for HTML: answers are
// never taken for a page, see Exchange.JSON.
func encode(buf *bytes.Buffer, v any) error {
	e := json.NewEncoder(buf)
	e.SetEscapeHTML(false)
	return e.Encode(v)
}
