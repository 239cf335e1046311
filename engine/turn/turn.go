package turn

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"eclat/engine"
	"eclat/model/chat"
	"eclat/model/chat/jinja"
	"eclat/model/chat/parts"
	"eclat/model/grammar"
)

var (
	// ErrReasoning says that a limit of reasoning cannot be kept: the model does not mark
	// what it thinks.
	ErrReasoning = errors.New("the model does not mark its reasoning, so it cannot be limited")
	// ErrCall says that a call cannot be asked for: no way to write one is known.
	ErrCall = errors.New("the template has no form of tool calls that is known, so none can be demanded")
	// ErrStrict says that calls cannot be held to a schema: nothing tells when one begins.
	ErrStrict = errors.New("the model marks calls by text, not by a token, so they cannot be held to a schema")
)

// Model is an open model with its way to converse.
type Model struct {
	Engine   *engine.Engine
	Template *chat.Template // nil for a model that goes on with plain text
	Format   *parts.Format  // how its answers are marked

	ends       []int32 // the tokens that end an answer
	vocabulary func() (*grammar.Vocabulary, error)
}

// New makes a Model; without a template the answer is plain text.
func New(e *engine.Engine, t *chat.Template) *Model {
	m := &Model{Engine: e, Template: t, Format: &parts.Format{}}
	if t != nil {
		m.Format = parts.FormatOf(t.Source, e.Tokenizer)
	}
	for id := range int32(e.Model.Config.NVocab) {
		if e.Tokenizer.IsEOG(id) {
			m.ends = append(m.ends, id)
		}
	}
	m.vocabulary = sync.OnceValues(m.makeVocabulary)
	return m
}

// MarksCalls reports whether calls begin with a token, so that Request.Strict can be kept.
func (m *Model) MarksCalls() bool { return len(m.ids(m.Format.Markers(parts.Call))) > 0 }

// makeVocabulary arranges the tokens for grammars: control tokens have no bytes there.
func (m *Model) makeVocabulary() (*grammar.Vocabulary, error) {
	t := m.Engine.Tokenizer
	size := m.Engine.Model.Config.NVocab // of the logits: padding has no text
	tokens := make([][]byte, size)
	var all []byte
	for id := range int32(size) {
		from := len(all)
		if all = t.Append(all, id, false); t.IsControl(id) {
			all = all[:from]
		}
		tokens[id] = all[from:len(all):len(all)]
	}
	return grammar.NewVocabulary(tokens, m.ends)
}

// masksBudget is the memory for the masks of one grammar, in bytes.
const masksBudget = 32 << 20

// Masks arranges a grammar for the model's tokens; it is worth keeping for many answers.
func (m *Model) Masks(g *grammar.Grammar) (*grammar.Masks, error) {
	v, err := m.vocabulary()
	if err != nil {
		return nil, err
	}
	return grammar.NewMasks(g, v, masksBudget), nil
}

// Prompt is what a conversation is for the model.
type Prompt struct {
	Text   jinja.Text // with control tokens spelt out; of Continue, what follows the tokens that were there
	IDs    []int32
	Opened bool // reasoning has begun in it
}

// Render makes a conversation's prompt. now is what the template takes for today.
func (m *Model) Render(ctx context.Context, c *chat.Conversation, now time.Time) (*Prompt, error) {
	if m.Template == nil {
		return nil, chat.ErrNoTemplate
	}
	text, err := m.Template.Render(ctx, c, now)
	if err != nil {
		return nil, err
	}
	p := &Prompt{Text: text, IDs: chat.Encode(nil, m.Engine.Tokenizer, text), Opened: m.Format.Opened(text.String)}
	if len(p.IDs) == 0 {
		return nil, fmt.Errorf("%s: the conversation gives an empty prompt", m.Template.Name)
	}
	return p, nil
}

// sentinel stands for an answer that is not rendered: no template changes it, and no user
// writes it.
const sentinel = "\uE000eclat\uE001answer\uE000"

// Continue makes the prompt of a conversation whose message last is the answer that ended
// ids, prompt and answer as they ran: these stay as they are, with all that the template
// would leave out or write otherwise, such as earlier reasoning; what follows the answer
// is appended. It reports false where the template's text after the answer cannot be told
// apart; Render makes the prompt then.
func (m *Model) Continue(ctx context.Context, c *chat.Conversation, last int, ids []int32, now time.Time) (*Prompt, bool) {
	if m.Template == nil || last < 0 || last >= len(c.Messages) || len(c.Messages[last].ToolCalls) > 0 {
		return nil, false
	}
	marked := *c
	marked.Messages = append([]chat.Message(nil), c.Messages...)
	text := sentinel
	answer := &marked.Messages[last]
	answer.Text, answer.Parts, answer.Reasoning = &text, nil, ""
	all, err := m.Template.Render(ctx, &marked, now)
	if err != nil || strings.Count(all.String, sentinel) != 1 {
		return nil, false
	}
	rest := cut(all, strings.Index(all.String, sentinel)+len(sentinel))
	if rest.String == "" {
		return nil, false
	}
	p := &Prompt{Text: rest, Opened: m.Format.Opened(rest.String)}
	p.IDs = chat.EncodeMore(append([]int32(nil), ids...), m.Engine.Tokenizer, rest)
	return p, true
}

// cut is a text from a byte on.
func cut(t jinja.Text, from int) jinja.Text {
	rest := jinja.Text{String: t.String[from:]}
	for _, s := range t.Tainted {
		if s.To > from {
			s.From, s.To = max(s.From, from)-from, s.To-from
			rest.Tainted = append(rest.Tainted, s)
		}
	}
	return rest
}
