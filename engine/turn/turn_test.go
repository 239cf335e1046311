package turn

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"eclat/engine"
	"eclat/loader"
	"eclat/model/chat"
	"eclat/model/chat/parts"
	"eclat/model/grammar"
	"eclat/model/sample"
	"eclat/testdata"
)

// talk opens the built-in model with a template whose answers are marked in some way:
// the model knows nothing of it, which is what holds it to a grammar hardest.
func talk(t *testing.T, source string, o engine.Options) *Model {
	t.Helper()
	f, err := loader.FromBytes("built in", testdata.Model)
	if err != nil {
		t.Fatal(err)
	}
	if o.Device == "" {
		o.Device = "cpu"
	}
	e, err := engine.Open(context.Background(), f, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	tmpl, err := chat.Parse(context.Background(), "test", "a test", source, "<s>", "</s>")
	if err != nil {
		t.Fatal(err)
	}
	return New(e, tmpl)
}

const turns = `{% for m in messages %}{{ m.role }}: {{ m.content }}` + "\n" + `{% endfor %}{% if add_generation_prompt %}assistant:{% endif %}`

func say(text string) *chat.Conversation {
	return &chat.Conversation{Messages: []chat.Message{{Role: "user", Text: &text}}, GenerationPrompt: true}
}

func prompt(t *testing.T, m *Model, c *chat.Conversation) *Prompt {
	t.Helper()
	p, err := m.Render(context.Background(), c, time.Unix(0, 0).UTC())
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func answer(t *testing.T, m *Model, r Request) (Result, string) {
	t.Helper()
	a, err := m.Submit(context.Background(), r)
	if err != nil {
		t.Fatal(err)
	}
	told := ""
	for {
		ev, ok := a.Next()
		if !ok {
			break
		}
		for _, d := range ev.Deltas {
			if d.Kind == parts.Answer {
				told += d.Text
			}
		}
	}
	res, err := a.Result()
	if err != nil {
		t.Fatal(err)
	}
	return res, told
}

func request(p *Prompt, seed uint64, n int) Request {
	r := Request{Opened: p.Opened}
	r.Tokens, r.Share, r.MaxTokens = p.IDs, -1, n
	r.Settings = sample.Defaults()
	r.Seed = seed
	return r
}

func masks(t *testing.T, m *Model, schema string) *grammar.Masks {
	t.Helper()
	g, err := grammar.FromSchema([]byte(schema), grammar.SchemaOptions{})
	if err != nil {
		t.Fatal(err)
	}
	x, err := m.Masks(g)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

// TestGrammar: every seed's answer keeps to the schema, with reasoning before it and
// without, and is the same with drafts and beside others.
func TestGrammar(t *testing.T) {
	schema := `{"type":"object","properties":{"n":{"type":"integer","minimum":1,"maximum":99},"s":{"type":"string","maxLength":12}},"required":["n","s"],"additionalProperties":false}`
	for _, source := range []string{turns, turns + "<think>"} {
		m := talk(t, source, engine.Options{})
		p, x := prompt(t, m, say("What is it?")), masks(t, m, schema)
		for seed := range uint64(8) {
			r := request(p, seed, 200)
			r.Grammar, r.Reasoning = x, 0
			if p.Opened {
				r.Reasoning = 5
			}
			res, told := answer(t, m, r)
			var v struct {
				N int
				S string
			}
			if err := json.Unmarshal([]byte(told), &v); err != nil || v.N < 1 || v.N > 99 {
				t.Fatalf("seed %d: %q, %v", seed, told, err)
			}
			if res.Stop != engine.StopEOS || p.Opened != (res.ReasoningTokens >= 5) {
				t.Fatalf("seed %d: %s, %d tokens of reasoning", seed, res.Stop, res.ReasoningTokens)
			}
			r.Draft = engine.MaxDraft
			got := make(chan []int32, 3)
			for range 3 {
				go func() {
					a, err := m.Submit(context.Background(), r)
					if err != nil {
						t.Error(err)
						got <- nil
						return
					}
					for {
						if _, ok := a.Next(); !ok {
							break
						}
					}
					res, _ := a.Result()
					got <- res.IDs
				}()
			}
			for range 3 {
				if ids := <-got; !slices.Equal(ids, res.IDs) {
					t.Fatalf("seed %d: %v, alone %v", seed, ids, res.IDs)
				}
			}
		}
	}
}

// TestReasoning: a limit of tokens is kept in each way to mark reasoning, or refused.
func TestReasoning(t *testing.T) {
	for name, c := range map[string]struct {
		source string
		limit  int
		closed string
	}{
		"opened by the prompt":     {turns + "<think>", 7, "\n</think>\n\n"},
		"opened, none wanted":      {turns + "<think>", NoReasoning, "\n</think>\n\n"},
		"harmony":                  {turns + "{# <|channel|> <|message|> #}", NoReasoning, "<|channel|>final<|message|>"},
		"not opened, none wanted":  {turns + "{# <think> #}", NoReasoning, ""},
		"unmarked, none wanted":    {turns, NoReasoning, ""},
		"not opened, as it likes ": {turns + "{# <think> #}", 0, ""},
	} {
		m := talk(t, c.source, engine.Options{})
		p := prompt(t, m, say("Why?"))
		r := request(p, 3, 30)
		r.Reasoning = c.limit
		res, told := answer(t, m, r)
		text := string(m.Engine.Tokenizer.Append(nil, res.IDs[0], true))
		for _, id := range res.IDs[1:] {
			text = string(m.Engine.Tokenizer.Append([]byte(text), id, true))
		}
		if want := max(c.limit, 0); p.Opened && res.ReasoningTokens < want || !strings.Contains(text, c.closed) || told == "" {
			t.Errorf("%s: %d tokens of reasoning in %q, answer %q", name, res.ReasoningTokens, text, told)
		}
		if p.Opened && len(res.Parts.Text(parts.Reasoning)) == 0 != (c.limit == NoReasoning) {
			t.Errorf("%s: reasoning %q", name, res.Parts.Text(parts.Reasoning))
		}
	}
	m := talk(t, turns, engine.Options{})
	r := request(prompt(t, m, say("Why?")), 3, 30)
	r.Reasoning = 10
	if _, err := m.Submit(context.Background(), r); !errors.Is(err, ErrReasoning) {
		t.Errorf("a limit where nothing is marked: %v", err)
	}
}

// TestCall: a call that is demanded comes, of a tool there is, with arguments that keep to
// its schema, in each way to write calls.
func TestCall(t *testing.T) {
	for _, source := range []string{
		turns + "{# [TOOL_CALLS] [ARGS] [THINK] #}",
		turns + "{# <tool_call> arguments #}",
		turns + "{# <|channel|> <|message|> #}",
		turns + `{# ipython "parameters" #}`,
		turns + "{# <｜tool▁call▁begin｜> <｜tool▁sep｜> #}",
	} {
		m := talk(t, source, engine.Options{})
		x := masks(t, m, `{"type":"object","properties":{"city":{"enum":["Rome","Paris"]}},"required":["city"],"additionalProperties":false}`)
		tools := []Tool{{"weather", x}, {"weather_in_winter", x}, {"time", x}}
		seen := map[string]bool{}
		for seed := range uint64(4) {
			for n := 1; n <= 3; n += 2 {
				r := request(prompt(t, m, say("Which?")), seed, 200)
				r.Temp, r.MinP, r.TopP, r.TopK = 3, 0, 1, 0
				r.Tools, r.Call, r.Reasoning = true, &Call{tools[:n]}, NoReasoning
				res, told := answer(t, m, r)
				calls := res.Parts.Calls()
				if len(calls) != 1 || told != "" || !slices.ContainsFunc(tools[:n], func(t Tool) bool { return t.Name == calls[0].Name }) {
					t.Fatalf("%s, seed %d: %q, calls %v, %s", m.Format.Name, seed, told, calls, res.Stop)
				}
				var v struct{ City string }
				if err := json.Unmarshal([]byte(calls[0].Arguments), &v); err != nil || v.City != "Rome" && v.City != "Paris" {
					t.Fatalf("%s, seed %d: %q", m.Format.Name, seed, calls[0].Arguments)
				}
				seen[calls[0].Name] = true
			}
		}
		if len(seen) < 2 {
			t.Errorf("%s: always %v", m.Format.Name, seen)
		}
	}
	m := talk(t, turns, engine.Options{})
	r := request(prompt(t, m, say("Which?")), 1, 20)
	r.Call = &Call{[]Tool{{"f", masks(t, m, `{"type":"object"}`)}}}
	if _, err := m.Submit(context.Background(), r); !errors.Is(err, ErrCall) {
		t.Errorf("a call without a form: %v", err)
	}
}

// TestStops: the answer ends before a stop string, wherever tokens end, and nothing is
// generated after it.
func TestStops(t *testing.T) {
	m := talk(t, turns, engine.Options{})
	r := request(prompt(t, m, say("The Congress")), 1, 40)
	whole, text := answer(t, m, r)
	for from := 1; from < len(text)-9; from += 5 {
		r.Stops = []string{text[from : from+8]}
		res, told := answer(t, m, r)
		if want, _, _ := strings.Cut(text, r.Stops[0]); told != want || res.Stopped != r.Stops[0] || res.Stop != engine.StopText {
			t.Errorf("stop %q: %q, %q, %s", r.Stops[0], told, res.Stopped, res.Stop)
		}
		if !slices.Equal(res.IDs, whole.IDs[:len(res.IDs)]) || len(res.IDs) == len(whole.IDs) && from < len(text)/2 {
			t.Errorf("stop %q: %d tokens of %d", r.Stops[0], len(res.IDs), len(whole.IDs))
		}
	}
}

// TestContinue: a second turn begins with the tokens of the first as they ran, and only
// what is new is computed, although the template leaves reasoning out.
func TestContinue(t *testing.T) {
	m := talk(t, turns+"{% if add_generation_prompt %}<think>{% endif %}", engine.Options{})
	c := say("How many?")
	p := prompt(t, m, c)
	r := request(p, 5, 40)
	r.Reasoning = 10
	res, told := answer(t, m, r)
	if res.Parts.Text(parts.Reasoning) == "" || told == "" {
		t.Fatalf("the first turn: %v", res.Parts)
	}
	ids := append(slices.Clone(p.IDs), res.IDs...)
	next := "And [INST] then</s>?"
	c.Messages = append(c.Messages, chat.Message{Role: "assistant", Text: &told}, chat.Message{Role: "user", Text: &next})
	p2, ok := m.Continue(context.Background(), c, 1, ids, time.Unix(0, 0).UTC())
	if !ok || !slices.Equal(p2.IDs[:len(ids)], ids) || !p2.Opened {
		t.Fatalf("the second turn: %v %v", p2, ok)
	}
	if want := "\nuser: " + next + "\nassistant:<think>"; p2.Text.String != want {
		t.Errorf("what follows: %q, want %q", p2.Text.String, want)
	}
	for _, id := range p2.IDs[len(ids):] {
		if m.Engine.Tokenizer.IsControl(id) {
			t.Errorf("the user's text has the control token %d", id)
		}
	}
	res2, _ := answer(t, m, request(p2, 6, 5))
	if res2.CachedTokens < len(ids)-1 {
		t.Errorf("%d of %d tokens were cached, %d were known", res2.CachedTokens, res2.PromptTokens, len(ids))
	}
	c.Messages[1].ToolCalls = []chat.ToolCall{{Name: "f"}}
	if _, ok := m.Continue(context.Background(), c, 1, ids, time.Now()); ok {
		t.Error("an answer with calls is continued")
	}
}

func ExampleModel_Render() {
	f, err := loader.FromBytes("built in", testdata.Model)
	if err != nil {
		panic(err)
	}
	e, err := engine.Open(context.Background(), f, engine.Options{Device: "cpu"})
	if err != nil {
		panic(err)
	}
	defer e.Close()
	t, err := chat.ParseBuiltIn(context.Background(), "chatml")
	if err != nil {
		panic(err)
	}
	text := "Good morning."
	p, err := New(e, t).Render(context.Background(), &chat.Conversation{
		Messages:         []chat.Message{{Role: "user", Text: &text}},
		GenerationPrompt: true,
	}, time.Now())
	fmt.Printf("%q %v", p.Text.String, err)
	// Output: "<|im_start|>user\nGood morning.<|im_end|>\n<|im_start|>assistant\n" <nil>
}

// TestStrict: calls that the model makes of itself keep to their tools' schemas, one after
// the other; what it says beside them is free.
func TestStrict(t *testing.T) {
	m := talk(t, turns+"{# [TOOL_CALLS] [ARGS] [THINK] #}", engine.Options{})
	p := prompt(t, m, say("Call."))
	tools := []Tool{
		{"first", masks(t, m, `{"type":"object","properties":{"n":{"type":"integer","minimum":1,"maximum":9}},"required":["n"],"additionalProperties":false}`)},
		{"second", masks(t, m, `{"type":"object","properties":{"b":{"type":"boolean"}},"required":["b"],"additionalProperties":false}`)},
	}
	caller, ok := m.Engine.Tokenizer.ID("[TOOL_CALLS]")
	if !ok {
		t.Fatal("the vocabulary has no marker of calls")
	}
	for _, some := range [][]Tool{tools, tools[:1]} {
		for seed := range uint64(4) {
			r := request(p, seed, 60)
			r.Tools, r.Strict = true, some
			r.Bias = []sample.Bias{{ID: caller, Add: 100}}
			res, _ := answer(t, m, r)
			calls := res.Parts.Calls()
			if len(calls) < 2 {
				t.Fatalf("seed %d: %d calls: %+v", seed, len(calls), res.Parts)
			}
			for _, c := range calls {
				var v map[string]any
				err := json.Unmarshal([]byte(c.Arguments), &v)
				n, isNumber := v["n"].(float64)
				_, isBool := v["b"].(bool)
				if err != nil || len(v) != 1 || c.Name == "first" && (!isNumber || n < 1 || n > 9) || c.Name == "second" && !isBool || c.Name != "first" && c.Name != "second" {
					t.Errorf("seed %d: %+v, %v", seed, c, err)
				}
			}
			r.Draft = engine.MaxDraft
			if again, _ := answer(t, m, r); !slices.Equal(again.IDs, res.IDs) {
				t.Errorf("seed %d: with drafts %v, without %v", seed, again.IDs, res.IDs)
			}
		}
	}
	spelt := talk(t, turns+"{# <tool_call> arguments #}", engine.Options{})
	r := request(prompt(t, spelt, say("Call.")), 1, 5)
	r.Tools, r.Strict = true, tools
	if _, err := spelt.Submit(context.Background(), r); !errors.Is(err, ErrStrict) {
		t.Errorf("markers that are no tokens: %v", err)
	}
}
