//go:build linux || darwin || freebsd

package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/creack/pty"

	"eclat/model/arch/archtest"
)

// sessionNote reads what a session's file says.
func sessionNote(t *testing.T, path string) (n struct {
	System string
	Turns  []struct {
		User, Answer string
		Tokens       int
	}
}) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var head struct {
		Note json.RawMessage `json:"note"`
	}
	if err = json.Unmarshal(bytes.SplitN(b, []byte("\n"), 3)[1], &head); err == nil {
		err = json.Unmarshal(head.Note, &n)
	}
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestChatTyping: what is typed is answered as run answers it; the second turn computes
// only what is new.
func TestChatTyping(t *testing.T) {
	want := ok(t, "", "run", "--device", "cpu", "--temp", "0", "-n", "12", "-p", "The people of the")
	p := chatOn(t, 200, nil, "--temp", "0", "-n", "12")
	if got := bare(p.await(ready)); !strings.Contains(got, "no instruct model") || !strings.Contains(got, "/help") {
		t.Errorf("it greets with %q", got)
	}
	p.send("The peo\x7fople of the\r")
	got := bare(p.await("context "))
	if !strings.Contains(got, "\n"+strings.TrimSpace(want)) {
		t.Errorf("it answers %q, run %q", got, want)
	}
	p.await(ready)
	p.send("And the\r")
	status := bare(p.await(" cached"))
	if m := regexp.MustCompile(`context (\d+)/\d+ · [\d.]+ tokens/s · first after [\d.]+ s · (\d+) cached$`).FindStringSubmatch(status); m == nil || len(m[2]) != 2 {
		t.Errorf("the second turn: %q", status)
	}
	p.await(ready)
	p.send("/set temp 0.5\r")
	if got := bare(p.await(ready)); !strings.Contains(got, "temp                    0.5") {
		t.Errorf("/set: %q", got)
	}
	p.send("/svae x\r")
	if got := bare(p.await(ready)); !strings.Contains(got, "did you mean /save?") {
		t.Errorf("a command that there is not: %q", got)
	}
	p.send("/image cat.png\r")
	if got := bare(p.await(ready)); !strings.Contains(got, "images are not possible yet") {
		t.Errorf("/image: %q", got)
	}
	p.send("\x04")
	p.leaves(0)
}

// TestChatPaste: a hundred lines that are pasted are one message, and so are lines within
// quotes; wide characters are edited as characters.
func TestChatPaste(t *testing.T) {
	file := filepath.Join(t.TempDir(), "s")
	p := chatOn(t, 60, nil, "--template", "chatml", "-n", "1", "--session", file)
	lines := strings.Repeat("a line\tof it\n", 99) + "/the last"
	messages := []struct{ keys, want string }{
		{"\x1b[200~" + strings.ReplaceAll(lines, "\n", "\r") + "\x1b[201~\r", lines},
		{"\"\"\"\rone\rtwo\r\"\"\"\r", "one\ntwo"},
		{"你好吗\x1b[D\x7f们 🇫🇷👩‍👩‍👧\x7f\r", "你们 🇫🇷吗"},
		{"/usr/bin/env is a path\r", "/usr/bin/env is a path"},
	}
	for i, m := range messages {
		p.await(ready)
		p.send(m.keys)
		p.await("context ")
		p.await(ready[:2])
		n := sessionNote(t, file)
		if len(n.Turns) != i+1 || n.Turns[i].User != m.want {
			t.Errorf("%q: %d messages, the last of %+v", m.keys, len(n.Turns), n.Turns[len(n.Turns)-1])
		}
		p.seen -= 2
	}
	p.await(ready)
	p.send("\x03")
	p.await("Ctrl-C again leaves")
	p.send("\x03")
	p.leaves(0)
	if st, err := os.Stat(file); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", st.Mode(), err)
	}
}

// TestChatInterrupt: Ctrl-C stops the answer and keeps it, twice leaves; the terminal is
// as it was then.
func TestChatInterrupt(t *testing.T) {
	p := chatOn(t, 80, nil, "--temp", "0", "--logit-bias", endBias(t), "-c", "2000")
	p.await(ready)
	p.send("The people\r")
	p.await("United")
	p.send("next\x03") // typed meanwhile
	p.await("interrupted")
	p.await("> next")
	p.send(" words\r")
	p.await("> next words")
	p.await("\r\n")
	p.await(" ")
	p.send("\x03\x03")
	p.await("\x1b[?2004l")
	p.leaves(0)

	p = chatOn(t, 80, nil)
	p.await(ready)
	if err := p.cmd.Process.Signal(os.Interrupt); err != nil { // from outside, as timeout(1) does
		t.Fatal(err)
	}
	p.await("\x1b[?2004l")
	p.leaves(130)
}

// endBias forbids the built-in model to end its text.
func endBias(t *testing.T) string {
	t.Helper()
	out := ok(t, "", "inspect", "--json")
	m := regexp.MustCompile(`"tokenizer\.ggml\.eos_token_id": ?(\d+)`).FindStringSubmatch(out)
	if m == nil {
		t.Fatalf("no end token: %.2000s", out)
	}
	return m[1] + "-inf"
}

// TestChatResume: after kill -9 the conversation goes on with the same bits, as though
// nothing had been.
func TestChatResume(t *testing.T) {
	args := func(file string) []string {
		return []string{"--template", "chatml", "--seed", "5", "-n", "20", "--proof", "--session", file}
	}
	turn := func(p *onTerminal, message string) (answer, proof string) {
		p.await(ready)
		p.send(message + "\r")
		p.await(message + "\x1b[K\x1b[J\r\n")
		answer = bare(p.await("context "))
		p.await("sha256 ")
		return answer, p.await(",")
	}
	dir := t.TempDir()
	whole := chatOn(t, 200, nil, args(filepath.Join(dir, "a"))...)
	turn(whole, "Who are you?")
	wantText, wantProof := turn(whole, "And the Congress?")

	file := filepath.Join(dir, "b")
	p := chatOn(t, 200, nil, args(file)...)
	turn(p, "Who are you?")
	p.await(ready)
	p.cmd.Process.Kill()
	<-p.done
	p = chatOn(t, 200, nil, "--template", "chatml", "-n", "20", "--proof", "--session", file) // the seed is the session's
	p.await("goes on after 1 turn;")
	text, proof := turn(p, "And the Congress?")
	if text != wantText || proof != wantProof {
		t.Errorf("%q, %s, without a kill %q, %s", text, proof, wantText, wantProof)
	}
	p.await(ready)
	p.send("/stats\r")
	p.await("cached")
	p.await(ready)
	p.cmd.Process.Kill()
	<-p.done

	// Another template: the text is taken up, the file kept.
	p = chatOn(t, 200, nil, "--template", "qwen3", "-n", "3", "--proof", "--session", file)
	got := bare(p.await("goes on after 2 turns"))
	if !strings.Contains(strings.ReplaceAll(got, "\n", " "), "another template") {
		t.Errorf("another template: %q", got)
	}
	turn(p, "So?")
	p.await(ready)
	if n := sessionNote(t, file); len(n.Turns) != 3 || len(sessionNote(t, file+".other").Turns) != 2 {
		t.Errorf("%+v", n)
	}
	p.send("\x04")
	p.leaves(0)

	// A damaged file is kept too, and said to be damaged.
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)-100] ^= 1
	if err := os.WriteFile(file, b, 0o600); err != nil {
		t.Fatal(err)
	}
	p = chatOn(t, 200, nil, "--template", "qwen3", "-n", "3", "--proof", "--session", file)
	if got := bare(p.await(ready)); !strings.Contains(got, "damaged") || strings.Contains(got, "goes on after") {
		t.Errorf("damaged: %q", got)
	}
	p.seen -= len(ready)
	turn(p, "So?")
	p.await(ready)
	if kept, err := os.ReadFile(file + ".damaged"); err != nil || !bytes.Equal(kept, b) {
		t.Errorf("the damaged file is not kept: %v", err)
	}
}

// TestChatKilled: killed in the middle of an answer the conversation has what was said
// before, and the answer goes on when the program is started again, and is to the bit the one
// that it would have been: also of a model with recurrent layers that keeps its memory in
// fewer bits, drafts or not.
func TestChatKilled(t *testing.T) {
	dir := t.TempDir()
	hybrid := filepath.Join(dir, "hybrid.gguf")
	if err := archtest.Hybrid("qwen35", 1).WriteFile(hybrid); err != nil {
		t.Fatal(err)
	}
	for name, model := range map[string][]string{"plain": {"--logit-bias", endBias(t)}, "hybrid": {hybrid, "-c", "4096", "--logit-bias", "2-inf"}} {
		t.Run(name, func(t *testing.T) {
			args := func(file string, n string, draft string) []string {
				return append([]string{"--template", "chatml", "--seed", "5", "-n", n, "--draft", draft, "--proof", "--session", file, "--cache-type-k", "q8_0", "--cache-type-v", "q8_0"}, model...)
			}
			turn := func(p *onTerminal, message string) (proof string) {
				p.await(ready)
				p.send(message + "\r")
				p.await(message + "\x1b[K\x1b[J\r\n")
				p.await("sha256 ")
				return p.await(",")
			}
			const tokens = "600"
			whole := chatOn(t, 200, nil, args(filepath.Join(dir, name+"a"), "24", "off")...)
			turn(whole, "Who are you?")
			whole.await(ready)
			whole.send("/set n " + tokens + "\r")
			want := turn(whole, "And who else?")

			file := filepath.Join(dir, name+"b")
			p := chatOn(t, 200, nil, args(file, "24", "auto")...)
			turn(p, "Who are you?")
			p.await(ready)
			p.send("/set n " + tokens + "\r")
			p.await(ready)
			p.send("And who else?\r")
			p.await("And who else?\x1b[K\x1b[J\r\n")
			for from, now := p.seen, p.seen; now < from+5; time.Sleep(time.Millisecond) { // it answers
				p.mu.Lock()
				now = len(p.text)
				p.mu.Unlock()
			}
			p.cmd.Process.Kill()
			<-p.done
			if n := sessionNote(t, file); len(n.Turns) != 1 {
				t.Fatalf("%d turns after a kill", len(n.Turns))
			}
			begun, err := os.ReadFile(file + ".begun")
			if err != nil || bytes.Count(begun, []byte("\n")) < 2 {
				t.Fatalf("no token of the answer is kept: %q, %v", begun, err)
			}
			p = chatOn(t, 200, nil, args(file, tokens, "auto")...)
			p.await("goes on after 1 turn;")
			p.await("And who else?")
			p.await("sha256 ")
			if got := p.await(","); got != want {
				t.Errorf("%s, without a kill %s", got, want)
			}
			p.await(ready)
			p.send("\x04")
			p.leaves(0)

			// One that has ended is not answered again.
			if _, err := os.Stat(file + ".begun"); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("after the end of the answer: %v", err)
			}
			if err := os.WriteFile(file+".begun", begun, 0o600); err != nil {
				t.Fatal(err)
			}

			// What is stale is said to be and computed again: here, memory that is kept otherwise.
			stale := args(file, "5", "auto")
			for i := range stale {
				if stale[i] == "q8_0" {
					stale[i] = "f16"
				}
			}
			p = chatOn(t, 200, nil, stale...)
			if got := bare(p.await("goes on after 2 turns")); !strings.Contains(strings.ReplaceAll(got, "\n", " "), "kept as \"q8_0\" and \"q8_0\", here as f16 and f16") {
				t.Errorf("another kind of memory: %q", got)
			}
			turn(p, "So?")
		})
	}
}

// TestChatResize: a change of the screen's width in the middle of an answer breaks neither
// the answer nor what is typed next.
func TestChatResize(t *testing.T) {
	want := strings.Fields(ok(t, "", "run", "--device", "cpu", "--temp", "0", "-n", "200", "--logit-bias", endBias(t), "-p", "The people of the"))
	p := chatOn(t, 100, nil, "--temp", "0", "-n", "200", "--logit-bias", endBias(t))
	p.await(ready)
	p.send("The people of the\r")
	p.await("The people of the\x1b[K\x1b[J\r\n")
	from := p.seen
	p.await("United")
	for _, columns := range []uint16{40, 7, 1, 500, 60} {
		if err := pty.Setsize(p.file, &pty.Winsize{Rows: 24, Cols: columns}); err != nil {
			t.Fatal(err)
		}
	}
	p.await("context ")
	p.mu.Lock()
	raw := string(p.text[from:p.seen])
	p.mu.Unlock()
	// A word that begins the next line is taken off the one before.
	moved := regexp.MustCompile("\\S*\r\x1b\\[\\d+C\x1b\\[K(\r\n)?")
	answer, _, _ := strings.Cut(bare(moved.ReplaceAllString(raw, "\r\n")), "context ")
	if got := strings.Fields(answer); strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("%q, want %q", got, want)
	}
	p.await(ready)
	p.send("日本 語\x1b[D\x7f")
	p.await("日本語")
	p.send("\x1b[C\x15\x04") // the line away, then the end
	p.leaves(0)
}

// TestChatNarrow: at 40 columns, and after a change to them, no line of the program's own
// is longer; without colour there is none.
func TestChatNarrow(t *testing.T) {
	for name, c := range map[string]struct {
		columns int
		env     []string
	}{"40 columns": {40, nil}, "resized": {90, nil}, "no colour": {40, []string{"NO_COLOR=1"}}} {
		t.Run(name, func(t *testing.T) {
			p := chatOn(t, c.columns, c.env, "--temp", "0", "-n", "4", "--seed", "1")
			p.await(ready)
			if c.columns != 40 {
				if err := pty.Setsize(p.file, &pty.Winsize{Rows: 24, Cols: 40}); err != nil {
					t.Fatal(err)
				}
				p.await(ready) // drawn anew
				p.await("")
			}
			p.mu.Lock()
			from := len(p.text)
			p.mu.Unlock()
			for _, m := range []string{"The Congress", "/help", "/set", "/stats", "And the rest of all these words, which do not fit a line", "/show"} {
				p.send(m + "\r")
				p.await("\r\n")
				p.await(ready)
			}
			p.send("\x04")
			p.leaves(0)
			if c.columns == 40 {
				from = 0
			}
			text := string(p.text[from:])
			if got := regexp.MustCompile("\x1b\\[[0-9;]*m").MatchString(text); got != (c.env == nil) {
				t.Errorf("coloured: %v", got)
			}
			for line := range strings.Lines(bare(text)) {
				line = line[strings.LastIndexByte(strings.TrimRight(line, "\r\n"), '\r')+1:]
				if n := utf8.RuneCountInString(strings.TrimRight(line, "\r\n")); n > 40 {
					t.Errorf("%d columns: %q", n, line)
				}
			}
		})
	}
}

// TestChatHostile: neither a model's name nor what it or the user says commands the
// terminal.
func TestChatHostile(t *testing.T) {
	p := chatOn(t, 80, nil, hostileModel(t), "--template", "chatml", "-n", "4", "--system", "s\x1b]0;t\a")
	p.await(ready)
	for _, m := range []string{"\x1b[200~a\x1b]0;evil\ab\u202e\x1b[201~", "/show", "/show prompt", "/stats", "/template", "/system", "/load x\u202e", "/save " + t.TempDir() + "/\u202ey", "/set stop \u202e", "/set x\u202e 3"} {
		p.send(m + "\r")
		p.await("\r\n")
		p.await(ready)
	}
	text := bare(p.all())
	if i := strings.IndexAny(text, "\x1b\a\u202e\u009b"); i >= 0 {
		t.Errorf("…%q", text[max(0, i-80):min(len(text), i+40)])
	}
}

// TestChatFull: a full context is said, and nothing is left out unasked.
func TestChatFull(t *testing.T) {
	file := filepath.Join(t.TempDir(), "s")
	p := chatOn(t, 80, nil, "--template", "chatml", "-n", "30", "-c", "192", "--temp", "0", "--session", file)
	before := 0
	for full := false; !full; before++ {
		if before > 20 {
			t.Fatal("the context never is full")
		}
		p.await(ready)
		p.send("Once more, please, and at some length\r")
		p.await("\r\n")
		full = strings.Contains(p.await("192"), "The context of")
	}
	before--
	p.await("[y/n] ")
	p.send("n\r")
	p.await("Nothing was left out")
	p.await("> Once more") // to be changed, or sent again
	if n := sessionNote(t, file); len(n.Turns) != before {
		t.Errorf("%d turns, not %d", len(n.Turns), before)
	}
	p.send("\r")
	p.await("[y/n] ")
	p.send("y\r")
	p.await("first after")
	p.await(ready)
	n := sessionNote(t, file)
	if len(n.Turns) > before || len(n.Turns) < 2 {
		t.Errorf("%d turns are left of %d", len(n.Turns), before+1)
	}
	p.send("/undo\r")
	p.await("Taken back")
	p.await(ready)
	p.send("/clear\r")
	p.await(ready)
	p.send("\x04")
	p.leaves(0)
	if n := sessionNote(t, file); len(n.Turns) != 0 {
		t.Errorf("after /clear: %+v", n)
	}
}

// thinks is a template whose answers begin with reasoning.
const thinks = `{% for m in messages %}{{ m.role }}: {{ m.content }}
{% endfor %}{% if add_generation_prompt %}assistant:<think>{% endif %}`

// TestChatThinking: reasoning is dimmed, one line, or not there, and not in a pipe at all.
func TestChatThinking(t *testing.T) {
	args := []string{"--template", put(t, "thinks.jinja", thinks), "--reasoning", "6", "-n", "20", "--seed", "4"}
	alone, errs, code := eclat(t, "", append([]string{"run", "--chat", "--device", "cpu", "-p", "Why?"}, args...)...)
	if code != 0 || !strings.Contains(errs, "thought for ") {
		t.Fatalf("exit code %d, %q", code, errs)
	}
	alone = strings.Join(strings.Fields(alone), " ")
	for thinking, want := range map[string]string{
		"shown":  "\x1b\\[2m.+\x1b\\[0m\\r\n\x1b\\[2mthought for [\\d.]+ s, \\d+ tokens\x1b\\[0m\\r\n",
		"folded": "\rthinking … .*\r\x1b\\[K\x1b\\[2mthought for [\\d.]+ s, \\d+ tokens\x1b\\[0m\\r\n",
		"off":    "",
	} {
		p := chatOn(t, 200, nil, append(args, "--thinking", thinking, "-p", "Why?")...)
		p.await("> Why?\r\n")
		got := strings.TrimSuffix(p.await("context "), "\x1b[2mcontext ")
		answer := got
		if want != "" {
			answer = regexp.MustCompile("(?s)^.*"+want).ReplaceAllString(got, "")
		}
		if want != "" && answer == got || strings.Join(strings.Fields(bare(answer)), " ") != alone {
			t.Errorf("%s: %q, the answer alone %q", thinking, got, alone)
		}
		p.await(ready)
		p.send("/set thinking folded\r")
		p.await("folded")
		p.await(ready)
		p.send("\x04")
		p.leaves(0)
	}
}
