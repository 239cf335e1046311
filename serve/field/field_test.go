package field

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
)

// read reads the fields of a made-up request.
func read(body string) (n int, temp float64, stop []string, name string, err error) {
	o, err := Parse([]byte(body))
	if err != nil {
		return 0, 0, nil, "", err
	}
	n = o.Int("n", 1, 1, 16)
	temp = o.Float("temperature", 1, 0, 2)
	stop = o.Texts("stop", 4, 16)
	o.Bool("stream", false)
	o.Choice("effort", "auto", "low")
	for _, m := range o.List("messages", 3) {
		e := o.Element(m)
		name = e.Text("name", 8)
		e.End()
	}
	if f := o.Object("format"); f != nil {
		f.Choice("type", "text", "json")
		f.End()
	}
	o.Without("metadata")
	o.Refuse("audio", "there is no sound")
	o.Only("store", "false", "nothing is stored")
	return n, temp, stop, name, o.End()
}

func TestHonoured(t *testing.T) {
	n, temp, stop, name, err := read(` {"n": 3 , "temperature":0.5,"stop":"end","messages":[{"name":"a\"}]"} , {}, {"name":"\u00e9"}], "format": {"type":"json"},
		"metadata": {"x": [1, 2]}, "audio": null, "store": false, "stream":true, "effort":"low"}` + "\n")
	if err != nil || n != 3 || temp != 0.5 || len(stop) != 1 || stop[0] != "end" || name != "é" {
		t.Errorf("%v, %d, %g, %q, %q", err, n, temp, stop, name)
	}
	if n, temp, stop, _, err = read(`{}`); err != nil || n != 1 || temp != 1 || stop != nil {
		t.Errorf("of nothing: %v, %d, %g, %q", err, n, temp, stop)
	}
}

// TestRefused: what is wrong is said with its path, in one line, and nothing panics.
func TestRefused(t *testing.T) {
	for _, c := range []struct{ body, path, reason string }{
		{``, "", "is empty"},
		{`[]`, "", "is an array, not an object"},
		{`{"n":1} x`, "", "no sound JSON"},
		{`{"n":`, "", "no sound JSON"},
		{"{\"n\":\"\xff\"}", "", "is not UTF-8"},
		{strings.Repeat("[", 300) + strings.Repeat("]", 300), "", "nested more than 200"},
		{`{"n":1,"n":2}`, "n", "twice"},
		{`{"n":1.5}`, "n", "not a whole number"},
		{`{"n":1e0}`, "n", "not a whole number"},
		{`{"n":"1"}`, "n", "is a string, not a number"},
		{`{"n":-1}`, "n", "is -1, not from 1 to 16"},
		{`{"n":99999999999999999999999}`, "n", "not from 1 to 16"},
		{`{"temperature":1e999}`, "temperature", "beyond the range"},
		{`{"temperature":2.5}`, "temperature", "is 2.5, not from 0 to 2"},
		{`{"temperature":true}`, "temperature", "is a boolean"},
		{`{"stop":["a",1]}`, "stop[1]", "is a number, not a string"},
		{`{"stop":["a","b","c","d","e"]}`, "stop", "more than 4"},
		{`{"stop":"` + strings.Repeat("x", 17) + `"}`, "stop", "longer than 16"},
		{`{"stop":"` + strings.Repeat("x", 1000) + `"}`, "stop", "longer than 16"},
		{`{"stream":1}`, "stream", "not true or false"},
		{`{"effort":"medium"}`, "effort", "not one of auto, low"},
		{`{"messages":[{},{"nam":"x"}]}`, "messages[1].nam", "did you mean name?"},
		{`{"messages":[{},2]}`, "messages[1]", "is a number, not an object"},
		{`{"messages":{}}`, "messages", "is an object, not an array"},
		{`{"format":{"type":"xml"}}`, "format.type", "not one of"},
		{`{"audio":{}}`, "audio", "not supported: there is no sound"},
		{`{"store":true}`, "store", "only false is supported"},
		{`{"temprature":1}`, "temprature", "did you mean temperature?"},
		{`{"` + strings.Repeat("k", 5000) + `":1}`, strings.Repeat("k", 80) + "…", "not a field"},
	} {
		_, _, _, _, err := read(c.body)
		var e *Error
		if !errors.As(err, &e) || e.Path != c.path || !strings.Contains(e.Reason, c.reason) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%.60s: %v, want %s … %s", c.body, err, c.path, c.reason)
		}
	}
}

// FuzzParse: whatever comes, no panic; what is read is what encoding/json reads.
func FuzzParse(f *testing.F) {
	for _, s := range []string{`{"n":1,"stop":["a"],"messages":[{"name":"b"}]}`, `{"a":{"b":[1,{"c":"\"]}"}]}}`, `[1, 2 ,3]`, `{"":" "}`, ` {} `} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		read(string(body))
		v, err := Check(body)
		if err != nil {
			return
		}
		walk(t, v, 0)
	})
}

// walk holds the pieces of a value against those that encoding/json finds.
func walk(t *testing.T, v Value, depth int) {
	if depth > 20 {
		return
	}
	switch {
	case v.Is('{'):
		var want map[string]json.RawMessage
		if err := json.Unmarshal(v.Raw, &want); err != nil {
			t.Fatal(err)
		}
		o, _ := v.Object()
		for k, raw := range want {
			if got := o.values[k]; string(got) != strings.TrimSpace(string(raw)) && o.Err() == nil {
				t.Fatalf("%q is %q, want %q", k, got, raw)
			}
			walk(t, Value{v.Path + "." + k, o.values[k]}, depth+1)
		}
	case v.Is('['):
		var want []json.RawMessage
		if err := json.Unmarshal(v.Raw, &want); err != nil {
			t.Fatal(err)
		}
		got, err := v.List(len(want))
		if err != nil || len(got) != len(want) {
			t.Fatalf("%d of %d elements, %v", len(got), len(want), err)
		}
		for _, e := range got {
			walk(t, e, depth+1)
		}
	case v.Is('"'):
		var want string
		if err := json.Unmarshal(v.Raw, &want); err != nil {
			t.Fatal(err)
		}
		if got, err := v.Text(len(want)); err != nil || got != want {
			t.Fatalf("%q, %v, want %q", got, err, want)
		}
	}
}
