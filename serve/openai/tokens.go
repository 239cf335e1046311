package openai

import (
	"unicode/utf8"

	"eclat/model/tokenizer"
	"eclat/serve/core"
	"eclat/serve/field"
)

const maxIDs = 1 << 20 // of one request

// tokenize answers /tokenize: a text's ids.
func tokenize(x *core.Exchange) error {
	o, err := x.Fields()
	if err != nil {
		return err
	}
	m, err := x.Open(modelName(o))
	if err != nil {
		return err
	}
	text := o.Text("content", maxText)
	begin := o.Bool("add_special", false)
	special := o.Bool("parse_special", true)
	pieces := o.Bool("with_pieces", false)
	o.Without("model")
	if err := o.End(); err != nil {
		return err
	}
	t := m.Engine.Tokenizer
	ids := []int32{}
	if bos, ok := t.BOS(); begin && ok && t.AddBOS() {
		ids = append(ids, bos)
	}
	ids = t.Encode(ids, text, special)
	if !pieces {
		return x.JSON(map[string]any{"tokens": ids})
	}
	type token struct {
		ID    int32 `json:"id"`
		Piece any   `json:"piece"` // a text, or bytes that are none
	}
	list := []token{}
	for _, id := range ids {
		b := t.Append(nil, id, true)
		if utf8.Valid(b) {
			list = append(list, token{id, string(b)})
			continue
		}
		numbers := make([]int, len(b))
		for i, c := range b {
			numbers[i] = int(c)
		}
		list = append(list, token{id, numbers})
	}
	return x.JSON(map[string]any{"tokens": list})
}

// detokenize answers /detokenize: the text of ids.
func detokenize(x *core.Exchange) error {
	o, err := x.Fields()
	if err != nil {
		return err
	}
	m, err := x.Open(modelName(o))
	if err != nil {
		return err
	}
	ids := readIDs(o, o.Value("tokens"), m)
	o.Without("model")
	if err := o.End(); err != nil {
		return err
	}
	var b []byte
	for _, id := range ids {
		b = m.Engine.Tokenizer.Append(b, id, true)
	}
	text, _ := tokenizer.Characters(b, true)
	return x.JSON(map[string]string{"content": text})
}

// readIDs reads an array of tokens' ids.
func readIDs(o *field.Object, v field.Value, m *core.Model) []int32 {
	list, err := v.List(maxIDs)
	o.Fail(err)
	ids := make([]int32, 0, len(list))
	for _, e := range list {
		id, err := e.Whole(0, int64(m.Engine.Model.Config.NVocab)-1)
		if o.Fail(err); err != nil {
			break
		}
		ids = append(ids, int32(id))
	}
	return ids
}

// applyTemplate answers /apply-template: the prompt of a conversation.
func applyTemplate(x *core.Exchange) error {
	o, err := x.Fields()
	if err != nil {
		return err
	}
	m, err := x.Open(modelName(o))
	if err != nil {
		return err
	}
	c, _, _ := readConversation(o, m)
	readReasoning(o, m, c)
	o.Without("model")
	if err := o.End(); err != nil {
		return err
	}
	p, err := x.Render(m, c)
	if err != nil {
		return err
	}
	return x.JSON(map[string]string{"prompt": p.Text.String})
}
