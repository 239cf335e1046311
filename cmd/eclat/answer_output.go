package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"eclat/cmd/eclat/conversation"
	"eclat/cmd/eclat/out"
	"eclat/cmd/eclat/terminal"
	"eclat/engine"
	"eclat/engine/turn"
	"eclat/model/chat/parts"
)

// thinkingFlag is how reasoning shows on a terminal.
type thinkingFlag string

const (
	thinkingShown  thinkingFlag = "shown"
	thinkingFolded thinkingFlag = "folded"
	thinkingOff    thinkingFlag = "off"
)

func (t *thinkingFlag) Set(s string) error {
	switch v := thinkingFlag(s); v {
	case thinkingShown, thinkingFolded, thinkingOff:
		*t = v
		return nil
	}
	return errors.New("give shown, folded or off")
}

func (t *thinkingFlag) String() string { return string(*t) }

func (t *thinkingFlag) Type() string { return "how" }

// answerOutput prints an answer as it comes: on a terminal with its reasoning, elsewhere
// the answer alone.
type answerOutput struct {
	thinking thinkingFlag
	colour   bool
	live     bool // a terminal

	flow    terminal.Flow
	reasons bool // reasoning goes on
	since   time.Time
	shown   time.Time // when the line of folded reasoning was last written
	tokens  int       // of reasoning
	begun   bool      // something of the part that goes on has been printed
	last    byte      // that was printed
}

func newAnswerOutput(thinking thinkingFlag) *answerOutput {
	return &answerOutput{thinking: thinking, colour: stdout.Coloured(), live: stdout.Terminal(), last: '\n', flow: terminal.Flow{Columns: stdout.Columns}}
}

// print writes text as the model wrote it. On a terminal what commands that is spelt out,
// and empty lines before a part are left out.
func (a *answerOutput) print(text string) {
	if a.live {
		if !a.begun {
			text = strings.TrimLeft(text, " \n")
		}
		text = out.Screen(text)
	}
	if text == "" {
		return
	}
	a.begun, a.last = true, text[len(text)-1]
	if a.live {
		text = a.flow.Add(text)
	}
	io.WriteString(stdout, text)
}

// style begins a style, or ends it with out.Plain.
func (a *answerOutput) style(s out.Style) {
	if a.colour {
		if s == out.Plain {
			s = "0"
		}
		io.WriteString(stdout, "\x1b["+string(s)+"m")
	}
}

// add prints what came with a token.
func (a *answerOutput) add(ev turn.Event) {
	for _, d := range ev.Deltas {
		switch d.Kind {
		case parts.Reasoning:
			a.reason(d.Text)
		case parts.Answer:
			if a.reasons {
				a.thought()
			}
			a.print(d.Text)
		}
	}
	if a.reasons && ev.ID >= 0 {
		a.tokens++
		a.fold()
	}
	stdout.Flush()
}

// reason prints reasoning.
func (a *answerOutput) reason(text string) {
	if !a.reasons {
		a.line()
		a.reasons, a.since, a.begun = true, time.Now(), false
	}
	if a.live && a.thinking == thinkingShown {
		a.style(out.Dim)
		a.print(text)
		a.style(out.Plain)
	}
}

// fold tells how long reasoning goes on already, in one line.
func (a *answerOutput) fold() {
	if !a.live || a.thinking != thinkingFolded || time.Since(a.shown) < 100*time.Millisecond {
		return
	}
	a.shown = time.Now()
	a.style(out.Dim)
	out.Fprintf(stdout, "\rthinking … %.0f s, %d tokens", time.Since(a.since).Seconds(), a.tokens)
	a.style(out.Plain)
}

// thought ends the reasoning with a line that says how long it was.
func (a *answerOutput) thought() {
	text := fmt.Sprintf("thought for %.1f s, %d tokens", time.Since(a.since).Seconds(), a.tokens)
	switch {
	case a.thinking == thinkingOff:
	case !a.live:
		out.Messagef("%s\n", text)
	default:
		if a.thinking == thinkingFolded {
			io.WriteString(stdout, "\r\x1b[K")
		} else {
			a.line()
		}
		a.style(out.Dim)
		io.WriteString(stdout, text)
		a.style(out.Plain)
		a.last = text[len(text)-1]
		a.line()
	}
	a.reasons, a.begun = false, false
}

// line goes to the beginning of a line.
func (a *answerOutput) line() {
	if a.last != '\n' {
		io.WriteString(stdout, "\n")
		a.last = '\n'
		a.flow = terminal.Flow{Columns: stdout.Columns}
	}
}

// end ends the answer.
func (a *answerOutput) end() error {
	if a.reasons {
		a.thought()
	}
	a.line()
	return stdout.Flush()
}

// show hands in a request and prints its answer, which is written to begun too, nil for
// nowhere. Cancelling ctx ends that without an error.
func show(ctx context.Context, m *turn.Model, r turn.Request, thinking thinkingFlag, begun *conversation.Begun) (turn.Result, error) {
	defer begun.Close()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	a, err := m.Submit(ctx, r)
	if err != nil {
		return turn.Result{}, err
	}
	bar, o := out.NewBar("prompt", false), newAnswerOutput(thinking)
	for ev, ok := a.Next(); ok; ev, ok = a.Next() {
		if ev.ID < 0 && len(ev.Deltas) == 0 {
			bar.Set(int64(ev.Done), int64(ev.Total))
			continue
		}
		bar.Clear()
		if ev.ID >= 0 {
			begun.Add(ev.ID)
		}
		o.add(ev)
		if stdout.Flush() != nil {
			cancel() // nobody sees it
		}
	}
	bar.Clear()
	res, err := a.Result()
	if e := o.end(); err == nil {
		err = e
	}
	return res, err
}

// plural is a number of things.
func plural(n int, thing string) string {
	if n != 1 {
		thing += "s"
	}
	return fmt.Sprintf("%d %s", n, thing)
}

// wrapItems puts items with " · " between them on lines of at most so many columns.
func wrapItems(items []string, columns int) string {
	text, line := "", 0
	for _, item := range items {
		n := len([]rune(item))
		switch {
		case line == 0:
		case line+3+n > columns:
			text, line = text+"\n", 0
		default:
			text, line = text+" · ", line+3
		}
		text, line = text+item, line+n
	}
	return text
}

// statusItems are what an answer took, in short.
func statusItems(st *engine.Stats, context int) []string {
	items := []string{fmt.Sprintf("context %d/%d", min(st.PromptTokens+st.GeneratedTokens, context), context)}
	if n, s := st.GeneratedTokens-1, st.GenerateTime.Seconds(); n > 0 && s > 0 {
		items = append(items, fmt.Sprintf("%.1f tokens/s", float64(n)/s))
	}
	items = append(items, fmt.Sprintf("first after %.2f s", (st.QueueTime+st.PromptTime).Seconds()))
	if st.CachedTokens > 0 {
		items = append(items, fmt.Sprintf("%d cached", st.CachedTokens))
	}
	if st.Stop != engine.StopEOS && st.Stop != engine.StopText {
		items = append(items, string(st.Stop))
	}
	return items
}
