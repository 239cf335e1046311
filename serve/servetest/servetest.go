// Package servetest runs the built-in model behind a server on loopback. It is for tests
// alone.
package servetest

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"eclat/engine"
	"eclat/engine/keep"
	"eclat/loader"
	"eclat/model"
	"eclat/model/chat"
	"eclat/serve/core"
	"eclat/testdata"
)

// Name is what the model is called.
const Name = "sotu"

// Options say what is served.
type Options struct {
	Template string       // a built-in template's name, or the source of one; "" is chatml, or what the file of Path has
	Path     string       // of the model's file; "" is the built-in model
	Folder   *keep.Folder // of what outlives the server; nil for none
	Engine   engine.Options
	Core     core.Options
}

// Core makes a core of one model, which is loaded at the first request. It is closed with
// the test.
func Core(t testing.TB, o Options) *core.Core {
	t.Helper()
	if o.Template == "" && o.Path == "" {
		o.Template = "chatml"
	}
	if o.Engine.Device == "" {
		o.Engine.Device = "cpu"
	}
	r := core.NewRegistry(core.RegistryOptions{Open: func(ctx context.Context, name, path string, progress func(string, int64, int64)) (*core.Model, error) {
		f, err := file(path, o.Path)
		if err != nil {
			return nil, err
		}
		o.Engine.Progress = progress
		e, err := engine.Open(ctx, f, o.Engine)
		if err != nil {
			return nil, err
		}
		var tmpl *chat.Template
		if o.Template == "" || chat.BuiltIn(o.Template) {
			tmpl, err = chat.Choose(ctx, f, o.Template)
		} else {
			tmpl, err = chat.Parse(ctx, "test", "a test", o.Template, "<s>", "</s>")
		}
		if err != nil {
			e.Close()
			return nil, err
		}
		m, err := core.NewModel(name, path, e, tmpl, nil)
		if err != nil || o.Folder == nil {
			return m, err
		}
		k, err := o.Folder.Keep(ctx, e, tmpl.Source)
		if err != nil {
			e.Close()
			return nil, err
		}
		m.Closing = k.Close
		return m, nil
	}})
	if err := r.Add(core.Found{Name: Name, Path: testdata.ModelName, Bytes: int64(len(testdata.Model)), Time: time.Unix(1e9, 0)}); err != nil {
		t.Fatal(err)
	}
	o.Core.Models = r
	if o.Core.Machine.Open == nil {
		o.Core.Machine = machine(o.Engine)
	}
	if o.Core.Log == nil {
		o.Core.Log = slog.New(slog.DiscardHandler)
	}
	t.Cleanup(func() { r.Close() })
	return core.New(o.Core)
}

func file(name, path string) (*loader.File, error) {
	if path != "" {
		return loader.Open(path)
	}
	return loader.FromBytes(name, testdata.Model)
}

// machine is the processor and the reference, on which the built-in model may be measured.
func machine(o engine.Options) core.Machine {
	return core.Machine{
		Version: "eclat test",
		Devices: func() (infos []model.DeviceInfo) {
			list, _ := engine.Devices(o.Threads)
			for _, d := range list {
				if info := d.Info(); !info.GPU() {
					infos = append(infos, info)
				}
			}
			return infos
		},
		Open: func(ctx context.Context, _, path, device string, a core.Alone) (*engine.Engine, error) {
			f, err := loader.FromBytes(path, testdata.Model)
			if err != nil {
				return nil, err
			}
			return engine.Open(ctx, f, engine.Options{Device: device, Context: a.Context, Probe: a.Probe})
		},
		Backend: func(ctx context.Context, device string) (model.Backend, error) {
			b, _, err := engine.OpenDevice(ctx, engine.Options{Device: device})
			return b, err
		},
	}
}

// Start serves a handler on loopback until the test ends, and gives its address without a
// slash at the end.
func Start(t testing.TB, h http.Handler) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(func() {
		s.CloseClientConnections()
		s.Close()
	})
	return s.URL
}

// Post posts JSON and gives the status and the body.
func Post(t testing.TB, url, body string, header ...string) (int, string) {
	t.Helper()
	req, err := http.NewRequest(http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	return Do(t, req, header...)
}

// Get gets a page.
func Get(t testing.TB, url string, header ...string) (int, string) {
	t.Helper()
	req, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	return Do(t, req, header...)
}

// Do sends a request with further headers, each a name and a value.
func Do(t testing.TB, req *http.Request, header ...string) (int, string) {
	t.Helper()
	for i := 0; i+1 < len(header); i += 2 {
		if header[i] == "Host" {
			req.Host = header[i+1]
		}
		req.Header.Set(header[i], header[i+1])
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(b)
}

// Log is a log that a test can read.
type Log struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *Log) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(b)
}

func (l *Log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}
