package jinja

import (
	"context"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// render renders a source with variables given as JSON, all tainted.
func render(t testing.TB, source, vars string, limits Limits) (Text, error) {
	t.Helper()
	v, err := Decode([]byte(vars), true)
	if err != nil {
		t.Fatal(err)
	}
	tmpl, err := Parse(source, limits)
	if err != nil {
		return Text{}, err
	}
	return tmpl.Render(context.Background(), v.(*Dict), time.Unix(1767323045, 0).UTC())
}

// readJSON reads a file of test data.
func readJSON(t testing.TB, path string, v any) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(b, v)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestExpressions: small templates give what jinja2 gives, and fail where it fails.
func TestExpressions(t *testing.T) {
	var data struct {
		Vars  json.RawMessage
		Cases []struct {
			Template string
			Text     *string
			Error    string
		}
	}
	readJSON(t, "testdata/expressions.json", &data)
	if len(data.Cases) < 3000 {
		t.Errorf("only %d cases", len(data.Cases))
	}
	for _, c := range data.Cases {
		got, err := render(t, c.Template, string(data.Vars), Limits{})
		why, known := departures[c.Template]
		switch {
		case known && (c.Text == nil) == (err != nil) && (err != nil || got.String == *c.Text):
			t.Errorf("%q is as in jinja2, and listed as a departure: %s", c.Template, why)
		case known:
		case c.Text == nil && err == nil:
			t.Errorf("%q gives %q; jinja2: %s", c.Template, got.String, c.Error)
		case c.Text != nil && err != nil:
			t.Errorf("%q: %v; jinja2 gives %q", c.Template, err, *c.Text)
		case c.Text != nil && got.String != *c.Text:
			t.Errorf("%q gives\n%q, jinja2\n%q", c.Template, got.String, *c.Text)
		}
	}
}

// conversations is the layout of a file of test conversations and of what is expected.
type conversations struct {
	Vars          map[string]map[string]json.RawMessage
	Conversations []json.RawMessage
}

var more = flag.String("templates", "", "another folder of templates, made by testdata/templates.py")

// TestTemplates: whole templates, each with each conversation.
func TestTemplates(t *testing.T) {
	dirs := []string{"testdata/templates", "../../../../shared/templates"}
	if *more != "" {
		dirs = append(dirs, *more)
	}
	for _, dir := range dirs {
		t.Run(filepath.Base(filepath.Dir(dir)), func(t *testing.T) { templates(t, dir) })
	}
}

// templates renders each template of a folder with each of its conversations.
func templates(t *testing.T, dir string) {
	if _, err := os.Stat(dir); err != nil {
		t.Skip("the real templates are not here: ", dir)
	}
	var all conversations
	readJSON(t, filepath.Join(dir, "conversations.json"), &all)
	files, _ := filepath.Glob(filepath.Join(dir, "*.jinja"))
	cases := 0
	for _, f := range files {
		name := filepath.Base(f[:len(f)-len(".jinja")])
		source, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		tmpl, err := Parse(string(source), Limits{})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		var want struct {
			Cases map[string]struct {
				Text  *string
				Error string
				By    string
			}
		}
		readJSON(t, filepath.Join(dir, "expected", name+".json"), &want)
		for _, raw := range all.Conversations {
			v, err := Decode(raw, true)
			if err != nil {
				t.Fatal(err)
			}
			vars := v.(*Dict)
			id, _ := vars.Get("id")
			vars.remove("s" + "id")
			for k, raw := range all.Vars[name] {
				x, err := Decode(raw, false)
				if err != nil {
					t.Fatal(err)
				}
				vars.Set(k, x)
			}
			got, err := tmpl.Render(context.Background(), vars, time.Unix(1767323045, 0).UTC())
			w, ok := want.Cases[id.(Str).s]
			cases++
			switch {
			case !ok:
				t.Errorf("%s, %s: nothing is expected", name, id.(Str).s)
			case w.By == "either":
			case w.Text == nil && err == nil:
				t.Errorf("%s, %s: no error, expected %s", name, id.(Str).s, w.Error)
			case w.Text != nil && err != nil:
				t.Errorf("%s, %s: %v", name, id.(Str).s, err)
			case w.Text != nil && got.String != *w.Text:
				t.Errorf("%s, %s:\n%q, expected\n%q", name, id.(Str).s, got.String, *w.Text)
			}
		}
	}
	t.Logf("%s: %d cases", dir, cases)
	if cases < 9 {
		t.Errorf("%s: only %d cases", dir, cases)
	}
}
