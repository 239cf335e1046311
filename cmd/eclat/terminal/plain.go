package terminal

import (
	"bufio"
	"io"
	"strings"
)

// MaxMessage bounds a message from a pipe, in bytes.
const MaxMessage = 64 << 20

// Plain reads messages from lines, where there is no terminal to edit them in.
type Plain struct {
	in     *bufio.Reader
	prompt io.Writer
}

// NewPlain reads from in. Prompts go to prompt, which may be nil for none.
func NewPlain(in io.Reader, prompt io.Writer) *Plain {
	return &Plain{bufio.NewReader(in), prompt}
}

// Read waits for the next message. Its error is io.EOF at the end, ErrTooLong for one
// above MaxMessage, which cannot be read on from, or the reader's.
func (p *Plain) Read(prompt, _ string) (Message, error) {
	text := ""
	if p.prompt != nil {
		io.WriteString(p.prompt, prompt)
	}
	for {
		line, err := p.line(MaxMessage - len(text))
		if err != nil && (err != io.EOF || line == "" && text == "") {
			return Message{}, err
		}
		more := false
		if text, more = finish(text + strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r")); more && err == nil {
			continue
		}
		return Message{Text: strings.ToValidUTF8(strings.TrimSuffix(text, "\n"), "\ufffd")}, nil
	}
}

// line reads a line of at most so many bytes.
func (p *Plain) line(most int) (string, error) {
	var b []byte
	for {
		part, err := p.in.ReadSlice('\n')
		if b = append(b, part...); len(b) > most {
			return "", ErrTooLong
		}
		if err != bufio.ErrBufferFull {
			return string(b), err
		}
	}
}
