package grammar

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
)

// sample is a schema and a maker of texts that mostly satisfy it and sometimes nearly do.
type sample struct {
	schema string
	text   func() string
}

// maker makes random schemas, and independently of the grammar texts for them.
type maker struct {
	rng *rand.Rand
}

func (g *maker) pick(list ...string) string { return list[g.rng.IntN(len(list))] }
func (g *maker) once(n int) bool            { return g.rng.IntN(n) == 0 }

func spell(s string) string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(s); err != nil {
		panic(err)
	}
	return strings.TrimSuffix(b.String(), "\n")
}

func (g *maker) word(alphabet string, most int) string {
	letters := []rune(alphabet)
	var s []rune
	for range g.rng.IntN(most + 1) {
		s = append(s, letters[g.rng.IntN(len(letters))])
	}
	return string(s)
}

// any is a random value of any schema.
func (g *maker) any(depth int) string {
	switch k := g.rng.IntN(8); {
	case k == 0:
		return "null"
	case k == 1:
		return g.pick("true", "false")
	case k < 4:
		return g.pick("0", "-1", "17", "2.5", "2.5e-3", "-0.25")
	case k < 6 || depth == 0:
		return spell(g.word("ab\"\\\né日😀", 4))
	case k == 6:
		return "[" + g.any(depth-1) + "," + g.any(depth-1) + "]"
	}
	return `{"k":` + g.any(depth-1) + "}"
}

func (g *maker) integer() sample {
	lo := g.rng.IntN(4000) - 2000
	hi := lo + g.rng.IntN(3000)
	var keys []string
	if !g.once(3) {
		keys = append(keys, fmt.Sprintf(`"%s":%d`, g.pick("minimum", "exclusiveMinimum"), lo))
	}
	if !g.once(3) {
		keys = append(keys, fmt.Sprintf(`"%s":%d`, g.pick("maximum", "exclusiveMaximum"), hi+2))
	}
	by := 1
	if g.once(3) {
		by = 2 + g.rng.IntN(12)
		hi += by
		keys = append(keys, fmt.Sprintf(`"multipleOf":%d`, by), fmt.Sprintf(`"maximum":%d`, hi+by))
		if len(keys) > 2 && strings.HasPrefix(keys[1], `"maximum"`) {
			keys = append(keys[:1], keys[2:]...)
		} else if strings.HasPrefix(keys[0], `"maximum"`) {
			keys = keys[1:]
		}
	}
	return sample{`{"type":"integer"` + comma(keys) + "}", func() string {
		n := lo - 2 + g.rng.IntN(hi-lo+6)
		if g.once(2) {
			n = n / by * by
		}
		return g.pick(strconv.Itoa(n), strconv.Itoa(n), strconv.Itoa(lo), strconv.Itoa(hi+2), strconv.Itoa(10*n))
	}}
}

func comma(keys []string) string {
	if len(keys) == 0 {
		return ""
	}
	return "," + strings.Join(keys, ",")
}

func (g *maker) number() sample {
	lo := float64(g.rng.IntN(2000)-1000) / 100
	hi := lo + float64(g.rng.IntN(1000))/100
	f := func(x float64) string { return strconv.FormatFloat(x, 'f', -1, 64) }
	keys := []string{fmt.Sprintf(`"%s":%s`, g.pick("minimum", "exclusiveMinimum"), f(lo)), fmt.Sprintf(`"%s":%s`, g.pick("maximum", "exclusiveMaximum"), f(hi+0.5))}
	if g.once(3) {
		keys[g.rng.IntN(2)] = `"multipleOf":` + g.pick("0.01", "0.1", "0.25", "0.5")
	}
	return sample{`{"type":"number"` + comma(keys) + "}", func() string {
		x := lo + float64(g.rng.IntN(1200)-100)/100
		return g.pick(strconv.FormatFloat(x, 'f', 2, 64), strconv.FormatFloat(x, 'f', 1, 64), f(lo), f(hi+0.5), strconv.FormatFloat(x, 'f', 4, 64))
	}}
}

func (g *maker) text() sample {
	switch g.rng.IntN(3) {
	case 0:
		lo := g.rng.IntN(4)
		hi := lo + g.rng.IntN(20)
		return sample{fmt.Sprintf(`{"type":"string","minLength":%d,"maxLength":%d}`, lo, hi), func() string {
			return spell(g.word("ab \"\\\n\té日😀", hi+2))
		}}
	case 1:
		p := g.pick(`^a+b$`, `ab`, `^(a|bc)*$`, `a.?b`, `^[^a]{2,4}$`, `^\\d{2}-\\d{1,3}$`, `b$`, `^(?:ab|c)?a`, `^a{3,300}$`, `[éb]`, `^.{0,5}$`, `a|^$`, `\\\\`)
		bound := g.pick("", "", `,"minLength":2`, `,"maxLength":5`)
		return sample{`{"type":"string","pattern":"` + p + `"` + bound + "}", func() string {
			return spell(g.pick(g.word("ab", 6), g.word("abcé\\\"", 6), "12-3", "ab", "aab", "bcbca", strings.Repeat("a", g.rng.IntN(9))))
		}}
	}
	f := g.pick("date", "time", "date-time", "duration", "email", "hostname", "ipv4", "ipv6", "uuid", "uri")
	return sample{`{"type":"string","format":"` + f + `"}`, func() string {
		return spell(g.pick("2024-02-29", "2023-02-29", "1900-02-29", "2000-02-29", "12:00:00Z", "24:00:00Z", "2024-12-31T01:02:03.5-01:00", "P1D", "P1DT", "PT1H2M", "a@b.c", "a@",
			"example.org", "-a.b", "1.2.3.4", "1.2.3.256", "::1", "1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8:9", "fe80::1.2.3.4", "123e4567-e89b-12d3-a456-426614174000", "http://a.b/c?d#e", "urn:x:y"))
	}}
}

func (g *maker) listed() sample {
	var vals []string
	for range 1 + g.rng.IntN(4) {
		vals = append(vals, g.pick(`1`, `-2`, `"a"`, `"ab"`, `"é\""`, `null`, `true`, `{"k":[1,"x"]}`, `[]`, `2.5`, `"`+g.word("abc", 5)+`"`))
	}
	if len(vals) == 1 {
		return sample{`{"const":` + vals[0] + `}`, func() string { return g.pick(vals[0], vals[0], g.any(1)) }}
	}
	return sample{`{"enum":[` + strings.Join(vals, ",") + `]}`, func() string { return g.pick(vals[g.rng.IntN(len(vals))], g.any(1), `"abc"`) }}
}

func (g *maker) array(depth int) sample {
	item := g.sample(depth - 1)
	lo := g.rng.IntN(3)
	hi := lo + g.rng.IntN(12)
	keys := []string{`"items":` + item.schema}
	var prefix []sample
	if g.once(3) {
		prefix = []sample{g.sample(0), g.sample(0)}
		keys = append(keys, `"prefixItems":[`+prefix[0].schema+","+prefix[1].schema+"]")
		if g.once(2) {
			keys[0] = `"items":false`
			lo = min(lo, 2)
		}
	}
	if g.once(2) {
		keys = append(keys, fmt.Sprintf(`"minItems":%d`, lo))
	}
	if g.once(2) {
		keys = append(keys, fmt.Sprintf(`"maxItems":%d`, hi))
	}
	return sample{`{"type":"array"` + comma(keys) + "}", func() string {
		var all []string
		for i := range g.rng.IntN(min(hi, 4) + 2) {
			if i < len(prefix) {
				all = append(all, prefix[i].text())
			} else {
				all = append(all, item.text())
			}
		}
		return "[" + strings.Join(all, ",") + "]"
	}}
}

// object has properties of names, in their order, and perhaps others behind them.
func (g *maker) object(depth int, names ...string) sample {
	var props, need []string
	var vals []sample
	for _, n := range names {
		v := g.sample(depth - 1)
		vals = append(vals, v)
		props = append(props, `"`+n+`":`+v.schema)
		if g.once(2) {
			need = append(need, `"`+n+`"`)
		}
	}
	keys := []string{`"properties":{` + strings.Join(props, ",") + "}"}
	if len(need) > 0 {
		keys = append(keys, `"required":[`+strings.Join(need, ",")+`]`)
	}
	extra := sample{text: func() string { return g.any(1) }}
	switch g.rng.IntN(4) {
	case 0:
	case 1:
		extra = g.sample(0)
		keys = append(keys, `"additionalProperties":`+extra.schema)
	default:
		keys = append(keys, `"additionalProperties":false`)
	}
	return sample{`{"type":"object"` + comma(keys) + "}", func() string {
		var all []string
		for i, n := range names {
			if !g.once(4) {
				all = append(all, `"`+n+`":`+vals[i].text())
			}
		}
		if g.once(3) {
			all = append(all, `"`+g.pick("x", "zz", "aé")+`":`+extra.text())
		}
		return "{" + strings.Join(all, ",") + "}"
	}}
}

func (g *maker) sample(depth int) sample {
	k := g.rng.IntN(14)
	if depth == 0 {
		k = g.rng.IntN(7)
	}
	switch k {
	case 0, 1:
		return g.integer()
	case 2:
		return g.number()
	case 3, 4:
		return g.text()
	case 5:
		return g.listed()
	case 6:
		t := g.pick(`"null"`, `"boolean"`, `"string"`, `"number"`, `["string","null"]`, `["integer","boolean"]`, `["array","number"]`)
		return sample{`{"type":` + t + `}`, func() string { return g.any(1) }}
	case 7, 8:
		return g.array(depth)
	case 9, 10:
		return g.object(depth, []string{"a", "b", "c", "d"}[:g.rng.IntN(5)]...)
	case 11:
		a, b := g.sample(depth-1), g.sample(depth-1)
		return sample{`{"anyOf":[` + a.schema + "," + b.schema + "]}", func() string {
			if g.once(2) {
				return a.text()
			}
			return b.text()
		}}
	case 12:
		a, b := g.object(depth, "a", "b"), g.object(depth, "c", "d")
		key := `"allOf"`
		if g.once(2) {
			// The branches of this oneOf differ in a property that both require.
			key = `"oneOf"`
			a.schema = `{"allOf":[` + a.schema + `],"required":["z"],"properties":{"z":{"const":1}}}`
			b.schema = `{"allOf":[` + b.schema + `],"required":["z"],"properties":{"z":{"const":2}}}`
		}
		return sample{`{` + key + `:[` + a.schema + "," + b.schema + "]}", func() string {
			inner := func(s sample) string {
				text := s.text()
				return text[1 : len(text)-1]
			}
			x, y := inner(a), inner(b)
			for _, other := range []string{`"x":`, `"zz":`, `"aé":`} {
				if strings.Contains(x+y, other) { // nothing named may follow
					return "{" + g.pick(x, y) + "}"
				}
			}
			return "{" + g.pick(x, y, x+","+y, x+`,"z":1`, y+`,"z":2`) + "}"
		}}
	}
	// Recursion: a tree.
	v := g.sample(0)
	tree := `{"type":"object","properties":{"v":` + v.schema + `,"w":{"type":"array","items":{"$ref":"#/$defs/tree"}}},"required":["v"],"additionalProperties":false}`
	var text func(depth int) string
	text = func(depth int) string {
		s := `{"v":` + v.text()
		if depth > 0 && g.once(2) {
			s += `,"w":[` + text(depth-1) + "," + text(depth-1) + "]"
		}
		return s + "}"
	}
	return sample{"TREE" + tree, func() string { return text(2) }}
}

// root makes a whole schema. Trees, which refer to #/$defs, are given their definition; two
// different ones in a schema are not made.
func (g *maker) root(depth int) (sample, bool) {
	s := g.sample(depth)
	if i := strings.Index(s.schema, "TREE"); i >= 0 {
		// The definition is the braces that follow.
		body := s.schema[i+4:]
		n, end := 0, 0
		inText := false
		for j := 0; j < len(body); j++ {
			switch c := body[j]; {
			case inText && c == '\\':
				j++
			case c == '"':
				inText = !inText
			case !inText && c == '{':
				n++
			case !inText && c == '}':
				if n--; n == 0 && end == 0 {
					end = j + 1
				}
			}
		}
		s.schema = s.schema[:i] + `{"$ref":"#/$defs/tree"}` + body[end:]
		if strings.Contains(s.schema, "TREE") {
			return s, false
		}
		s.schema = `{"$defs":{"tree":` + body[:end] + `},"allOf":[` + s.schema + `]}`
	}
	return s, true
}

// TestSchemaRandom: a thousand schemas. Every text of a random walk under masks is valid;
// and of texts made without the grammar, it takes those that are valid and no others.
func TestSchemaRandom(t *testing.T) {
	v := byteVocabulary(t)
	rng := rand.New(rand.NewPCG(7, 8))
	g := &maker{rng}
	checked, never, refused, valid, invalid, walks := 0, 0, 0, 0, 0, 0
	for checked < 1000 {
		s, ok := g.root(3)
		if !ok {
			continue
		}
		judge1 := validator(t, s.schema)
		compiled, err := FromSchema([]byte(s.schema), SchemaOptions{})
		if err != nil {
			if strings.Contains(err.Error(), "beside an enum or const") {
				refused++
				continue
			}
			if !errors.Is(err, ErrNothing) {
				t.Fatalf("%s\n%v", s.schema, err)
			}
			// It says that no value is valid.
			for range 50 {
				if text := s.text(); judge(judge1, text) == nil {
					t.Fatalf("%s\n%v, but %s is valid", s.schema, err, text)
				}
			}
			never++
			continue
		}
		checked++
		m := NewMasks(compiled, v, 1<<20).Matcher(4)
		for range 25 {
			text := s.text()
			err := judge(judge1, text)
			if !json.Valid([]byte(text)) {
				continue
			}
			if err == nil {
				valid++
			} else {
				invalid++
			}
			if got := accepts(m, text); got != (err == nil) {
				t.Fatalf("%s\n%s: %v, but the validator: %v", s.schema, text, got, err)
			}
		}
		for range 4 {
			text, ended := walk(t, m, rng, 30, 30000)
			if err := judge(judge1, text); ended && err != nil || !ended {
				t.Fatalf("%s\n%.2000q: ended %v, %v", s.schema, text, ended, err)
			}
			walks++
		}
	}
	t.Logf("%d schemas: %d walks valid, %d valid texts taken, %d others refused; %d more schemas have no value, %d ask for what is not supported", checked, walks, valid, invalid, never, refused)
}
