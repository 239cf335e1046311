package conversation

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"eclat/engine"
	"eclat/loader/atomicfile"
	"eclat/model/chat"
	"eclat/model/sample"
)

// Session is a file that something said outlives the program in.
type Session struct {
	Path string

	aside string // where a file that is of no use here goes before another is written; "": it may be replaced
}

// Key names a template by what it is, for a session's file.
func Key(t *chat.Template) string {
	if t == nil {
		return ""
	}
	sum := sha256.Sum256([]byte(t.Source))
	return hex.EncodeToString(sum[:8])
}

// Load finds a conversation again. why says what keeps it from going on as it ran, nil
// where nothing does: of a session of another model or template the text is taken up and
// is to be computed again; of a damaged one nothing is. Neither is lost: Save keeps its
// file under another name. A file that is not there is an empty conversation. Fields of
// sampling, and the seed, are the session's but for those that are kept.
//
// An answer that was on its way when the program ended is c.Begun, whether there is a file
// of what was said before or not.
func (s *Session) Load(ctx context.Context, c *Conversation, how *sample.Settings, keep func(field string) bool) (why, err error) {
	if why, err = s.load(ctx, c, how, keep); err == nil {
		c.Begun, err = s.resume(c, how, keep)
	}
	return why, err
}

func (s *Session) load(ctx context.Context, c *Conversation, how *sample.Settings, keep func(field string) bool) (why, err error) {
	saved, why, err := s.read(ctx, c.Model.Engine, Key(c.Model.Template))
	if saved == nil || err != nil {
		return why, err
	}
	chosen := *how
	n, err := readNote(saved.Note, kindChat)
	if err == nil {
		err = n.settings(&chosen, keep)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.Path, err)
	}
	if n.System != "" && !c.Model.Template.Caps.System {
		return nil, fmt.Errorf("%s: it has a system message, and %w", s.Path, ErrSystem)
	}
	*how, c.system, c.Turns = chosen, n.System, n.Turns
	c.found(saved.Tokens)
	return why, nil
}

// Save writes a conversation.
func (s *Session) Save(ctx context.Context, c *Conversation, how *sample.Settings) error {
	n := newNote(kindChat, how)
	n.System, n.Turns = c.system, c.begins()
	if err := s.write(ctx, c.Model.Engine, n, Key(c.Model.Template), c.Tokens()); err != nil {
		return err
	}
	return s.Forget()
}

// LoadText finds a text again, as Load does: its tokens, none where the session is not to
// be used.
func (s *Session) LoadText(ctx context.Context, e *engine.Engine, how *sample.Settings, keep func(field string) bool) (tokens []int32, why, err error) {
	saved, why, err := s.read(ctx, e, "")
	if saved == nil || err != nil {
		return nil, why, err
	}
	n, err := readNote(saved.Note, kindText)
	if err == nil {
		err = n.settings(how, keep)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", s.Path, err)
	}
	return saved.Tokens, why, nil
}

// SaveText writes a text.
func (s *Session) SaveText(ctx context.Context, e *engine.Engine, tokens []int32, how *sample.Settings) error {
	return s.write(ctx, e, newNote(kindText, how), "", tokens)
}

// read gives what the file holds, nil for nothing of use.
func (s *Session) read(ctx context.Context, e *engine.Engine, key string) (saved *engine.Session, why, err error) {
	f, err := openRegular(s.Path)
	if f == nil || err != nil {
		return nil, nil, err
	}
	defer f.Close()
	saved, err = e.Restore(ctx, f, "", key)
	switch {
	case errors.Is(err, engine.ErrForeign):
		s.aside, why = s.Path+".other", err
	case errors.Is(err, engine.ErrDamaged):
		s.aside, why = s.Path+".damaged", err
	case err != nil:
		return nil, nil, fmt.Errorf("%s: %w", s.Path, err)
	}
	return saved, why, nil
}

// openRegular opens a file; nil where there is none.
func openRegular(path string) (*os.File, error) {
	st, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if !st.Mode().IsRegular() { // a pipe would be waited for
		return nil, fmt.Errorf("%s: it is no regular file", path)
	}
	return os.Open(path)
}

// Aside is where Save keeps the file that was found and is of no use here, "" for none.
func (s *Session) Aside() string { return s.aside }

// write writes the file anew. Until it is whole the one before it stays.
func (s *Session) write(ctx context.Context, e *engine.Engine, n *note, key string, tokens []int32) error {
	line, err := json.Marshal(n)
	if err != nil {
		return fmt.Errorf("%s: %w", s.Path, err)
	}
	temp := s.Path + ".part"
	os.Remove(temp) // of a program that was ended while it wrote
	f, err := atomicfile.Create(s.Path, atomicfile.Options{Temp: temp, Mode: 0o600, Sync: true})
	if err != nil {
		return err
	}
	defer f.Abort()
	if _, err := e.Save(ctx, f, "", &engine.Session{Tokens: tokens, Template: key, Note: line}); err != nil {
		return fmt.Errorf("%s: %w", s.Path, err)
	}
	if s.aside != "" {
		if err := keepAside(s.Path, s.aside); err != nil {
			return err
		}
		s.aside = ""
	}
	return f.Commit()
}

// keepAside gives a file another name, with a number where that is taken.
func keepAside(path, aside string) error {
	name := aside
	for i := 2; i < 1000; i++ {
		if _, err := os.Lstat(name); errors.Is(err, fs.ErrNotExist) {
			break
		}
		name = fmt.Sprintf("%s-%d", aside, i)
	}
	return os.Rename(path, name)
}
