package grammar

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// FuzzGBNF: any text is a grammar or refused in one line; and what a walk under its masks
// takes, the matcher takes byte by byte.
func FuzzGBNF(f *testing.F) {
	for _, s := range []string{`root ::= "a"`, "root ::= x*\nx ::= [a-z]{2,} | \"(\" root \")\"", `root ::= "\u00e9" . [^a]? {3}`, "root ::= a | b\na ::= \"x\" a | \"y\"\nb ::= \"x\" b", `root ::= ("a"{1,9}){1,9}`} {
		f.Add(s)
	}
	v := byteVocabulary(f)
	f.Fuzz(func(t *testing.T, text string) {
		g, err := FromGBNF(text)
		if err != nil {
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("an error of several lines: %q", err)
			}
			return
		}
		shortWalk(t, NewMasks(g, v, 1<<16).Matcher(2))
	})
}

// FuzzSchema: the same for schemas; and a text that has ended is valid.
func FuzzSchema(f *testing.F) {
	for _, c := range schemaCases {
		f.Add(c.schema)
	}
	v := byteVocabulary(f)
	f.Fuzz(func(t *testing.T, text string) {
		g, err := FromSchema([]byte(text), SchemaOptions{})
		if err != nil {
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("an error of several lines: %q", err)
			}
			return
		}
		out, ended := shortWalk(t, NewMasks(g, v, 1<<16).Matcher(2))
		if !ended {
			return
		}
		doc, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		c := jsonschema.NewCompiler()
		c.AssertFormat()
		if c.AddResource("schema.json", doc) != nil {
			return
		}
		s, err := c.Compile("schema.json")
		if err != nil {
			return // the validator is stricter about what is never used
		}
		if err := judge(s, out); err != nil {
			t.Errorf("%s\n%q: %v", text, out, err)
		}
	})
}

// shortWalk walks a little under masks and fails where the matcher does not agree with them.
func shortWalk(t *testing.T, m *Matcher) (text string, ended bool) {
	mask := make([]uint64, m.v.Words())
	rng := rand.New(rand.NewPCG(1, 1))
	var out []byte
	for range 60 {
		if err := m.Mask(mask); err != nil {
			return "", false // too ambiguous
		}
		if m.Final() && len(out) > 20 {
			return string(out), true
		}
		var may []int32
		for id := range int32(m.v.Len()) {
			if mask[id/64]>>(id%64)&1 != 0 {
				may = append(may, id)
			}
		}
		id := may[rng.IntN(len(may))]
		if err := m.Accept(id); err != nil {
			t.Fatalf("behind %q the mask allows token %d, the matcher does not: %v", out, id, err)
		}
		if m.Done() {
			return string(out), true
		}
		out = append(out, m.v.tokens[id]...)
	}
	return "", false
}
