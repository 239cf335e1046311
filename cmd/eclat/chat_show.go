package main

import (
	"context"
	"errors"
	"strconv"
	"strings"

	"eclat/cmd/eclat/out"
	"eclat/loader/spelling"
	"eclat/model/chat/stop"
	"eclat/model/sample"
)

// settingNames are what /set changes besides the fields of sampling.
func settingNames() []string {
	names := []string{"thinking", "reasoning", "n", "seed", "stop"}
	for i := range sample.Fields {
		names = append(names, sample.Fields[i].Flag)
	}
	return names
}

// set changes a setting, or lists them.
func (t *talk) set(ctx context.Context, rest string) error {
	name, value, _ := strings.Cut(rest, " ")
	value = strings.TrimSpace(value)
	if name == "" {
		for _, name := range settingNames() {
			t.pair(name, t.setting(name))
		}
		return nil
	}
	if value == "" {
		if v := t.setting(name); v != "" {
			t.pair(name, v)
			return nil
		}
	}
	if err := t.change(strings.TrimPrefix(name, "--"), value); err != nil {
		return err
	}
	t.pair(name, t.setting(strings.TrimPrefix(name, "--")))
	return nil
}

// setting is the value of a setting, "" for one that there is not.
func (t *talk) setting(name string) string {
	switch name {
	case "thinking":
		return string(t.flags.thinking)
	case "reasoning":
		return t.flags.reasoning.String()
	case "n":
		return strconv.Itoa(t.flags.n)
	case "seed":
		return strconv.FormatUint(t.how.Seed, 10)
	case "stop":
		if len(t.flags.stops) == 0 {
			return "none"
		}
		return out.Sprintf("%q", strings.Join(t.flags.stops, " | "))
	}
	for i := range sample.Fields {
		f := &sample.Fields[i]
		switch {
		case f.Flag != name:
		case f.Float != nil:
			return strconv.FormatFloat(float64(*f.Float(&t.how)), 'g', -1, 32)
		default:
			return strconv.Itoa(int(*f.Whole(&t.how)))
		}
	}
	return ""
}

// change gives a setting a value.
func (t *talk) change(name, value string) error {
	bad := func(takes string) error { return errors.New(out.Sprintf("%s %.40q: %s", name, value, takes)) }
	switch name {
	case "thinking":
		if err := t.flags.thinking.Set(value); err != nil {
			return bad(err.Error())
		}
		return nil
	case "reasoning":
		var r reasoningFlag
		if err := r.Set(value); err != nil {
			return bad(err.Error())
		}
		if err := checkReasoning(r, t.c.Model); err != nil {
			return err
		}
		t.flags.reasoning, t.c.Reasoning = r, int(r)
		return nil
	case "n":
		n, err := strconv.Atoi(value)
		if err != nil || n < -1 {
			return bad("give a number of tokens, or -1 for no limit")
		}
		t.flags.n = n
		return nil
	case "seed":
		n, err := strconv.ParseUint(value, 10, 63)
		if err != nil {
			return bad("give a whole number")
		}
		t.how.Seed = n
		return nil
	case "stop":
		if value == "none" {
			t.flags.stops = nil
			return nil
		}
		stops := append(t.flags.stops[:len(t.flags.stops):len(t.flags.stops)], value)
		if _, err := stop.New(stops...); err != nil {
			return err
		}
		t.flags.stops = stops
		return nil
	}
	how := t.how
	for i := range sample.Fields {
		f := &sample.Fields[i]
		if f.Flag != name {
			continue
		}
		if f.Float != nil {
			x, err := strconv.ParseFloat(value, 32)
			if err != nil {
				return bad("give a number")
			}
			*f.Float(&how) = float32(x)
		} else {
			x, err := strconv.ParseInt(value, 10, 32)
			if err != nil {
				return bad("give a whole number")
			}
			*f.Whole(&how) = int32(x)
		}
		if err := f.Check(&how); err != nil {
			return err
		}
		t.how = how
		return nil
	}
	return unknownSetting(name)
}

// unknownSetting guesses what was meant.
func unknownSetting(name string) error {
	best, least := "", 3
	for _, s := range settingNames() {
		if d := spelling.Distance(name, s); len(name) <= 40 && d < least && d < len(s) {
			best, least = s, d
		}
	}
	if best != "" {
		return errors.New(out.Sprintf("there is no setting %.40q; did you mean %s?", name, best))
	}
	return errors.New(out.Sprintf("there is no setting %.40q; /set lists them", name))
}

// show prints the conversation, or the prompt that the next message goes on from.
func (t *talk) show(ctx context.Context, what string) error {
	switch what {
	case "":
	case "prompt":
		if ids := t.c.Tokens(); ids != nil {
			return printPrompt(t.e, ids)
		}
		p, err := t.c.Prompt(ctx, "")
		if err != nil {
			return err
		}
		return printPrompt(t.e, p.IDs)
	default:
		return errors.New("/show prints the conversation, /show prompt what the model has of it")
	}
	if s := t.c.System(); s != "" {
		t.say("system: " + out.Screen(s))
	}
	for i := range t.c.Turns {
		u := &t.c.Turns[i]
		a := newAnswerOutput(t.flags.thinking)
		a.begun = true // it begins as it was typed
		a.print(prompt + u.User)
		a.line()
		a.begun = false
		if u.Reasoning != "" && t.flags.thinking == thinkingShown && a.live {
			a.style(out.Dim)
			a.print(u.Reasoning)
			a.style(out.Plain)
			a.line()
			a.begun = false
		}
		a.print(u.Answer)
		if err := a.end(); err != nil {
			return err
		}
	}
	if len(t.c.Turns) == 0 {
		t.sayf("Nothing has been said.")
	}
	return nil
}

// showStats says what the answers took.
func (t *talk) showStats(ctx context.Context, _ string) error {
	s := &t.total
	rate := func(n int, seconds float64) string {
		if n <= 0 || seconds <= 0 {
			return ""
		}
		return out.Sprintf(", %.1f tokens/s", float64(n)/seconds)
	}
	t.pair("model", out.Escape(title(t.e)+" on "+t.e.Device()))
	t.pair("context", out.Sprintf("%d of %d tokens", len(t.c.Tokens()), t.e.Context))
	t.pair("turns", out.Sprintf("%d, this time %s", len(t.c.Turns), plural(s.answers, "answer")))
	t.pair("prompts", out.Sprintf("%d tokens, %d of them cached%s", s.prompt, s.cached, rate(s.prompt-s.cached, s.stats.PromptTime.Seconds())))
	t.pair("answers", out.Sprintf("%d tokens, %d of them reasoning%s", s.generated, s.reasoning, rate(s.generated-s.answers, s.stats.GenerateTime.Seconds())))
	if s.stats.Drafted > 0 {
		t.pair("drafts", out.Sprintf("%d tokens, %d right", s.stats.Drafted, s.stats.Accepted))
	}
	if t.session != nil {
		t.pair("session", out.Escape(t.session.Path))
	}
	return nil
}

// showTemplate prints the template and what it can do.
func (t *talk) showTemplate(ctx context.Context, _ string) error {
	if t.term == nil { // a pipe takes answers alone
		out.Messagef("template: %s (%s)\n", t.c.Model.Template.Name, t.c.Model.Template.Why)
		return nil
	}
	return showTemplate(t.c.Model.Template)
}
