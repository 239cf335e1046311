package grammar

import (
	"fmt"
	"strings"
	"testing"
)

// TestSchemaRefused: what cannot be honoured is refused, each with the path of the keyword.
func TestSchemaRefused(t *testing.T) {
	bad := []struct{ key, value string }{
		{"not", `{"type":"null"}`}, {"if", `{}`}, {"then", `{}`}, {"dependentRequired", `{}`}, {"dependentSchemas", `{}`},
		{"patternProperties", `{}`}, {"propertyNames", `{}`}, {"contains", `{}`}, {"unevaluatedProperties", `false`},
		{"unevaluatedItems", `false`}, {"$dynamicRef", `"#x"`}, {"$anchor", `"x"`}, {"nullable", `true`}, {"discriminator", `{}`}, {"unknown", `1`},
		{"uniqueItems", `true`}, {"pattern", `"(?=a)"`}, {"pattern", `"a\\b"`}, {"pattern", `"(a)\\1"`}, {"pattern", `"["`}, {"pattern", `5`},
		{"pattern", `"(a|b)*a(a|b){30}"`}, {"pattern", `"((a{90}){90}){90}"`},
		{"format", `"idn-email"`}, {"minLength", `-1`}, {"maxLength", `1.5`}, {"minimum", `"1"`}, {"multipleOf", `0`}, {"multipleOf", `0.33331`},
		{"type", `"text"`}, {"required", `"a"`}, {"properties", `[]`}, {"items", `[{}]`}, {"enum", `[]`}, {"enum", `1`}, {"anyOf", `{}`}, {"$ref", `"other.json"`},
		{"$ref", `"#/nowhere"`}, {"additionalProperties", `1`}, {"minProperties", `3`}, {"oneOf", `[{"type":"integer"},{"type":"number"}]`},
	}
	// Where a schema may stand: the document around it, and its path.
	places := []struct{ around, path string }{
		{`%s`, `#`},
		{`{"type":"object","properties":{"a/b":%s},"required":["a/b"]}`, `#/properties/a~1b`},
		{`{"type":"array","items":%s}`, `#/items`},
		{`{"anyOf":[{"type":"null"},%s]}`, `#/anyOf/1`},
		{`{"$defs":{"d":%s},"type":"array","items":{"$ref":"#/$defs/d"}}`, `#/$defs/d`},
		{`{"allOf":[{"title":"x"},%s]}`, `#/allOf/1`},
	}
	n := 0
	for _, p := range places {
		for _, b := range bad {
			doc := fmt.Sprintf(p.around, fmt.Sprintf(`{%q:%s}`, b.key, b.value))
			_, err := FromSchema([]byte(doc), SchemaOptions{})
			path := p.path + "/" + b.key
			if err == nil || !strings.Contains(err.Error(), path) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%s: %v, which should name %s", doc, err, path)
			}
			n++
		}
	}
	for _, c := range []struct{ doc, says string }{
		{``, `unexpected EOF`}, {`{`, `unexpected EOF`}, {`{} {}`, `something follows`}, {`"x"`, `a schema is an object`}, {"\"\xff\"", `UTF-8`},
		{`{"type":"string","type":"null"}`, `"type" stands twice`}, {`false`, `#: no value`}, {`{"type":"array","items":false,"minItems":1}`, `no value`},
		{`{"type":"string","minLength":3,"maxLength":2}`, `#/maxLength: no value`}, {`{"type":"integer","minimum":3,"maximum":2}`, `#/maximum`},
		{`{"allOf":[{"type":"string"},{"type":"null"}]}`, `no value`}, {`{"type":"object","required":["a"],"additionalProperties":false}`, `#/required/0: no value`},
		{`{"$ref":"#"}`, `the rule never ends`}, {`{"$defs":{"a":{"$ref":"#/$defs/b"},"b":{"$ref":"#/$defs/a"}},"$ref":"#/$defs/a"}`, `the rule never ends`},
		{`{"$defs":{"a":{"allOf":[{"$ref":"#/$defs/a"},{"type":"null"}]}},"$ref":"#/$defs/a"}`, `circular`},
		{`{"$defs":{"a":{"type":"object","properties":{"x":{"$ref":"#/$defs/a"}},"required":["x"]}},"$ref":"#/$defs/a"}`, `"#/$defs/a": the rule never ends`},
		{`{"enum":[{"a":1}],"properties":{"a":{}}}`, `#/properties`},
		{`{"allOf":[{"anyOf":[{},{}]},{"anyOf":[{},{}]}]}`, `#/allOf/1/anyOf: it cannot be merged with that of #/allOf/0/anyOf`},
		{`{"properties":{"a\u001b\n":{"not":{}}}}`, `#/properties/a\x1b\n/not`},
		{`{"type":"integer","minimum":1e999999999}`, `#/minimum`},
		{`{"type":"string","maxLength":9000,"pattern":"a"}`, `automaton`},
		{`{"oneOf":[{"type":"array"},{"type":"array","maxItems":1}]}`, `#/oneOf: oneOf is supported only`},
		{`{"oneOf":[{"type":"null"},{"type":"boolean"},{"type":["boolean","string"]}]}`, `(branches 1 and 2)`},
		{`{"oneOf":[{"type":"object"},{"type":"object","required":["a"]}]}`, `#/oneOf`},
		{`{"oneOf":[{"enum":[1,2]},{"enum":[2.0,3]}]}`, `#/oneOf`},
		{`{"oneOf":[{"type":"string"},{"const":"x"}]}`, `#/oneOf`},
		{`{"oneOf":[{"type":"string","pattern":"a"},{"type":"string","pattern":"b"}]}`, `#/oneOf`},
		{`{"oneOf":[{"anyOf":[{"type":"null"},{"type":"array"}]},{"type":"null"}]}`, `#/oneOf`},
		{strings.Repeat(`{"items":`, 1000) + `{}` + strings.Repeat(`}`, 1000), `nested deeper`},
	} {
		_, err := FromSchema([]byte(c.doc), SchemaOptions{})
		if err == nil || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%.200s: %v, which should say %q", c.doc, err, c.says)
		}
		n++
	}
	t.Logf("%d schemas refused", n)
}

func TestSchemaStrict(t *testing.T) {
	v := byteVocabulary(t)
	doc := []byte(`{"type":"object","properties":{"a":{"type":"object","properties":{"b":{}}}}}`)
	for _, strict := range []bool{false, true} {
		g, err := FromSchema(doc, SchemaOptions{Strict: strict})
		if err != nil {
			t.Fatal(err)
		}
		m := NewMasks(g, v, 1<<20).Matcher(0)
		for _, text := range []string{`{"x":1}`, `{"a":{"x":1}}`} {
			if accepts(m, text) == strict {
				t.Errorf("strict %v: %s taken: %v", strict, text, !strict)
			}
		}
		if !accepts(m, `{"a":{"b":1}}`) {
			t.Errorf("strict %v refuses what it names", strict)
		}
	}
}

// TestSchemaHostile: large or twisted documents are compiled or refused, without a panic or
// much memory. That they take no more than a second is in the benchmark of the same name.
func TestSchemaHostile(t *testing.T) {
	for name, doc := range hostileSchemas() {
		if _, err := FromSchema([]byte(doc), SchemaOptions{}); err != nil && strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func hostileSchemas() map[string]string {
	repeat := func(n int, f func(i int) string) string {
		var all []string
		for i := range n {
			all = append(all, f(i))
		}
		return strings.Join(all, ",")
	}
	// Each level doubles what the one before makes, once merged.
	double := `"d0":{"properties":{"x":{"type":"null"}}}`
	for i := 1; i < 60; i++ {
		double += fmt.Sprintf(`,"d%d":{"anyOf":[{"allOf":[{"$ref":"#/$defs/d%d"},{"minProperties":0}]},{"allOf":[{"$ref":"#/$defs/d%d"},{"maxProperties":9}]}],"type":"object"}`, i, i-1, i-1)
	}
	return map[string]string{
		"optional properties": `{"type":"object","additionalProperties":false,"properties":{` + repeat(20000, func(i int) string { return fmt.Sprintf(`"p%d":{"type":"integer","minimum":%d}`, i, i) }) + `}}`,
		"1000 optional": `{"type":"object","additionalProperties":false,"properties":{` + repeat(1000, func(i int) string {
			return fmt.Sprintf(`"property%d":{"type":"string","description":"%s"}`, i, strings.Repeat("x", 900))
		}) + `}}`,
		"300 optional":    `{"type":"object","additionalProperties":false,"properties":{` + repeat(300, func(i int) string { return fmt.Sprintf(`"property%d":{"type":"string"}`, i) }) + `}}`,
		"1000 required":   `{"type":"object","additionalProperties":false,"properties":{` + repeat(1000, func(i int) string { return fmt.Sprintf(`"property%d":{"type":"string"}`, i) }) + `},"required":[` + repeat(1000, func(i int) string { return fmt.Sprintf(`"property%d"`, i) }) + `]}`,
		"5000 words":      `{"enum":[` + repeat(5000, func(i int) string { return fmt.Sprintf(`"value %d"`, i*7919) }) + `]}`,
		"open properties": `{"type":"object","properties":{` + repeat(1500, func(i int) string { return fmt.Sprintf(`"name%d":{}`, i*i) }) + `}}`,
		"enum":            `{"enum":[` + repeat(60000, func(i int) string { return fmt.Sprintf(`"value %d"`, i*7919) }) + `]}`,
		"long enum":       `{"enum":[` + repeat(16, func(i int) string { return fmt.Sprintf(`"%d%s"`, i, strings.Repeat("x", 60000)) }) + `]}`,
		"anyOf of objects": `{"anyOf":[` + repeat(3000, func(i int) string {
			return fmt.Sprintf(`{"type":"object","properties":{"k%d":{"type":"string"}},"required":["k%d"]}`, i, i)
		}) + `]}`,
		"references": `{"$defs":{` + repeat(9000, func(i int) string {
			return fmt.Sprintf(`"d%d":{"anyOf":[{"$ref":"#/$defs/d%d"},{"type":"null"}]}`, i, i+1)
		}) + `,"d9000":{}},"$ref":"#/$defs/d0"}`,
		"patterns":         `{"anyOf":[` + repeat(200, func(i int) string { return fmt.Sprintf(`{"type":"string","pattern":"(a|b)*a(a|b){%d}c"}`, i%12) }) + `]}`,
		"one pattern":      `{"type":"string","pattern":"` + strings.Repeat("(a|b)?c*", 4000) + `"}`,
		"counts":           `{"type":"array","minItems":1000000,"items":{"type":"array","maxItems":1000000,"items":{"type":"string","minLength":65536,"maxLength":1000000}}}`,
		"doubling":         `{"$defs":{` + double + `},"$ref":"#/$defs/d59"}`,
		"nested anyOf":     strings.Repeat(`{"anyOf":[{"type":"null"},`, 60) + `{}` + strings.Repeat(`]}`, 60),
		"nested arrays":    strings.Repeat(`{"type":"array","minItems":2,"maxItems":9,"items":`, 60) + `{}` + strings.Repeat(`}`, 60),
		"merged recursion": `{"$defs":{"a":{"allOf":[{"properties":{"x":{"$ref":"#/$defs/a"}}},{"properties":{"x":{"$ref":"#/$defs/b"}}}]},"b":{"allOf":[{"properties":{"x":{"$ref":"#/$defs/b"}}},{"properties":{"x":{"$ref":"#/$defs/a"}}}]}},"$ref":"#/$defs/a"}`,
		"oneOf":            `{"oneOf":[` + repeat(64, func(i int) string { return fmt.Sprintf(`{"type":"string","pattern":"^%d(a|b)*a(a|b){9}$"}`, i) }) + `]}`,
		"enum of digits":   `{"type":"integer","multipleOf":3999,"minimum":-99999999999999999999,"maximum":99999999999999999999}`,
		"wide characters":  `{"type":"string","pattern":"^(` + strings.Repeat(`[^a-z]\\p{L}`, 300) + `)$"}`,
	}
}

// BenchmarkSchemaHostile: each within a second.
func BenchmarkSchemaHostile(b *testing.B) {
	for name, doc := range hostileSchemas() {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			var err error
			for b.Loop() {
				_, err = FromSchema([]byte(doc), SchemaOptions{})
			}
			b.Logf("%d bytes: %.120v", len(doc), err)
		})
	}
}
