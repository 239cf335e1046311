package parts

import "strings"

// grammar says what a header means. head is what has come of it, its markers spelt out;
// ok reports whether it is one so far, or where end is set as a whole.
type grammar func(head string, end bool) (m message, ok bool)

// message is what a header announces.
type message struct {
	to   mode
	name string // of a call
	id   string
}

const maxHeader = 256 // bytes

// isName reports whether a text can be the name of a tool, or of a call.
func isName(s string) bool {
	for i := range len(s) {
		if c := s[i]; !isDigit(c) && !('a' <= c|0x20 && c|0x20 <= 'z') && !strings.ContainsRune("_-.:/", rune(c)) {
			return false
		}
	}
	return len(s) <= 128
}

// called is a call's NAME, or NAME[CALL_ID]ID.
func called(head string, end bool) (message, bool) {
	name, id, _ := strings.Cut(head, "[CALL_ID]")
	return message{inArguments, name, id}, isName(name) && isName(id) && (!end || name != "")
}

// harmony is a role, assistant, and
//
//	[ to=RECIPIENT]<|channel|>CHANNEL[ to=RECIPIENT][ [<|constrain|>]TYPE]
//
// where a message with a recipient is a call of it; the channel analysis is reasoning,
// any other is for the user. Functions have the names functions.NAME.
func harmony(head string, end bool) (message, bool) {
	const role = "assistant"
	if len(head) > maxHeader || strings.ContainsFunc(head, func(r rune) bool { return r < ' ' || r > '~' }) {
		return message{}, false
	}
	rest, ok := strings.CutPrefix(head, role)
	if !ok {
		return message{}, !end && strings.HasPrefix(role, head)
	}
	before, after, channeled := strings.Cut(rest, "<|channel|>")
	if before != "" {
		const to = " to="
		if !strings.HasPrefix(before, to) && (end || channeled || !strings.HasPrefix(to, before)) {
			return message{}, false
		}
	}
	recipient := ""
	for _, word := range strings.Fields(before + " " + strings.ReplaceAll(after, "<|constrain|>", " ")) {
		if to, ok := strings.CutPrefix(word, "to="); ok && recipient == "" {
			recipient = to
		}
	}
	channel := after
	if i := strings.IndexAny(after, " <"); i >= 0 {
		channel = after[:i]
	}
	switch {
	case recipient != "":
		return message{to: inArguments, name: strings.TrimPrefix(recipient, "functions.")}, isName(recipient)
	case channel == "analysis":
		return message{to: inReasoning}, true
	}
	return message{to: inAnswer}, true
}
