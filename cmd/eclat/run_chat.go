package main

import (
	"context"
	"slices"

	"github.com/spf13/cobra"

	"eclat/cmd/eclat/conversation"
	"eclat/cmd/eclat/out"
	"eclat/engine"
	"eclat/engine/turn"
	"eclat/model/sample"
)

// guided continues ids with a text that keeps to the grammar, and returns them with those
// that came.
func (f *runFlags) guided(ctx context.Context, e *engine.Engine, ids []int32, how sample.Settings) (engine.Stats, []int32, error) {
	m := turn.New(e, nil)
	masks, err := f.masks(m)
	if err != nil {
		return engine.Stats{}, nil, err
	}
	r := turn.Request{Request: f.request(ids, how), Stops: f.stops, Grammar: masks}
	r.IgnoreEOS = f.ignoreEOS
	res, err := show(ctx, m, r, thinkingOff, nil)
	return res.Stats, slices.Concat(ids, res.IDs), err
}

// runChat answers one message, of a conversation that a session may have begun.
func (f *runFlags) runChat(cmd *cobra.Command, e *engine.Engine, session *conversation.Session, message string, how sample.Settings) error {
	ctx := cmd.Context()
	if cmd.Flags().NArg() == 0 && f.template == "" {
		f.template = plainTemplate
		out.Noticef("The built-in model is no instruct model: it goes on with your words (--template chatml has it play one).")
	}
	c, err := f.converse(ctx, e)
	if err != nil {
		return err
	}
	masks, err := f.masks(c.Model)
	if err != nil {
		return err
	}
	if session != nil {
		why, err := session.Load(ctx, c, &how, keep(cmd))
		if err != nil {
			return err
		}
		sayWhy(session, why)
	}
	if err := f.setSystem(cmd, c); err != nil {
		return err
	}
	p, err := c.Prompt(ctx, message)
	if err != nil {
		return err
	}
	if f.dumpPrompt {
		return printPrompt(e, p.IDs)
	}
	out.Messagef("%s on %s, context %d\ntemplate %s (%s)\nsampling %s\n", title(e), e.Device(), e.Context, c.Model.Template.Name, c.Model.Template.Why, &how)
	r := turn.Request{Request: f.request(p.IDs, how), Opened: p.Opened, Stops: f.stops, Grammar: masks, Reasoning: c.Reasoning}
	r.IgnoreEOS = f.ignoreEOS
	begun, err := begin(session, c, message, &how, &r)
	if err != nil {
		return err
	}
	res, err := show(ctx, c.Model, r, thinkingShown, begun)
	if err != nil {
		return err
	}
	c.Add(message, p, &res)
	if session != nil {
		err = session.Save(context.WithoutCancel(ctx), c, &how)
	}
	f.printEnd(e, res.Stats)
	return err
}

// begin notes in a session, nil for none, that a message is being answered. What an earlier
// program had of that answer is tried first.
func begin(session *conversation.Session, c *conversation.Conversation, message string, how *sample.Settings, r *turn.Request) (*conversation.Begun, error) {
	if c.Begun != nil && c.Begun.User == message {
		r.Guess = c.Begun.IDs
	}
	c.Begun = nil
	if session == nil {
		return nil, nil
	}
	return session.Begin(c, message, how)
}
