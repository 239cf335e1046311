package grammar

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// finite is a schema with all its values, spelled without spaces, made without the grammar.
type finite struct {
	schema string
	all    []string
}

func randomFinite(rng *rand.Rand, depth int) finite {
	k := rng.IntN(8)
	if depth == 0 {
		k = rng.IntN(4)
	}
	switch k {
	case 0:
		lo := rng.IntN(240) - 120
		hi, by := lo+rng.IntN(25), 1+rng.IntN(4)
		f := finite{schema: fmt.Sprintf(`{"type":"integer","minimum":%d,"maximum":%d,"multipleOf":%d}`, lo, hi, by)}
		for n := lo; n <= hi; n++ {
			if n%by == 0 {
				f.all = append(f.all, fmt.Sprint(n))
			}
		}
		return f
	case 1:
		f := finite{schema: `{"enum":["a",null,"ab",7,[true,{}],"b\""]}`, all: []string{`"a"`, `null`, `"ab"`, `7`, `[true,{}]`, `"b\""`}}
		n := 1 + rng.IntN(6)
		f.all = f.all[:n]
		return finite{`{"enum":[` + strings.Join(f.all, ",") + "]}", f.all}
	case 2:
		return finite{`{"type":["boolean","null"]}`, []string{"true", "false", "null"}}
	case 3:
		lo := rng.IntN(3)
		hi := lo + rng.IntN(2)
		f := finite{schema: fmt.Sprintf(`{"type":"string","pattern":"^[ab]*$","minLength":%d,"maxLength":%d}`, lo, hi)}
		for _, s := range shortStrings(hi) {
			if len(s) >= lo && !strings.Contains(s, "c") {
				f.all = append(f.all, `"`+s+`"`)
			}
		}
		return f
	case 4:
		a, b := randomFinite(rng, depth-1), randomFinite(rng, depth-1)
		return finite{`{"anyOf":[` + a.schema + "," + b.schema + "]}", append(slices.Clone(a.all), b.all...)}
	case 5:
		x := randomFinite(rng, depth-1)
		lo := rng.IntN(3)
		hi := max(lo, rng.IntN(3))
		f := finite{schema: fmt.Sprintf(`{"type":"array","items":%s,"minItems":%d,"maxItems":%d}`, x.schema, lo, hi)}
		lists := []string{""}
		for n := 0; n <= hi && len(lists) < 1e5; n++ {
			if n >= lo {
				for _, l := range lists {
					f.all = append(f.all, "["+strings.TrimPrefix(l, ",")+"]")
				}
			}
			var longer []string
			for _, l := range lists {
				for _, v := range x.all {
					longer = append(longer, l+","+v)
				}
			}
			lists = longer
		}
		return f
	case 6:
		a, b := randomFinite(rng, 0), randomFinite(rng, depth-1)
		f := finite{schema: `{"type":"array","prefixItems":[` + a.schema + "," + b.schema + `],"items":false}`, all: []string{"[]"}}
		for _, x := range a.all {
			f.all = append(f.all, "["+x+"]")
			for _, y := range b.all {
				f.all = append(f.all, "["+x+","+y+"]")
			}
		}
		return f
	}
	var props, need []string
	texts := []string{""}
	for _, name := range []string{"a", "ab", "b"}[:rng.IntN(4)] {
		v := randomFinite(rng, depth-1)
		props = append(props, `"`+name+`":`+v.schema)
		var next []string
		if rng.IntN(2) == 0 {
			need = append(need, `"`+name+`"`)
		} else {
			next = slices.Clone(texts)
		}
		if len(texts)*len(v.all) > 1e5 {
			return finite{all: make([]string, 1e6)}
		}
		for _, t := range texts {
			for _, x := range v.all {
				next = append(next, t+`,"`+name+`":`+x)
			}
		}
		texts = next
	}
	f := finite{schema: `{"type":"object","properties":{` + strings.Join(props, ",") + `},"required":[` + strings.Join(need, ",") + `],"additionalProperties":false}`}
	for _, t := range texts {
		f.all = append(f.all, "{"+strings.TrimPrefix(t, ",")+"}")
	}
	return f
}

// language returns all complete texts that masks over a vocabulary of single bytes lead to.
func language(t *testing.T, m *Matcher, text []byte, all []string) []string {
	mask := make([]uint64, m.v.Words())
	if err := m.Mask(mask); err != nil {
		t.Fatalf("behind %q: %v", text, err)
	}
	for id := range int32(m.v.Len()) {
		if mask[id/64]>>(id%64)&1 == 0 {
			continue
		}
		if err := m.Accept(id); err != nil {
			t.Fatalf("behind %q: %v", text, err)
		}
		if m.Done() {
			all = append(all, string(text))
		} else {
			all = language(t, m, append(text, m.v.tokens[id]...), all)
		}
		if err := m.Rollback(1); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// TestSchemaWhole: the languages of small schemas, enumerated by masks and rollbacks, are
// exactly all their values.
func TestSchemaWhole(t *testing.T) {
	var tokens [][]byte
	for b := byte('!'); b < 0x7F; b++ { // no blanks, so that a value has one spelling
		tokens = append(tokens, []byte{b})
	}
	tokens = append(tokens, nil)
	v, err := NewVocabulary(tokens, []int32{int32(len(tokens) - 1)})
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(21, 22))
	checked, texts := 0, 0
	for checked < 300 {
		f := randomFinite(rng, 2)
		if len(f.all) == 0 || len(f.all) > 3000 {
			continue
		}
		g, err := FromSchema([]byte(f.schema), SchemaOptions{})
		if err != nil {
			// A part without a value.
			if strings.Contains(err.Error(), "no value") {
				continue
			}
			t.Fatalf("%s: %v", f.schema, err)
		}
		got := language(t, NewMasks(g, v, 1<<20).Matcher(200), nil, nil)
		slices.Sort(got)
		want := slices.Clone(f.all)
		slices.Sort(want)
		want = slices.Compact(want)
		if !slices.Equal(got, want) {
			t.Fatalf("%s\nthe masks lead to %d texts, it has %d\n%.300q\n%.300q", f.schema, len(got), len(want), got, want)
		}
		checked++
		texts += len(got)
	}
	t.Logf("%d schemas, %d texts", checked, texts)
}
