package main

import (
	"context"
	"errors"
	"os"
	"regexp"
	"strings"

	"eclat/cmd/eclat/conversation"
	"eclat/cmd/eclat/out"
	"eclat/cmd/eclat/terminal"
	"eclat/loader/spelling"
)

// chatCommand is something that the user can tell the chat instead of the model.
type chatCommand struct {
	name, takes, does string
	run               func(t *talk, ctx context.Context, rest string) error
}

// commands in the order of /help. (A function, since /help lists them.)
func commands() []chatCommand {
	return []chatCommand{
		{"help", "", "list the commands", (*talk).help},
		{"system", "[TEXT|none]", "set the system message, or show it", (*talk).setSystem},
		{"set", "[NAME VALUE]", "change a setting, or list them all", (*talk).set},
		{"show", "[prompt]", "print the conversation, or the last prompt as the model has it", (*talk).show},
		{"save", "[FILE]", "keep the conversation in a file from now on", (*talk).saveAs},
		{"load", "FILE", "go on from a file", (*talk).load},
		{"retry", "", "answer the last message anew, with another seed", (*talk).retry},
		{"edit", "[TEXT]", "change the last message and have it answered", (*talk).edit},
		{"undo", "", "take back the last message and its answer", (*talk).undo},
		{"clear", "", "begin anew; the system message stays", (*talk).clear},
		{"stats", "", "what the answers took so far", (*talk).showStats},
		{"template", "", "the chat template, and what it can do", (*talk).showTemplate},
		{"image", "FILE", "not possible yet", (*talk).image},
		{"bye", "", "leave", (*talk).bye},
	}
}

// commandLine is how a command is told from a message: a path, say, is none.
var commandLine = regexp.MustCompile(`(?s)^/([a-z]+)(?:\s+(.*))?$`)

// take does what a message says, if it is a command, else has it answered.
func (t *talk) take(ctx context.Context, m terminal.Message) error {
	if parts := commandLine.FindStringSubmatch(m.Text); parts != nil && !m.Raw {
		return t.told(t.command(ctx, parts[1], strings.TrimSpace(parts[2])))
	}
	if strings.TrimSpace(m.Text) == "" {
		return nil
	}
	if t.edits {
		return t.replace(ctx, m.Text)
	}
	return t.answer(ctx, m.Text)
}

// command runs the command of a name.
func (t *talk) command(ctx context.Context, name, rest string) error {
	best, least := "help", 3
	for _, c := range commands() {
		if c.name == name {
			if rest != "" && c.takes == "" {
				return errors.New("/" + name + " takes nothing")
			}
			t.edits = false
			return c.run(t, ctx, rest)
		}
		if d := spelling.Distance(name, c.name); d < least && d < len(c.name) {
			best, least = c.name, d
		}
	}
	if least == 3 {
		return errors.New(out.Sprintf("there is no command /%.40s; /help lists them (a space before it makes it a message)", name))
	}
	return errors.New(out.Sprintf("there is no command /%.40s; did you mean /%s?", name, best))
}

// completeCommand is what the beginning of a command may go on as.
func completeCommand(text string) (all []string) {
	if rest, ok := strings.CutPrefix(text, "/set "); ok {
		for _, s := range settingNames() {
			if strings.HasPrefix(s, rest) {
				all = append(all, "/set "+s+" ")
			}
		}
		return all
	}
	for _, c := range commands() {
		if name := "/" + c.name; text != "" && strings.HasPrefix(name, text) {
			if c.takes != "" {
				name += " "
			}
			all = append(all, name)
		}
	}
	return all
}

func (t *talk) help(ctx context.Context, _ string) error {
	for _, c := range commands() {
		t.pair("/"+strings.TrimSpace(c.name+" "+c.takes), c.does)
	}
	t.say(`Enter sends. A line that ends with \ goes on on the next, so does all between """ and """, and Alt-Enter begins a line. A paste is one message. The up arrow brings earlier messages back. Ctrl-C stops an answer, twice leaves.`)
	return nil
}

// pair says a name and what belongs to it, one below the other where the screen is narrow.
func (t *talk) pair(name, text string) {
	const column = 24
	lines := wrapWords(text, t.width()-column)
	if t.width() < 2*column {
		lines = wrapWords(text, t.width()-2)
		t.say(name)
		for _, line := range lines {
			t.say("  " + line)
		}
		return
	}
	for _, line := range lines {
		t.say(out.Sprintf("%-23s ", name) + line)
		name = ""
	}
}

func (t *talk) setSystem(ctx context.Context, text string) error {
	switch text {
	case "":
		if t.c.System() == "" {
			t.sayf("There is no system message of yours; the template may have one of its own (/show prompt).")
		} else {
			t.say(out.Screen(t.c.System()))
		}
		return nil
	case "none":
		text = ""
	}
	if err := t.c.SetSystem(text); err != nil {
		return err
	}
	t.dirty = true
	if n := len(t.c.Turns); n > 0 {
		t.sayf("Set; it holds for what was said before too (%s), which is computed again.", plural(n, "turn"))
	} else {
		t.sayf("Set.")
	}
	return nil
}

func (t *talk) saveAs(ctx context.Context, file string) error {
	switch {
	case file == "" && t.session == nil:
		return errors.New("/save needs a file's name: no --session was given")
	case file != "" && (t.session == nil || file != t.session.Path):
		if _, err := os.Lstat(file); err == nil {
			return errors.New(out.Sprintf("%s is there already; name another", file))
		}
		before := t.session
		t.session = &conversation.Session{Path: file}
		if err := t.session.Save(ctx, t.c, &t.how); err != nil {
			t.session = before
			return err
		}
	default:
		if err := t.session.Save(ctx, t.c, &t.how); err != nil {
			return err
		}
	}
	t.dirty = false
	t.sayf("Saved in %s, which is kept up to date from now on.", t.session.Path)
	return nil
}

func (t *talk) load(ctx context.Context, file string) error {
	if file == "" {
		return errors.New("/load needs a file's name")
	}
	if _, err := os.Stat(file); err != nil {
		return err
	}
	s := &conversation.Session{Path: file}
	why, err := s.Load(ctx, t.c, &t.how, func(string) bool { return false })
	if err != nil {
		return err
	}
	sayWhy(s, why)
	t.session, t.dirty = s, false
	t.sayf("%s goes on after %s, and is kept up to date from now on; /show prints them.", file, plural(len(t.c.Turns), "turn"))
	return t.resume(ctx)
}

var errNoTurn = errors.New("nothing has been said yet")

// replace has another message answered in place of the last one. That comes back if there
// is no answer.
func (t *talk) replace(ctx context.Context, message string) error {
	t.edits = false
	last, ok := t.c.Undo()
	if !ok {
		return errNoTurn
	}
	n := len(t.c.Turns)
	err := t.answer(ctx, message)
	if len(t.c.Turns) == n {
		t.c.Turns = append(t.c.Turns, last)
	}
	return err
}

func (t *talk) retry(ctx context.Context, _ string) error {
	if len(t.c.Turns) == 0 {
		return errNoTurn
	}
	t.how.Seed++
	t.sayf("seed %d", t.how.Seed)
	return t.replace(ctx, t.c.Turns[len(t.c.Turns)-1].User)
}

func (t *talk) edit(ctx context.Context, text string) error {
	switch {
	case len(t.c.Turns) == 0:
		return errNoTurn
	case text != "":
		return t.replace(ctx, text)
	case t.term == nil:
		return errors.New("/edit needs the new text where there is no terminal")
	}
	t.edits, t.given = true, t.c.Turns[len(t.c.Turns)-1].User
	return nil
}

func (t *talk) undo(ctx context.Context, _ string) error {
	last, ok := t.c.Undo()
	if !ok {
		return errNoTurn
	}
	t.dirty = true
	t.sayf("Taken back: %.60q. Left: %s.", last.User, plural(len(t.c.Turns), "turn"))
	return nil
}

func (t *talk) clear(ctx context.Context, _ string) error {
	t.c.Clear()
	t.dirty = true
	t.sayf("Nothing has been said.")
	return nil
}

func (t *talk) image(ctx context.Context, _ string) error {
	return errors.New("images are not possible yet: no model here reads them")
}

func (t *talk) bye(ctx context.Context, _ string) error {
	t.leave = true
	return nil
}
