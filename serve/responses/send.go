package responses

import (
	"log/slog"

	"eclat/engine"
	"eclat/model/chat/parts"
	"eclat/serve/core"
)

// fields are those of an event.
type fields map[string]any

// output makes the items of an answer, and tells of them in events.
type output struct {
	x     *core.Exchange
	tells bool // else the response is sent whole
	begun bool
	count int // of events
	items []any

	open  bool // an item goes on
	kind  parts.Kind
	id    string // of it
	text  []byte
	call  parts.Delta // that has begun
	input []byte      // its arguments so far
}

// send sends an event, with its number.
func (out *output) send(kind string, f fields) error {
	if !out.tells {
		return nil
	}
	f["type"], f["sequence_number"] = kind, out.count
	out.count++
	return out.x.Stream().Event(kind, f)
}

// at adds to fields which item, and which part of it, an event is of.
func (out *output) at(f fields) fields {
	f["item_id"], f["output_index"], f["content_index"] = out.id, len(out.items), 0
	return f
}

// all runs steps until one fails.
func all(steps ...func() error) error {
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// item is the open item as it stands.
func (out *output) item(status, s string) any {
	if out.kind == parts.Reasoning {
		t := thought{ID: out.id, Type: "reasoning", Status: status, Summary: []any{}, Content: []content{}}
		if s != "" {
			t.Content = append(t.Content, content{Type: "reasoning_text", Text: s})
		}
		return t
	}
	m := message{ID: out.id, Type: "message", Status: status, Role: "assistant", Content: []content{}}
	if s != "" {
		m.Content = append(m.Content, outputText(s))
	}
	return m
}

// begin opens an item of a kind.
func (out *output) begin(kind parts.Kind) error {
	out.open, out.kind, out.text, out.id = true, kind, out.text[:0], core.NewID("msg_")
	if kind == parts.Reasoning {
		out.id = core.NewID("rs_")
	}
	return all(
		func() error {
			return out.send("response.output_item.added", fields{"output_index": len(out.items), "item": out.item("in_progress", "")})
		},
		func() error {
			if kind == parts.Reasoning {
				return nil
			}
			return out.send("response.content_part.added", out.at(fields{"part": outputText("")}))
		},
	)
}

// end closes the open item, if there is one.
func (out *output) end(status string) error {
	if !out.open {
		return nil
	}
	out.open = false
	s := string(out.text)
	item := out.item(status, s)
	err := all(
		func() error {
			if out.kind == parts.Reasoning {
				return out.send("response.reasoning_text.done", out.at(fields{"text": s}))
			}
			return all(
				func() error {
					return out.send("response.output_text.done", out.at(fields{"text": s, "logprobs": []any{}}))
				},
				func() error {
					return out.send("response.content_part.done", out.at(fields{"part": outputText(s)}))
				},
			)
		},
		func() error {
			return out.send("response.output_item.done", fields{"output_index": len(out.items), "item": item})
		},
	)
	out.items = append(out.items, item)
	return err
}

// tell takes what is certain of the answer.
func (out *output) tell(d parts.Delta) error {
	switch d.Kind {
	case parts.Call:
		out.call, out.input = d, out.input[:0]
		return nil
	case parts.Arguments:
		out.input = append(out.input, d.Text...)
		return nil
	case parts.CallEnd:
		return out.function()
	case parts.Revoked:
		d.Kind = parts.Answer
	}
	if out.open && out.kind != d.Kind {
		if err := out.end("completed"); err != nil {
			return err
		}
	}
	if !out.open {
		if err := out.begin(d.Kind); err != nil {
			return err
		}
	}
	out.text = append(out.text, d.Text...)
	if d.Kind == parts.Reasoning {
		return out.send("response.reasoning_text.delta", out.at(fields{"delta": d.Text}))
	}
	return out.send("response.output_text.delta", out.at(fields{"delta": d.Text, "logprobs": []any{}}))
}

// function tells of a call, which is whole.
func (out *output) function() error {
	if err := out.end("completed"); err != nil {
		return err
	}
	c := call{ID: core.NewID("fc_"), Type: "function_call", Status: "in_progress", CallID: out.call.ID, Name: out.call.Name}
	if c.CallID == "" {
		c.CallID = core.NewID("call_")
	}
	done, arguments, index := c, string(out.input), len(out.items)
	done.Status, done.Arguments = "completed", arguments
	err := all(
		func() error {
			return out.send("response.output_item.added", fields{"output_index": index, "item": c})
		},
		func() error {
			return out.send("response.function_call_arguments.delta", fields{"item_id": c.ID, "output_index": index, "delta": arguments})
		},
		func() error {
			return out.send("response.function_call_arguments.done", fields{"item_id": c.ID, "output_index": index, "name": c.Name, "arguments": arguments})
		},
		func() error {
			return out.send("response.output_item.done", fields{"output_index": index, "item": done})
		},
	)
	out.items = append(out.items, done)
	return err
}

// send answers, whole or with events. A fault after the first event is the last one.
func send(x *core.Exchange, m *core.Model, r *request) error {
	out := &output{x: x, tells: r.stream}
	r.echo.Created = x.Now().Unix()
	begin := func() error {
		out.begun = true
		return all(
			func() error { return out.send("response.created", fields{"response": r.echo}) },
			func() error { return out.send("response.in_progress", fields{"response": r.echo}) },
		)
	}
	res, err := r.Run(x, m, begin, out.tell)
	if err != nil && out.begun && out.tells && x.Context().Err() == nil {
		e := core.Of(err)
		x.Note(slog.String("error", e.Message))
		r.echo.Status, r.echo.Error, r.echo.Output = "failed", &fault{"server_error", e.Message}, out.items
		return out.send("response.failed", fields{"response": r.echo})
	}
	if err != nil {
		return err
	}
	status := "completed"
	whole := len(res.Parts) > 0 && res.Parts[len(res.Parts)-1].Whole
	if (res.Stop == engine.StopLength || res.Stop == engine.StopContext) && !whole {
		status = "incomplete"
		r.echo.Incomplete = &why{"max_output_tokens"}
	}
	if err := out.end(status); err != nil {
		return err
	}
	if status == "completed" {
		now := x.Now().Unix()
		r.echo.Completed = &now
	}
	r.echo.Status, r.echo.Usage = status, usageOf(&res)
	r.echo.Output = append(r.echo.Output, out.items...)
	if out.tells {
		return out.send("response."+status, fields{"response": r.echo})
	}
	return x.JSON(r.echo)
}
