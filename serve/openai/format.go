package openai

import (
	"eclat/model/grammar"
	"eclat/serve/core"
	"eclat/serve/field"
)

const maxGrammar = 1 << 20 // bytes

// readFormat reads what an answer is to keep to: response_format, or llama.cpp's json_schema
// or grammar. masks is nil where it is free.
func readFormat(o *field.Object, m *core.Model) (masks *grammar.Masks) {
	var err error
	given := 0
	if f := o.Object("response_format"); f != nil {
		schema := field.Value{}
		switch f.Choice("type", "text", "json_object", "json_schema") {
		case "json_object":
			given++
			if schema = f.Value("schema"); schema.Null() {
				masks, err = m.AnyObject()
			}
		case "json_schema":
			given++
			if j := f.Object("json_schema"); j != nil {
				j.Text("name", maxName)
				j.Text("description", maxDescription)
				j.Bool("strict", false) // the answer keeps to the schema either way
				schema = j.Value("schema")
				if schema.Null() {
					j.Failf("schema", "is missing")
				}
				j.End()
			} else if schema = f.Value("schema"); schema.Null() {
				f.Failf("json_schema", "is missing")
			}
		}
		f.End()
		if !schema.Null() && o.Err() == nil {
			masks, err = m.Schema(schema.Raw, schema.Path)
		}
	}
	if v := o.Value("json_schema"); !v.Null() {
		if given++; o.Err() == nil && err == nil {
			masks, err = m.Schema(v.Raw, v.Path)
		}
	}
	if text := o.Text("grammar", maxGrammar); text != "" {
		if given++; o.Err() == nil && err == nil {
			masks, err = m.GBNF(text, "grammar")
		}
	}
	if given > 1 {
		o.Failf("response_format", "is one of several things that the answer is to keep to")
	}
	o.Fail(err)
	return masks
}
