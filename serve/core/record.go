package core

import (
	"bytes"
	"encoding/json"
	"io"
	"path/filepath"
	"time"

	"eclat/loader/atomicfile"
)

// maxRecord bounds what is kept of one answer, in bytes.
const maxRecord = 16 << 20

// kept is a record: a request and its answer, without the headers, in which keys are.
type kept struct {
	Time    time.Time       `json:"time"`
	ID      string          `json:"id"`
	Path    string          `json:"path"`
	Status  int             `json:"status"`
	Seconds float64         `json:"seconds"`
	Request json.RawMessage `json:"request,omitempty"`
	Body    string          `json:"body,omitempty"` // instead of Request where that is no JSON
	Answer  string          `json:"answer"`
}

// record keeps a request and its answer in a file of its own.
func (c *Core) record(x *Exchange, seen *watched) error {
	k := kept{Time: x.begun.UTC(), ID: x.ID, Path: x.R.URL.Path, Status: seen.status, Seconds: time.Since(x.begun).Seconds(), Answer: seen.keep.String()}
	if json.Valid(x.Body) {
		k.Request = x.Body
	} else {
		k.Body = string(x.Body)
	}
	var buf bytes.Buffer
	if err := encode(&buf, k); err != nil {
		return err
	}
	name := filepath.Join(c.Record, k.Time.Format("20060102T150405.000")+"-"+x.ID+".json")
	return atomicfile.Write(name, atomicfile.Options{Mode: 0o600}, func(w io.Writer) error {
		_, err := buf.WriteTo(w)
		return err
	})
}
