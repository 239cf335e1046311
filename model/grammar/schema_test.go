package grammar

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// validator is an independent judge of a schema, formats included.
func validator(t testing.TB, schema string) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(schema))
	if err != nil {
		t.Fatalf("%s: %v", schema, err)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource("schema.json", doc); err != nil {
		t.Fatalf("%s: %v", schema, err)
	}
	s, err := c.Compile("schema.json")
	if err != nil {
		t.Fatalf("%s: %v", schema, err)
	}
	return s
}

func judge(s *jsonschema.Schema, text string) error {
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
	if err != nil {
		return err
	}
	return s.Validate(doc)
}

// schemaCases: what each schema takes and does not. ⏎ stands for a line end in a text.
var schemaCases = []struct {
	schema, yes, no string // texts, one a line
}{
	{`{"type":"object","properties":{"a":{"type":"integer"},"b":{"type":"string"}},"required":["a"],"additionalProperties":false}`,
		`{"a":1}
{"a":-12,"b":"x"}
{ "a": 0, "b": "\u00e9\ud83d\ude00 \"é" }`, `{}
{"b":"x","a":1}
{"a":1.5}
{"a":01}
{"a":1,"c":2}
{"a":1,}
{"a":1,"b":"\ud83d"}
{  "a":1}
{"a":1} `},
	{`{"type":"object"}`, `{}
{ }
{"a":{"b":[1,2.5e3,null,true,"x",{}]},"a":[]}`, `[]
{  }
{"a"}
{"a":[1,]}`},
	{`{"type":["string","null"],"maxLength":3,"minLength":1}`, `"a"
"日本語"
"\n\u0041x"
"\ud83d\ude00xx"
null`, `""
"abcd"
1`},
	{`{"type":"string","pattern":"^a+b$|c"}`, `"aab"
"c"
"xxcyy"
"\"c\\"`, `"aabx"
"ab "
"xab"`},
	{`{"type":"string","pattern":"b.d","minLength":4,"maxLength":5}`, `"abcd"
"bxdyy"`, `"bcd"
"abcdef"`},
	{`{"type":"integer","minimum":-5,"exclusiveMaximum":120}`, `-5
0
119
99`, `-6
120
-10
1000
1.0`},
	{`{"type":"number","exclusiveMinimum":0,"maximum":1.25}`, `0.1
1.25
1.250
1
0.0001`, `0
0.0
1.26
1.2501
-0.5
1e0`},
	{`{"type":"number","multipleOf":0.25}`, `0.25
1
-7.50
100.75`, `0.1
1.251`},
	{`{"type":"integer","multipleOf":7,"minimum":10,"maximum":30}`, `14
21
28`, `7
15
35`},
	{`{"type":"array","items":{"type":"integer"},"minItems":2,"maxItems":3}`, `[1,2]
[ 1, 2,⏎3 ]`, `[1]
[1,2,3,4]
[]`},
	{`{"type":"array","prefixItems":[{"type":"integer"},{"type":"string"}],"items":{"type":"null"}}`, `[]
[1]
[1,"a"]
[1,"a",null,null]`, `["a"]
[1,2]
[1,"a",1]`},
	{`{"type":"array","prefixItems":[{"type":"integer"}],"items":false,"minItems":1}`, `[1]`, `[]
[1,2]`},
	{`{"enum":[1,"a",null,{"x":[1]},2.50]}`, `1
"a"
null
{"x":[1]}
{ "x": [ 1 ] }
2.5`, `2
"b"
{"x":[2]}`},
	{`{"type":"string","enum":["a","bb",3],"minLength":2}`, `"bb"`, `"a"
3`},
	{`{"const":"say \"hi\"\n"}`, `"say \"hi\"\n"`, `"say"`},
	{`{"anyOf":[{"type":"integer"},{"type":"string","maxLength":1}],"minimum":3}`, `3
"a"`, `2
"ab"`},
	{`{"oneOf":[{"type":"object","properties":{"k":{"const":"a"},"v":{"type":"integer"}},"required":["k","v"]},{"type":"object","properties":{"k":{"const":"b"}},"required":["k"]}]}`,
		`{"k":"a","v":1}
{"k":"b"}
{"k":"b","v":"x"}`, `{"k":"a"}
{"k":"c"}`},
	{`{"oneOf":[{"type":"integer","maximum":5},{"type":"number","exclusiveMinimum":5},{"type":"string","pattern":"^a"},{"type":"string","pattern":"^b"},{"const":"c"},{"type":"null"}]}`,
		`5
5.5
6
"ab"
"ba"
"c"
null`, `4.5
"d"
true`},
	{`{"allOf":[{"type":"object","properties":{"a":{"type":"integer","minimum":1}}},{"properties":{"a":{"maximum":3},"b":true},"required":["a"],"additionalProperties":false}]}`,
		`{"a":1}
{"a":3,"b":[{}]}`, `{"a":0}
{"a":4}
{"b":1}
{"a":1,"c":1}`},
	{`{"$defs":{"node":{"type":"object","properties":{"v":{"type":"integer"},"next":{"anyOf":[{"$ref":"#/$defs/node"},{"type":"null"}]}},"required":["v","next"],"additionalProperties":false}},"$ref":"#/$defs/node"}`,
		`{"v":1,"next":null}
{"v":1,"next":{"v":2,"next":{"v":3,"next":null}}}`, `{"v":1}
{"v":1,"next":{}}`},
	{`{"type":"object","properties":{"a":{"type":"integer"}},"additionalProperties":{"type":"boolean"}}`, `{"a":1,"b":true,"aa":false}
{"":true}
{"b":true}`, `{"a":true}
{"b":1}`},
	{`{"type":"object","additionalProperties":{"type":"integer"},"minProperties":1,"maxProperties":2}`, `{"a":1}
{"a":1,"b":2}`, `{}
{"a":1,"b":2,"c":3}`},
	{`{"type":"object","required":["z"],"properties":{"a":false},"additionalProperties":{"type":"null"}}`, `{"z":null}
{"z":null,"y":null}`, `{"a":null,"z":null}
{"z":1}`},
	{`{"type":"string","format":"date-time"}`, `"2024-02-29T23:59:59Z"
"1999-12-31T00:00:00.123+05:30"`, `"2023-02-29T00:00:00Z"
"2024-13-01T00:00:00Z"
"2024-01-01"`},
	{`{"type":"string","format":"ipv6"}`, `"::1"
"2001:db8::ff00:42:8329"
"::ffff:1.2.3.4"
"::"`, `":::"
"1::2::3"
"g::1"`},
	{`{"type":"string","format":"uuid"}`, `"123e4567-e89b-12d3-a456-426614174000"`, `"123e4567e89b12d3a456426614174000"`},
	{`{"type":"string","format":"email"}`, `"a.b+c@example.org"`, `"a..b@example.org"
"@x"`},
	{`{"type":"string","format":"uri"}`, `"https://example.org:80/a/b?x=1#y"
"mailto:a@b.c"
"urn:isbn:1"`, `"/a"
"http://a b"`},
	{`{"type":"string","format":"duration"}`, `"P1Y2M3DT4H5M6S"
"PT5M"
"P2W"`, `"P"
"PT"
"P1S"`},
	{`{}`, `1
"x"
{"a":[]}
null`, `x
`},
	{`{"minLength":2}`, `"ab"
3
[]`, `"a"`},
}

func TestSchemaCases(t *testing.T) {
	v := byteVocabulary(t)
	rng := rand.New(rand.NewPCG(1, 2))
	for _, c := range schemaCases {
		g, err := FromSchema([]byte(c.schema), SchemaOptions{})
		if err != nil {
			t.Errorf("%s: %v", c.schema, err)
			continue
		}
		s := validator(t, c.schema)
		m := NewMasks(g, v, 1<<20).Matcher(4)
		for _, text := range strings.Split(c.yes, "\n") {
			text = strings.ReplaceAll(text, "⏎", "\n")
			if err := judge(s, text); err != nil {
				t.Errorf("%s: the case %q is wrong: %v", c.schema, text, err)
			}
			if !accepts(m, text) {
				t.Errorf("%s refuses %q", c.schema, text)
			}
		}
		for _, text := range strings.Split(c.no, "\n") {
			if accepts(m, text) {
				t.Errorf("%s takes %q", c.schema, text)
			}
		}
		for range 30 {
			text, ended := walk(t, m, rng, 60, 20000)
			if err := judge(s, text); err != nil || !ended {
				t.Errorf("%s: %.1000q: %v", c.schema, text, err)
			}
		}
	}
}
