package parts

import (
	"encoding/json"
	"strings"
	"testing"
)

// sound reports what the checker says of a text: whether it may begin a value, and
// whether it is one.
func sound(text string) (begins, whole bool) {
	var j checker
	for i := range len(text) {
		if !j.step(text[i]) {
			return false, false
		}
	}
	whole = j.done()
	if !whole && len(j.stack) == 0 { // a number ends where the text does
		whole = j.step(' ') && j.done()
	}
	return true, whole
}

func TestChecker(t *testing.T) {
	for _, text := range []string{
		`{}`, `[]`, ` { "a" : [ 1 , -0.5e+10 , 0 , 1E9, "x\n\u00e9\\" , true, false , null, {} , [ ] ] } `, `"a"`, `0`, `-1`, `1.5`, `true`,
		``, `{`, `}`, `{]`, `[}`, `{,}`, `{"a"}`, `{"a":}`, `{"a":1,}`, `{"a":1 "b":2}`, `[1,]`, `[,1]`, `01`, `-`, `-a`, `1.`, `.5`, `1e`, `1e+`, `+1`,
		`tru`, `trux`, `nul`, `"a`, `"a\`, `"\x"`, `"\u12"`, `"\u12g4"`, "\"\n\"", `{} {}`, `{}x`, `{1:2}`, `{a:1}`, `[1 2]`, `1 2`, "\xff", `"` + "\xff" + `"`, `{'a':1}`,
		strings.Repeat("[", maxDepth) + strings.Repeat("]", maxDepth),
	} {
		if _, whole := sound(text); whole != json.Valid([]byte(text)) {
			t.Errorf("%.60q: %v", text, whole)
		}
		if json.Valid([]byte(text)) {
			for n := range text {
				if begins, _ := sound(text[:n]); !begins {
					t.Errorf("%.60q does not begin %.60q", text[:n], text)
				}
			}
		}
	}
	if begins, _ := sound(strings.Repeat("[", maxDepth+1)); begins {
		t.Error("nested deeper than the most")
	}
}

// FuzzChecker holds the checker against encoding/json.
func FuzzChecker(f *testing.F) {
	f.Add(`{"a":[1,2.5e-3,"\u00e9",null]}`)
	f.Fuzz(func(t *testing.T, text string) {
		if strings.Count(text, "[")+strings.Count(text, "{") > maxDepth {
			return
		}
		if _, whole := sound(text); whole != json.Valid([]byte(text)) {
			t.Errorf("%q: %v", text, whole)
		}
	})
}
