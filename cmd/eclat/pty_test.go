//go:build linux || darwin || freebsd

package main

import (
	"bytes"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/creack/pty"
)

// onTerminal is the program in a terminal of its own.
type onTerminal struct {
	t    *testing.T
	cmd  *exec.Cmd
	file *os.File
	done chan struct{} // the program has ended

	mu   sync.Mutex
	text []byte
	seen int // bytes of text that await has passed
}

// chatOn starts eclat chat in a terminal of so many columns.
func chatOn(t *testing.T, columns int, env []string, args ...string) *onTerminal {
	t.Helper()
	p := &onTerminal{t: t, cmd: command(append([]string{"chat", "--device", "cpu"}, args...)...), done: make(chan struct{})}
	p.cmd.Env = append(append(p.cmd.Env, "TERM=xterm", "NO_COLOR="), env...)
	var err error
	if p.file, err = pty.StartWithSize(p.cmd, &pty.Winsize{Rows: 24, Cols: uint16(columns)}); err != nil {
		t.Skip("no pseudo-terminal here: ", err)
	}
	go func() {
		b := make([]byte, 4096)
		for {
			n, err := p.file.Read(b)
			p.mu.Lock()
			p.text = append(p.text, b[:n]...)
			p.mu.Unlock()
			if err != nil { // the program has ended, and nobody else has the terminal
				p.cmd.Wait()
				close(p.done)
				return
			}
		}
	}()
	t.Cleanup(func() {
		p.cmd.Process.Kill()
		<-p.done
		p.file.Close()
	})
	return p
}

// await waits for a text, and returns what came up to its end since the last one.
func (p *onTerminal) await(text string) string {
	p.t.Helper()
	for end := time.Now().Add(time.Minute); ; time.Sleep(2 * time.Millisecond) {
		p.mu.Lock()
		i := bytes.Index(p.text[p.seen:], []byte(text))
		if i >= 0 {
			got := string(p.text[p.seen : p.seen+i+len(text)])
			p.seen += len(got)
			p.mu.Unlock()
			return got
		}
		rest := string(p.text[p.seen:])
		p.mu.Unlock()
		select {
		case <-p.done:
			p.t.Fatalf("the program ended (%v) without %q: %q", p.cmd.ProcessState, text, rest)
		default:
		}
		if time.Now().After(end) {
			p.t.Fatalf("no %q: %q", text, rest)
		}
	}
}

// ready is what is on the screen when a message can be typed.
const ready = "> \x1b[K\x1b[J\r\x1b[2C"

func (p *onTerminal) send(keys string) {
	p.t.Helper()
	if _, err := p.file.WriteString(keys); err != nil {
		p.t.Fatal(err)
	}
}

// leaves waits for the end of the program.
func (p *onTerminal) leaves(code int) {
	p.t.Helper()
	select {
	case <-p.done:
	case <-time.After(time.Minute):
		p.t.Fatalf("it does not leave: %q", p.text[p.seen:])
	}
	if got := p.cmd.ProcessState.ExitCode(); got != code {
		p.t.Errorf("exit code %d, want %d: %q", got, code, p.text)
	}
}

// all is all that was on the screen, without what is no text.
func (p *onTerminal) all() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return bare(string(p.text))
}

var controlSequence = regexp.MustCompile("\x1b\\[[0-9;?]*[A-Za-z]")

func bare(s string) string {
	return strings.ReplaceAll(controlSequence.ReplaceAllString(s, ""), "\r\n", "\n")
}
