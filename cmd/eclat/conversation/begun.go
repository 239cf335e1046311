package conversation

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"strconv"

	"eclat/model/sample"
)

// Begun is an answer on its way, in a file beside the session's: the message, how tokens
// are chosen, and the tokens so far, each written as it comes. It outlives a program that
// is killed; the session's next Save takes it away.
//
//	a line of JSON: begunHead
//	each token's number, a line each; a line that is not ended is no token
type Begun struct {
	User string
	IDs  []int32 // of the answer

	file *os.File // nil: nothing more is written
}

type begunHead struct {
	note
	User  string `json:"user"`
	After string `json:"after"` // what the answer follows: see after
}

// mostBegun is the longest file of an answer on its way that is read, in bytes.
const mostBegun = 64 << 20

func (s *Session) begun() string { return s.Path + ".begun" }

// after names what an answer follows by what was said.
func after(c *Conversation) string {
	sum := sha256.New()
	out := json.NewEncoder(sum)
	for _, t := range c.Turns {
		out.Encode([]string{t.User, t.Reasoning, t.Answer})
	}
	return hex.EncodeToString(sum.Sum(nil))
}

// Begin says that a message is being answered; what is Added to it is there after a kill.
func (s *Session) Begin(c *Conversation, user string, how *sample.Settings) (*Begun, error) {
	n := newNote(kindBegun, how)
	n.System = c.system
	head, err := json.Marshal(begunHead{*n, user, after(c)})
	if err != nil {
		return nil, err
	}
	f, err := os.OpenFile(s.begun(), os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	if _, err := f.Write(append(head, '\n')); err != nil {
		f.Close()
		return nil, err
	}
	return &Begun{User: user, file: f}, nil
}

// Add writes a token of the answer. Where there is no room it is not written, and nor are
// those after it: the answer goes on, and only a kill would show the difference.
func (b *Begun) Add(id int32) {
	if b == nil || b.file == nil {
		return
	}
	if _, err := b.file.Write(append(strconv.AppendInt(nil, int64(id), 10), '\n')); err != nil {
		b.Close()
	}
}

// Close ends the writing; the file stays, until it is of no use any more.
func (b *Begun) Close() {
	if b != nil && b.file != nil {
		b.file.Close()
		b.file = nil
	}
}

// Forget says that no answer is on its way: it has ended.
func (s *Session) Forget() error {
	if err := os.Remove(s.begun()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// resume finds an answer that was on its way after what c has; nil for none, as where it
// followed something else: it has ended then. The system message and how become what the
// answer had, but for the fields that are kept.
func (s *Session) resume(c *Conversation, how *sample.Settings, keep func(field string) bool) (*Begun, error) {
	f, err := openRegular(s.begun())
	if f == nil || err != nil {
		return nil, err
	}
	defer f.Close()
	head, b := readBegun(io.LimitReader(f, mostBegun), c.Model.Engine.Context)
	if head == nil || head.After != after(c) || head.System != "" && !c.Model.Template.Caps.System {
		return nil, nil
	}
	chosen := *how
	if head.settings(&chosen, keep) != nil {
		return nil, nil
	}
	*how = chosen
	return b, c.SetSystem(head.System)
}

// readBegun reads the file of an answer on its way, of at most so many tokens; nil where it
// is none, as of a program that was killed before it had written the message.
func readBegun(r io.Reader, most int) (*begunHead, *Begun) {
	in := bufio.NewReader(r)
	line, err := in.ReadBytes('\n')
	if err != nil {
		return nil, nil
	}
	head := new(begunHead)
	d := json.NewDecoder(bytes.NewReader(line))
	d.DisallowUnknownFields()
	if d.Decode(head) != nil || head.Kind != kindBegun {
		return nil, nil
	}
	b := &Begun{User: head.User}
	for len(b.IDs) < most {
		line, err := in.ReadSlice('\n')
		if err != nil {
			break
		}
		id, err := strconv.ParseInt(string(line[:len(line)-1]), 10, 32)
		if err != nil {
			break
		}
		b.IDs = append(b.IDs, int32(id))
	}
	return head, b
}
