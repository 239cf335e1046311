package anthropic

import (
	"encoding/json"

	"eclat/model/chat/parts"
	"eclat/serve/core"
	"eclat/serve/openai"
)

// whole answers with one message.
func whole(x *core.Exchange, m *core.Model, t *openai.Turn) error {
	r, err := t.Run(x, m, func() error { return nil }, func(parts.Delta) error { return nil })
	if err != nil {
		return err
	}
	msg := newMessage(m)
	msg.Content, msg.Usage.usage = content(r.Parts), usageOf(&r)
	why, sequence := ended(&r)
	msg.StopReason, msg.StopSequence = &why, sequence
	return x.JSON(msg)
}

// event is one of a stream; its name is its type.
type event struct {
	Type    string   `json:"type"`
	Index   *int     `json:"index,omitempty"`
	Block   any      `json:"content_block,omitempty"`
	Delta   any      `json:"delta,omitempty"`
	Message *message `json:"message,omitempty"`
	Usage   *usage   `json:"usage,omitempty"`
}

// blocks sends an answer's blocks, one after the other.
type blocks struct {
	x     *core.Exchange
	index int         // of the block that is open, or of the next
	open  bool        //
	kind  parts.Kind  // of the open one
	text  []byte      // of an open thinking block
	call  parts.Delta // that has begun
	input []byte      // its arguments so far
}

func (b *blocks) send(e event) error { return b.x.Stream().Event(e.Type, e) }

// delta sends a piece of the open block.
func (b *blocks) delta(v any) error {
	return b.send(event{Type: "content_block_delta", Index: &b.index, Delta: v})
}

// begin opens a block.
func (b *blocks) begin(kind parts.Kind, v any) error {
	b.open, b.kind, b.text = true, kind, b.text[:0]
	return b.send(event{Type: "content_block_start", Index: &b.index, Block: v})
}

// end closes the open block, if there is one.
func (b *blocks) end() error {
	if !b.open {
		return nil
	}
	if b.kind == parts.Reasoning {
		if err := b.delta(map[string]string{"type": "signature_delta", "signature": signature(string(b.text))}); err != nil {
			return err
		}
	}
	err := b.send(event{Type: "content_block_stop", Index: &b.index})
	b.open = false
	b.index++
	return err
}

// tell sends what is certain.
func (b *blocks) tell(d parts.Delta) error {
	switch d.Kind {
	case parts.Call:
		b.call, b.input = d, b.input[:0]
		return nil
	case parts.Arguments:
		b.input = append(b.input, d.Text...)
		return nil
	case parts.CallEnd:
		return b.tool()
	case parts.Revoked:
		d.Kind = parts.Answer
	}
	if b.open && b.kind != d.Kind {
		if err := b.end(); err != nil {
			return err
		}
	}
	if d.Kind == parts.Reasoning {
		if !b.open {
			if err := b.begin(d.Kind, thinkingBlock{Type: "thinking"}); err != nil {
				return err
			}
		}
		b.text = append(b.text, d.Text...)
		return b.delta(map[string]string{"type": "thinking_delta", "thinking": d.Text})
	}
	if !b.open {
		if err := b.begin(d.Kind, textBlock{Type: "text"}); err != nil {
			return err
		}
	}
	return b.delta(map[string]string{"type": "text_delta", "text": d.Text})
}

// tool sends a call, which is whole.
func (b *blocks) tool() error {
	if err := b.end(); err != nil {
		return err
	}
	if err := b.begin(parts.Call, newTool(b.call.ID, b.call.Name, "{}")); err != nil {
		return err
	}
	if err := b.delta(map[string]string{"type": "input_json_delta", "partial_json": string(b.input)}); err != nil {
		return err
	}
	return b.end()
}

// streamed answers with events. What the cache had of the prompt is known at the end alone.
func streamed(x *core.Exchange, m *core.Model, t *openai.Turn) error {
	b := &blocks{x: x}
	begin := func() error {
		msg := newMessage(m)
		msg.Usage.Input = len(t.Tokens)
		if err := b.send(event{Type: "message_start", Message: &msg}); err != nil {
			return err
		}
		return b.send(event{Type: "ping"})
	}
	r, err := t.Run(x, m, begin, b.tell)
	if err != nil {
		return err
	}
	if err := b.end(); err != nil {
		return err
	}
	why, sequence := ended(&r)
	u := usageOf(&r)
	last := struct {
		StopReason   string           `json:"stop_reason"`
		StopSequence *string          `json:"stop_sequence"`
		StopDetails  *json.RawMessage `json:"stop_details"`
		Container    *json.RawMessage `json:"container"`
	}{StopReason: why, StopSequence: sequence}
	if err := b.send(event{Type: "message_delta", Delta: last, Usage: &u}); err != nil {
		return err
	}
	return b.send(event{Type: "message_stop"})
}
