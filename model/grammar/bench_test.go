package grammar

import (
	"errors"
	"io/fs"
	"testing"

	"eclat/loader"
	"eclat/model/tokenizer"
)

// tekken is the vocabulary of 131,072 tokens that the figures are for.
func tekken(t testing.TB) ([][]byte, []int32) {
	t.Helper()
	f, err := loader.Open("../../../shared/vocab/tekken.gguf")
	if errors.Is(err, fs.ErrNotExist) {
		t.Skip("no ../shared/vocab/tekken.gguf: a GGUF with Mistral's Tekken vocabulary is needed")
	}
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	tok, err := tokenizer.New(f)
	if err != nil {
		t.Fatal(err)
	}
	tokens := make([][]byte, tok.Size())
	var ends []int32
	for id := range tokens {
		tokens[id] = tok.Append(nil, int32(id), false)
		if tok.IsEOG(int32(id)) {
			ends = append(ends, int32(id))
		}
	}
	return tokens, ends
}

const benchSchema = `{"type":"object","properties":{
	"name":{"type":"string"},"code":{"type":"string","maxLength":30},"id":{"type":"string","pattern":"^[A-Z]{2}-[0-9]{4}$"},
	"word":{"type":"string","pattern":"^[a-z]+$"},"find":{"type":"string","pattern":"ab+c"},
	"kind":{"enum":["circle","square","triangle"]},"n":{"type":"integer","minimum":1,"maximum":1000},"x":{"type":"number"},
	"tags":{"type":"array","items":{"type":"string"},"maxItems":100},"any":{},
	"words":{"type":"string","pattern":"^[A-Za-z][A-Za-z0-9 ,.'-]{0,99}$"},"link":{"type":"string","format":"uri"},
	"mail":{"type":"string","format":"email"},"not":{"type":"string","pattern":"^[^<>;]*$"}},
	"required":["name","code","id","word","find","kind","n","x","tags","any","words","link","mail","not"],"additionalProperties":false}`

const toWords = `{"name":"","code":"","id":"AB-0123","word":"a","find":"abc","kind":"circle","n":1,"x":1,"tags":["a"],"any":0,"words":"`

// states are texts that lead to the states one meets.
var states = []struct{ name, text string }{
	{"start", ``},
	{"behind-{", `{`},
	{"string", `{"name":"a long`},
	{"string-end", `{"name":"a long"`},
	{"escape", `{"name":"a\`},
	{"max-length-far", `{"name":"","code":"`},
	{"max-length-near", `{"name":"","code":"aaaaaaaaaaaaaaaaaaaaaaaaa`},
	{"pattern-code", `{"name":"","code":"","id":"A`},
	{"pattern-word", `{"name":"","code":"","id":"AB-0123","word":"a`},
	{"pattern-find", `{"name":"","code":"","id":"AB-0123","word":"a","find":"x`},
	{"enum", `{"name":"","code":"","id":"AB-0123","word":"a","find":"abc","kind":"`},
	{"integer", `{"name":"","code":"","id":"AB-0123","word":"a","find":"abc","kind":"circle","n":1`},
	{"number", `{"name":"","code":"","id":"AB-0123","word":"a","find":"abc","kind":"circle","n":1,"x":1`},
	{"array-string", `{"name":"","code":"","id":"AB-0123","word":"a","find":"abc","kind":"circle","n":1,"x":1,"tags":["a","b`},
	{"value", `{"name":"","code":"","id":"AB-0123","word":"a","find":"abc","kind":"circle","n":1,"x":1,"tags":["a"],"any":`},
	{"pattern-counted", toWords + `Anna`},
	{"format-uri", toWords + `Anna","link":"https://a.example/x`},
	{"format-email", toWords + `Anna","link":"a:b","mail":"anna`},
	{"pattern-not", toWords + `Anna","link":"a:b","mail":"a@b.example","not":"x`},
	{"deep-string", `{"name":"","code":"","id":"AB-0123","word":"a","find":"abc","kind":"circle","n":1,"x":1,"tags":["a"],"any":{"a":[{"b":[["x`},
}

// BenchmarkMask: a mask found anew, and one that is known.
func BenchmarkMask(b *testing.B) {
	tokens, ends := tekken(b)
	v, err := NewVocabulary(tokens, ends)
	if err != nil {
		b.Fatal(err)
	}
	g, err := FromSchema([]byte(benchSchema), SchemaOptions{})
	if err != nil {
		b.Fatal(err)
	}
	mask := make([]uint64, v.Words())
	for _, s := range states {
		for _, how := range []string{"new", "known"} {
			b.Run(s.name+"/"+how, func(b *testing.B) {
				budget := 0
				if how == "known" {
					budget = 32 << 20
				}
				m := NewMasks(g, v, budget).Matcher(4)
				if s.text != "" {
					if err := m.AcceptBytes([]byte(s.text)); err != nil {
						b.Fatal(err)
					}
				}
				if err := m.Mask(mask); err != nil {
					b.Fatal(err)
				}
				b.ReportAllocs()
				for b.Loop() {
					if err := m.Mask(mask); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(Count(mask)), "tokens")
			})
		}
	}
}

// BenchmarkAnswer: what a token of an answer takes on the whole: of the first, whose masks are
// not known yet, and of the next.
func BenchmarkAnswer(b *testing.B) {
	f, err := loader.Open("../../../shared/vocab/tekken.gguf")
	if err != nil {
		b.Skip("no ../shared/vocab/tekken.gguf: ", err)
	}
	defer f.Close()
	tok, err := tokenizer.New(f)
	if err != nil {
		b.Fatal(err)
	}
	tokens, ends := tekken(b)
	v, err := NewVocabulary(tokens, ends)
	if err != nil {
		b.Fatal(err)
	}
	g, err := FromSchema([]byte(benchSchema), SchemaOptions{})
	if err != nil {
		b.Fatal(err)
	}
	ids := tok.Encode(nil, toWords+`Anna van den Berg, who lives by the sea","link":"https://www.example.org/a/long/path?with=words#there","mail":"anna.berg@mail.example.org","not":"whatever she says"}`, false)
	mask := make([]uint64, v.Words())
	answer := func(c *Masks) {
		m := c.Matcher(0)
		for _, id := range ids {
			if err := errors.Join(m.Mask(mask), m.Accept(id)); err != nil {
				b.Fatal(err)
			}
		}
	}
	for _, how := range []string{"first", "next"} {
		b.Run(how, func(b *testing.B) {
			c := NewMasks(g, v, 32<<20)
			if how == "next" {
				answer(c)
			}
			for b.Loop() {
				if how == "first" {
					c = NewMasks(g, v, 32<<20)
				}
				answer(c)
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*len(ids)), "µs/token")
		})
	}
}

// BenchmarkVocabulary: what is done once a model.
func BenchmarkVocabulary(b *testing.B) {
	tokens, ends := tekken(b)
	for b.Loop() {
		if _, err := NewVocabulary(tokens, ends); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkFromSchema: what is done once a request with a new schema.
func BenchmarkFromSchema(b *testing.B) {
	for b.Loop() {
		if _, err := FromSchema([]byte(benchSchema), SchemaOptions{}); err != nil {
			b.Fatal(err)
		}
	}
}
