package engine

import (
	"context"
	"slices"
	"testing"

	"eclat/model"
	"eclat/model/sample"
)

// TestLogProbs: what is told of each token is what scoring the same tokens tells, with
// drafts and without; asking for it changes no token.
func TestLogProbs(t *testing.T) {
	long(t)
	e := open(t, builtIn, Options{Device: "cpu", Context: 128, eager: true})
	const prompt = "The Congress of the United States and the Congress of the"
	for name, r := range map[string]Request{
		"greedy":  {},
		"drafts":  {Draft: MaxDraft},
		"sampled": {Settings: sample.Settings{Params: sample.Params{Temp: 1.5, TopK: 40, Seed: 7}}},
	} {
		r.MaxTokens, r.IgnoreEOS = 12, true
		want, _ := generate(t, e, prompt, r)
		r.LogProbs, r.Top, r.Tokens = true, 5, e.Prompt(prompt, false)
		s, err := e.Submit(context.Background(), r)
		if err != nil {
			t.Fatal(err)
		}
		var got []int32
		var told []Event
		for ev, ok := s.Next(); ok; ev, ok = s.Next() {
			if ev.ID >= 0 {
				got, told = append(got, ev.ID), append(told, ev)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: with probabilities %v, without %v", name, got, want)
		}
		ids := append(slices.Clone(r.Tokens), got...)
		err = e.Score(context.Background(), ids, ScoreOptions{Top: 5, From: len(r.Tokens) - 1}, func(row Row) error {
			if i := row.Pos + 1 - len(r.Tokens); i < len(told) {
				if ev := told[i]; ev.LogProb != row.LogProb || !slices.Equal(ev.Top, row.Top) {
					t.Errorf("%s, token %d: %g, %v, want %g, %v", name, i, ev.LogProb, ev.Top, row.LogProb, row.Top)
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if _, err := e.Submit(context.Background(), Request{Tokens: []int32{1}, Top: -1}); err == nil {
		t.Error("less than no tokens may be asked for")
	}
}

// TestDown: what is said of a device that is lost, while it is, and when it is back.
func TestDown(t *testing.T) {
	fails, opens := true, 0
	var e *Engine
	var seen []bool
	e = losing(t, func(call string) error {
		switch {
		case call == "run" && fails:
			return model.ErrLost
		case call == "open" && e != nil:
			seen = append(seen, e.Down())
			if opens++; opens <= 1 {
				return model.ErrLost
			}
		}
		return nil
	}, nil)
	if e.Down() {
		t.Error("down before anything was lost")
	}
	if _, err := e.Generate(context.Background(), Request{Tokens: prompt(9, 3), MaxTokens: 2}, nil, nil); err == nil || !e.Down() {
		t.Errorf("the device is gone: %v, down %v", err, e.Down())
	}
	fails = false
	if _, err := e.Generate(context.Background(), Request{Tokens: prompt(9, 3), MaxTokens: 2}, nil, nil); err != nil || e.Down() {
		t.Errorf("the device is back: %v, down %v", err, e.Down())
	}
	if len(seen) < 2 || slices.Contains(seen, false) {
		t.Errorf("while it was opened again down was %v", seen)
	}
}
