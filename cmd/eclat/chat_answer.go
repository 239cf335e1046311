package main

import (
	"context"
	"errors"
	"strings"

	"github.com/rivo/uniseg"

	"eclat/cmd/eclat/out"
	"eclat/engine"
	"eclat/engine/turn"
)

// answer answers a message. Its errors end the chat; what the user can mend is said.
func (t *talk) answer(ctx context.Context, message string) error {
	if t.flags.n == 0 {
		t.sayf("Nothing is generated: -n is 0. /set n -1 changes that.")
		return nil
	}
	room, err := t.fit(ctx, message)
	if err != nil || !room {
		return t.told(err)
	}
	p, err := t.c.Prompt(ctx, message)
	if err != nil {
		return t.told(err)
	}
	r := turn.Request{Request: t.flags.request(p.IDs, t.how), Opened: p.Opened, Stops: t.flags.stops, Grammar: t.masks, Reasoning: t.c.Reasoning}
	begun, err := begin(t.session, t.c, message, &t.how, &r)
	if err != nil {
		return t.told(err)
	}
	asked, stop := context.WithCancel(ctx)
	defer stop()
	if t.term != nil {
		defer t.term.Watch(func(times int) {
			stop()
			t.leave = t.leave || times > 1
		})()
	}
	res, err := show(asked, t.c.Model, r, t.flags.thinking, begun)
	if err != nil {
		if !errors.Is(err, engine.ErrLost) && !errors.Is(err, engine.ErrClosed) { // those may be gone the next time
			err = errors.Join(err, t.forget())
		}
		return t.told(err)
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	t.total.add(&res)
	if len(res.IDs) == 0 && res.Stop == engine.StopCancel {
		t.sayf("interrupted before the answer began; the message is not kept (the up arrow brings it back)")
		return t.told(t.forget())
	}
	t.c.Add(message, p, &res)
	t.say(wrapItems(statusItems(&res.Stats, t.e.Context), t.width()))
	if t.flags.proof {
		out.Messagef("proof    %s\n", res.Proof)
		showPeers(res.Stats)
	}
	if t.term != nil {
		defer out.Messagef("\n")
	}
	if res.Stop == engine.StopContext {
		t.sayf("The context is full: the answer is cut off. The next message asks whether to leave out the oldest turns.")
	}
	return t.save(ctx)
}

// forget says in the session that no answer is on its way.
func (t *talk) forget() error {
	if t.session == nil {
		return nil
	}
	return t.session.Forget()
}

// resume goes on with an answer that was cut off by the end of the program.
func (t *talk) resume(ctx context.Context) error {
	b := t.c.Begun
	if b == nil {
		return nil
	}
	t.sayf("The program ended in the middle of an answer, which goes on:")
	if t.term != nil {
		t.term.Remember(b.User)
		out.Fprintf(stdout, "%s%s\n", prompt, out.Painted(out.Screen(b.User)))
	}
	return t.answer(ctx, b.User)
}

// told says an error that the chat can go on after; others it returns. Where nobody is at
// a terminal each ends the chat: nobody would read it.
func (t *talk) told(err error) error {
	if err == nil || t.term == nil || errors.Is(err, engine.ErrLost) || errors.Is(err, engine.ErrClosed) || errors.Is(err, context.Canceled) || stdoutGone(err) {
		return err
	}
	for _, line := range wrapWords(out.Sprintf("eclat: %s", describe(err)), min(t.width(), 100)) {
		out.Messagef("%s\n", out.Painted(line))
	}
	return nil
}

// stdoutGone reports whether answers cannot be written any more.
func stdoutGone(err error) bool {
	var w *out.WriteError
	return errors.As(err, &w)
}

// save writes the session, if there is one.
func (t *talk) save(ctx context.Context) error {
	if t.session == nil {
		return nil
	}
	t.dirty = false
	return t.told(t.session.Save(context.WithoutCancel(ctx), t.c, &t.how))
}

// fit makes room in the context for a message and an answer: it asks before it leaves out
// the oldest turns. It reports whether there is room.
func (t *talk) fit(ctx context.Context, message string) (bool, error) {
	const least = 8 // an answer's tokens, as a share of the context: 1/least
	n, err := t.c.Surplus(ctx, message, 1)
	if err != nil || n == 0 {
		return n == 0, err
	}
	if n > len(t.c.Turns) {
		return false, errors.New("the message alone is longer than the context; give a shorter one or a larger context (-c)")
	}
	if more, err := t.c.Surplus(ctx, message, t.e.Context/least); err == nil && more <= len(t.c.Turns) {
		n = more
	}
	what := "the oldest turn"
	if n > 1 {
		what = out.Sprintf("the %d oldest turns", n)
	}
	if t.term == nil {
		return false, errors.New("the context is full (" + what + " would have to go); give a larger one (-c), or /undo or /clear before")
	}
	t.sayf("The context of %d tokens is full.", t.e.Context)
	answer, err := t.term.Ask(out.Sprintf("Leave out %s of %d? [y/n] ", what, len(t.c.Turns)))
	if err != nil || !strings.HasPrefix(strings.ToLower(strings.TrimSpace(answer)), "y") {
		t.sayf("Nothing was left out, and the message is not answered. /clear begins anew.")
		t.given = message
		return false, nil
	}
	t.c.Drop(n)
	t.dirty = true
	return true, nil
}

// width is the terminal's, or that of plain lines.
func (t *talk) width() int {
	if t.term == nil {
		return 100
	}
	return t.term.Width()
}

// add takes up what an answer took.
func (s *totals) add(r *turn.Result) {
	s.answers++
	s.prompt += r.PromptTokens
	s.cached += r.CachedTokens
	s.generated += r.GeneratedTokens
	s.reasoning += r.ReasoningTokens
	s.stats.PromptTime += r.PromptTime
	s.stats.GenerateTime += r.GenerateTime
	s.stats.Drafted += r.Drafted
	s.stats.Accepted += r.Accepted
}

// wrapWords breaks a text into lines of at most so many columns, between words where it
// can; what is broken is indented as the line is.
func wrapWords(text string, columns int) (lines []string) {
	columns = max(columns, 20)
	for _, line := range strings.Split(text, "\n") {
		indent := line[:min(8, len(line)-len(strings.TrimLeft(line, " ")))]
		for uniseg.StringWidth(line) > columns {
			cut, space, width := 0, 0, 0
			g := uniseg.NewGraphemes(line)
			for g.Next() {
				if width += g.Width(); width > columns {
					break
				}
				from, to := g.Positions()
				if g.Str() == " " && from > len(indent) {
					space = from
				}
				cut = to
			}
			if rest := line[cut:]; space > 0 && !strings.HasPrefix(rest, " ") {
				cut = space
			}
			lines = append(lines, strings.TrimRight(line[:cut], " "))
			line = indent + strings.TrimLeft(line[cut:], " ")
		}
		lines = append(lines, line)
	}
	return lines
}
