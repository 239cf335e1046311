package conversation

import (
	"context"
	"errors"
	"slices"
	"time"

	"eclat/engine/turn"
	"eclat/model/chat"
	"eclat/model/chat/jinja"
	"eclat/model/chat/parts"
)

// ErrSystem says that the template leaves system messages out.
var ErrSystem = errors.New("the template knows no system message")

// Turn is what somebody said, and the answer.
type Turn struct {
	User      string `json:"user"`
	Answer    string `json:"answer"`
	Reasoning string `json:"reasoning,omitempty"`
	Tokens    int    `json:"tokens,omitempty"` // of the conversation up to here, as they ran; 0: to be rendered again

	ids []int32 // these tokens
}

// Conversation is turns with a model.
type Conversation struct {
	Model     *turn.Model
	Turns     []Turn
	Begun     *Begun           // an answer that was cut off by the end of the program, to be answered next; nil for none
	Reasoning int              // see turn.Request
	Now       func() time.Time // what the template takes for today

	system string
}

// System is the system message, "" for the template's own or none.
func (c *Conversation) System() string { return c.system }

// SetSystem changes the system message. The turns are to be computed again then.
func (c *Conversation) SetSystem(text string) error {
	if text != "" && !c.Model.Template.Caps.System {
		return ErrSystem
	}
	if text != c.system {
		c.system = text
		c.forget()
	}
	return nil
}

// forget drops the tokens as they ran: something before them has changed.
func (c *Conversation) forget() {
	for i := range c.Turns {
		c.Turns[i].ids, c.Turns[i].Tokens = nil, 0
	}
}

// messages are the conversation for the template, the next message of the user last.
func (c *Conversation) messages(turns []Turn, user string) *chat.Conversation {
	t := &chat.Conversation{GenerationPrompt: true}
	if c.system != "" {
		t.Messages = append(t.Messages, chat.Message{Role: "system", Text: &c.system})
	}
	for i := range turns {
		t.Messages = append(t.Messages, chat.Message{Role: "user", Text: &turns[i].User},
			chat.Message{Role: "assistant", Text: &turns[i].Answer, Reasoning: turns[i].Reasoning})
	}
	t.Messages = append(t.Messages, chat.Message{Role: "user", Text: &user})
	if c.Model.Template.Caps.Thinking && c.Reasoning == turn.NoReasoning {
		t.Vars = jinja.NewDict()
		t.Vars.Set("enable_thinking", false)
	}
	return t
}

// Prompt is what the model goes on from when the user says this. The turns before are as
// they ran where that is known, else rendered.
func (c *Conversation) Prompt(ctx context.Context, user string) (*turn.Prompt, error) {
	return c.prompt(ctx, c.Turns, user)
}

func (c *Conversation) prompt(ctx context.Context, turns []Turn, user string) (*turn.Prompt, error) {
	t := c.messages(turns, user)
	if n := len(turns); n > 0 && turns[n-1].ids != nil {
		if p, ok := c.Model.Continue(ctx, t, len(t.Messages)-2, turns[n-1].ids, c.Now()); ok {
			return p, nil
		}
	}
	return c.Model.Render(ctx, t, c.Now())
}

// Add takes up what came of a prompt for what the user said.
func (c *Conversation) Add(user string, p *turn.Prompt, r *turn.Result) {
	ids := slices.Concat(p.IDs, r.IDs)
	c.Turns = append(c.Turns, Turn{
		User: user, Answer: r.Parts.Text(parts.Answer), Reasoning: r.Parts.Text(parts.Reasoning), Tokens: len(ids), ids: ids,
	})
}

// Undo takes the last turn back, and reports whether there was one.
func (c *Conversation) Undo() (last Turn, ok bool) {
	n := len(c.Turns)
	if n == 0 {
		return last, false
	}
	last, c.Turns = c.Turns[n-1], c.Turns[:n-1]
	return last, true
}

// Clear takes all turns back; the system message stays.
func (c *Conversation) Clear() { c.Turns = nil }

// Surplus is how many of the oldest turns have to go for a prompt to leave room in the
// context, in tokens, for an answer. It is len(c.Turns)+1 where that does not help.
func (c *Conversation) Surplus(ctx context.Context, user string, room int) (int, error) {
	for n := range len(c.Turns) + 1 {
		turns := slices.Clone(c.Turns[n:])
		if n > 0 {
			for i := range turns {
				turns[i].ids = nil
			}
		}
		p, err := c.prompt(ctx, turns, user)
		if err != nil {
			return 0, err
		}
		if len(p.IDs)+room <= c.Model.Engine.Context {
			return n, nil
		}
	}
	return len(c.Turns) + 1, nil
}

// Drop takes the n oldest turns out. The others are to be computed again.
func (c *Conversation) Drop(n int) {
	if n > 0 {
		c.Turns = slices.Clone(c.Turns[n:])
		c.forget()
	}
}

// Tokens are those of the conversation as they ran, nil where they are not known.
func (c *Conversation) Tokens() []int32 {
	if n := len(c.Turns); n > 0 {
		return c.Turns[n-1].ids
	}
	return nil
}

// found gives the turns the tokens of a session, of which each has a beginning.
func (c *Conversation) found(tokens []int32) {
	for i := range c.Turns {
		t := &c.Turns[i]
		if t.ids = nil; t.Tokens > 0 && t.Tokens <= len(tokens) {
			t.ids = tokens[:t.Tokens:t.Tokens]
		} else {
			t.Tokens = 0
		}
	}
}

// begins reports which turns' tokens are a beginning of the last one's.
func (c *Conversation) begins() []Turn {
	turns, all := slices.Clone(c.Turns), c.Tokens()
	for i := range turns {
		if n := len(turns[i].ids); n == 0 || n > len(all) || !slices.Equal(turns[i].ids, all[:n]) {
			turns[i].Tokens = 0
		}
	}
	return turns
}
