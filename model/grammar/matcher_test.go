package grammar

import (
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
)

// grammars that the tests of the matcher run through.
func someGrammars(t testing.TB) []*Grammar {
	t.Helper()
	var all []*Grammar
	for _, s := range []string{benchSchema, `{"type":"object"}`, `{"type":"array","items":{"type":"string","maxLength":5},"maxItems":4}`,
		`{"type":"string","pattern":"^[a-h ]{0,300}$"}`, `{"type":"string","pattern":"^[a-zA-Z日本語]{0,9}:[^<;]*$"}`, `{"type":"string","format":"uri"}`, `{"type":"string","format":"email"}`} {
		g, err := FromSchema([]byte(s), SchemaOptions{})
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, g)
	}
	for _, s := range []string{
		`root ::= ("a" | "ab" | [^"]){1,40} ("\"" root)?`,
		"root ::= \"(\" root \")\" | x{0,20} | root2\nroot2 ::= \"[\" root \"]\" root?\nx ::= \"a\"{1,30} | \"b\" x",
		`root ::= .* "end"`,
		`root ::= [^"]{2,12} [a-z ]* "\""?`,
		`root ::= ([a-z]+ | [A-Za-z0-9_]* "é" | [^a]* "ab" | [a-h]{1,9} "i")+ "\""?`,
		"root ::= ([a-o]{3,7} | x){0,5} [^;<]*\nx ::= [a-m]{1,300} \"-\" x?",
	} {
		g, err := FromGBNF(s)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, g)
	}
	return all
}

// TestMaskIsTokenByToken: at every step of random walks the mask, found anew or out of the
// cache, is what trying each token gives.
func TestMaskIsTokenByToken(t *testing.T) {
	v := byteVocabulary(t, "a b", "plain text", "abcdefg", "abcdefgh", "abc-", "ab é", "abcé", "a\xc3", "nop;", "nopq", "x_Y9", "aaa", strings.Repeat("ab", 128), strings.Repeat("ab", 127)+"a", "é\"", "\\n", "x\\", "\"}},", "aaaaaaaaaaaa", "日本語日本語")
	rng := rand.New(rand.NewPCG(9, 10))
	mask, old := make([]uint64, v.Words()), make([]uint64, v.Words())
	steps := 0
	for i, g := range someGrammars(t) {
		// Under the small budget entries are dropped all the time.
		for _, budget := range []int{0, 3000, 1 << 20} {
			c := NewMasks(g, v, budget)
			for range 6 {
				m := c.Matcher(3)
				var text []byte
				for range 60 {
					if err := m.Mask(mask); err != nil {
						t.Fatalf("grammar %d after %q: %v", i, text, err)
					}
					var may []int32
					for id := range int32(v.Len()) {
						bit := mask[id/64]>>(id%64)&1 != 0
						if ok := m.Allows(id); ok != bit {
							t.Fatalf("grammar %d, budget %d, after %q: token %d %q is allowed: %v, in the mask: %v", i, budget, text, id, v.tokens[id], ok, bit)
						}
						if bit && !slices.Contains(v.ends, id) {
							may = append(may, id)
						}
					}
					if err := m.Mask(old); err != nil || !slices.Equal(mask, old) {
						t.Fatalf("grammar %d after %q: a second mask differs (%v)", i, text, err)
					}
					if used := c.Bytes(); used > budget {
						t.Fatalf("%d bytes of masks, %d allowed", used, budget)
					}
					if len(may) == 0 {
						break
					}
					id := may[rng.IntN(len(may))]
					if err := m.Accept(id); err != nil {
						t.Fatal(err)
					}
					text = append(text, v.tokens[id]...)
					steps++
				}
			}
		}
	}
	t.Logf("%d masks of %d tokens", steps, v.Len())
}

// TestMaskOfStates: over a vocabulary as models have, what the mask of each of the states one
// meets holds is what trying each token gives.
func TestMaskOfStates(t *testing.T) {
	tokens, ends := tekken(t)
	v, err := NewVocabulary(tokens, ends)
	if err != nil {
		t.Fatal(err)
	}
	g, err := FromSchema([]byte(benchSchema), SchemaOptions{})
	if err != nil {
		t.Fatal(err)
	}
	mask := make([]uint64, v.Words())
	for _, s := range states {
		m := NewMasks(g, v, 32<<20).Matcher(0)
		if s.text != "" {
			if err := m.AcceptBytes([]byte(s.text)); err != nil {
				t.Fatal(err)
			}
		}
		if err := m.Mask(mask); err != nil {
			t.Fatal(err)
		}
		for id := range int32(v.Len()) {
			if bit := mask[id/64]>>(id%64)&1 != 0; m.Allows(id) != bit {
				t.Fatalf("%s: token %d %q is allowed: %v, in the mask: %v", s.name, id, v.tokens[id], !bit, bit)
			}
		}
	}
}

// TestPlainVocabulary: where all tokens are plain text and a count alone decides, the count
// is in the key of the mask.
func TestPlainVocabulary(t *testing.T) {
	v, err := NewVocabulary([][]byte{[]byte("a"), []byte("aa"), []byte("aaa"), nil}, []int32{3})
	if err != nil {
		t.Fatal(err)
	}
	g, err := FromGBNF(`root ::= [^"]{1,12}`)
	if err != nil {
		t.Fatal(err)
	}
	m := NewMasks(g, v, 1<<16).Matcher(0)
	mask := make([]uint64, 1)
	for n, want := range []uint64{7, 15, 15, 15, 15, 15, 15, 15, 15, 15, 11, 9, 8} {
		if err := m.Mask(mask); err != nil || mask[0] != want {
			t.Errorf("behind %d letters: mask %b, not %b (%v)", n, mask[0], want, err)
		}
		if n < 12 {
			if err := m.Accept(0); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// TestRollback: back and forth at random, a matcher is where a fresh one is.
func TestRollback(t *testing.T) {
	v := byteVocabulary(t)
	rng := rand.New(rand.NewPCG(11, 12))
	mask, want := make([]uint64, v.Words()), make([]uint64, v.Words())
	for i, g := range someGrammars(t) {
		c := NewMasks(g, v, 1<<20)
		m := c.Matcher(8)
		m.compact = 4 // frames are collected all the time
		var ids []int32
		remembered := 0
		for range 400 {
			if err := m.Mask(mask); err != nil && !m.Done() {
				t.Fatal(err)
			}
			var may []int32
			for id := range int32(v.Len()) {
				if mask[id/64]>>(id%64)&1 != 0 {
					may = append(may, id)
				}
			}
			if back := rng.IntN(9); rng.IntN(4) == 0 || len(may) == 0 {
				err := m.Rollback(back)
				if (err == nil) != (back <= remembered) || err != nil && !errors.Is(err, ErrRollback) {
					t.Fatalf("rollback of %d with %d remembered: %v", back, remembered, err)
				}
				if err == nil {
					ids = ids[:len(ids)-back]
					remembered -= back
				} else if len(may) == 0 {
					m.Reset()
					ids, remembered = ids[:0], 0
				}
			} else {
				id := may[rng.IntN(len(may))]
				if err := m.Accept(id); err != nil {
					t.Fatal(err)
				}
				ids = append(ids, id)
				remembered = min(remembered+1, 8)
			}
			if rng.IntN(8) == 0 {
				m.compact = 4
			}
			fresh := c.Matcher(0)
			for _, id := range ids {
				if err := fresh.Accept(id); err != nil {
					t.Fatal(err)
				}
			}
			if m.Done() != fresh.Done() || m.Final() != fresh.Final() {
				t.Fatalf("grammar %d: done or final differs after %d tokens", i, len(ids))
			}
			err, err2 := m.Mask(mask), fresh.Mask(want)
			if err != nil || err2 != nil || !slices.Equal(mask, want) {
				t.Fatalf("grammar %d: the masks differ after %d tokens (%v, %v)", i, len(ids), err, err2)
			}
		}
	}
}

func TestEnd(t *testing.T) {
	v := byteVocabulary(t)
	g, err := FromGBNF(`root ::= "a" "b"?`)
	if err != nil {
		t.Fatal(err)
	}
	m := NewMasks(g, v, 1<<20).Matcher(4)
	end := v.ends[1]
	if m.Allows(end) || m.Accept(end) == nil {
		t.Error("an end token before the text is complete")
	}
	if m.Accept('b') == nil || m.Accept(-1) == nil || m.Accept(int32(v.Len())) == nil || m.AcceptBytes(nil) == nil {
		t.Error("a token that the grammar does not allow")
	}
	if err := m.Accept('a'); err != nil {
		t.Fatal(err)
	}
	if !m.Final() || !m.Allows(end) || m.Accept(end) != nil || !m.Done() || m.Final() {
		t.Error("no end where the text is complete")
	}
	mask := make([]uint64, v.Words())
	if err := m.Mask(mask); err != nil || Count(mask) != 0 || m.Accept('b') == nil || m.Allows('b') || m.Allows(end) {
		t.Error("something is allowed behind the end")
	}
	if err := m.Rollback(1); err != nil || m.Accept('b') != nil || !m.Final() {
		t.Error("no way back over the end")
	}
	if err := m.Mask(mask[:1]); err == nil {
		t.Error("a mask of the wrong length")
	}
}

func TestForced(t *testing.T) {
	v := byteVocabulary(t)
	g, err := FromSchema([]byte(`{"type":"object","properties":{"name":{"enum":["left","leeward"]},"n":{"const":12}},"required":["name","n"],"additionalProperties":false}`), SchemaOptions{})
	if err != nil {
		t.Fatal(err)
	}
	m := NewMasks(g, v, 1<<20).Matcher(0)
	for _, c := range []struct{ text, forced string }{
		{``, `{`}, {`{"`, `name":`}, {`{"name":"`, `le`}, {`{"name":"lef`, `t",`}, {`{"name":"left","`, `n":`}, {`{"name":"left","n":1`, `2`}, {`{"name":"left","n":12}`, ``},
	} {
		m.Reset()
		if c.text != "" {
			if err := m.AcceptBytes([]byte(c.text)); err != nil {
				t.Fatal(err)
			}
		}
		if got := string(m.Forced(nil, 100)); got != c.forced {
			t.Errorf("behind %q: %q is forced, not %q", c.text, got, c.forced)
		}
		if got := m.Forced(nil, 1); len(got) > 1 {
			t.Errorf("behind %q: more than the limit", c.text)
		}
	}
}

// TestNesting: what would nest too deep is not allowed, by masks and matcher alike, and a
// long text with shallow nesting needs little memory.
func TestNesting(t *testing.T) {
	v := byteVocabulary(t)
	g, err := FromSchema([]byte(`{}`), SchemaOptions{})
	if err != nil {
		t.Fatal(err)
	}
	m := NewMasks(g, v, 1<<20).Matcher(2)
	mask := make([]uint64, v.Words())
	depth := 0
	for ; m.AcceptBytes([]byte("[")) == nil; depth++ {
		if depth > 2*maxDepth {
			t.Fatal("no end to nesting")
		}
	}
	if err := m.Mask(mask); err != nil || mask['['/64]>>('['%64)&1 != 0 {
		t.Errorf("at depth %d: %v, or a mask that still opens a bracket", depth, err)
	}
	for range depth {
		if err := m.AcceptBytes([]byte("]")); err != nil {
			t.Fatal(err)
		}
	}
	if !m.Final() {
		t.Error("not complete behind the last bracket")
	}
	g, err = FromSchema([]byte(`{"type":"array","items":{"type":"string","maxLength":500000},"maxItems":100000}`), SchemaOptions{})
	if err != nil {
		t.Fatal(err)
	}
	m = NewMasks(g, v, 1<<20).Matcher(2)
	if err := m.AcceptBytes([]byte(`["`)); err != nil {
		t.Fatal(err)
	}
	for range 20000 {
		if err := m.AcceptBytes([]byte("abcdefg")); err != nil {
			t.Fatal(err)
		}
	}
	if len(m.s.frames) > 4096 {
		t.Errorf("%d frames after a long text", len(m.s.frames))
	}
}

// TestAmbiguous: too many readings at once are an error with that name, not a panic.
func TestAmbiguous(t *testing.T) {
	v := byteVocabulary(t)
	g, err := FromGBNF(`root ::= ((("a"{1,300} "b"?){1,300} "c"?){1,300} "d"?){1,300}`)
	if err != nil {
		t.Fatal(err)
	}
	m := NewMasks(g, v, 1<<20).Matcher(0)
	for n := 0; err == nil; n++ {
		if err = m.AcceptBytes([]byte("a")); n > 400 {
			t.Fatal("never too ambiguous")
		}
	}
	if !errors.Is(err, ErrAmbiguous) {
		t.Error(err)
	}
}

// TestMasksShared: matchers of several goroutines share a small cache.
func TestMasksShared(t *testing.T) {
	v := byteVocabulary(t)
	g := AnyObject()
	c := NewMasks(g, v, 8000)
	var wg sync.WaitGroup
	for n := range 4 {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(13, uint64(n)))
			for range 5 {
				if text, ended := walk(t, c.Matcher(1), rng, 100, 50000); !ended || !strings.HasPrefix(text, "{") {
					t.Errorf("%.100q", text)
				}
			}
		})
	}
	wg.Wait()
}

// TestNoAllocation: once the memory has grown, masks, accepts and rollbacks allocate nothing.
func TestNoAllocation(t *testing.T) {
	v := byteVocabulary(t)
	text := []byte(`{"name":"a long name","code":"xy","id":"AB-0123","word":"abc","find":"xabbcx","kind":"circle","n":12,"x":-1.5,"tags":["a","b"],"any":{"k":[1,{"x":null}]},"words":"It's a","link":"urn:x","mail":"a@b","not":"c"}`)
	g := someGrammars(t)[0]
	m := NewMasks(g, v, 1<<24).Matcher(4)
	mask := make([]uint64, v.Words())
	run := func() {
		m.Reset()
		for _, c := range text {
			err := errors.Join(m.Mask(mask), m.Accept(int32(c)), m.Rollback(1), m.Accept(int32(c)))
			if err != nil || len(m.Forced(mask2[:0], 8)) > 8 {
				t.Fatal(err)
			}
		}
	}
	run()
	if n := testing.AllocsPerRun(20, run); n != 0 {
		t.Errorf("%v allocations for %d tokens", n, len(text))
	}
}

var mask2 [64]byte

func TestVocabularyRefused(t *testing.T) {
	for _, c := range []struct {
		tokens [][]byte
		ends   []int32
	}{
		{[][]byte{[]byte("a")}, []int32{1}},
		{[][]byte{[]byte("a")}, []int32{-1}},
		{[][]byte{make([]byte, maxTokenBytes+1)}, nil},
	} {
		if _, err := NewVocabulary(c.tokens, c.ends); err == nil {
			t.Errorf("%d tokens, ends %v: no error", len(c.tokens), c.ends)
		}
	}
	// None at all is a vocabulary under which nothing can follow.
	v, err := NewVocabulary(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := NewMasks(AnyObject(), v, 100).Matcher(0).Mask(nil); !errors.Is(err, ErrStuck) {
		t.Error(err)
	}
}
