package grammar

import (
	"eclat/model/grammar/gbnf"
	"eclat/model/grammar/pda"
	"eclat/model/grammar/schema"
)

// Grammar is a compiled grammar.
type Grammar struct{ p *pda.Program }

// SchemaOptions say how a schema is read.
type SchemaOptions = schema.Options

// FromGBNF compiles a grammar in GBNF; its rule root is the start. The errors name the line
// or the rule.
func FromGBNF(text string) (*Grammar, error) {
	rules, err := gbnf.Parse(text)
	if err != nil {
		return nil, err
	}
	return compile(rules)
}

// FromSchema compiles a JSON Schema. The errors name the keyword by its path in the schema.
func FromSchema(text []byte, o SchemaOptions) (*Grammar, error) {
	rules, err := schema.Parse(text, o)
	if err != nil {
		return nil, err
	}
	return compile(rules)
}

// AnyObject is the grammar of response_format json_object: any JSON object.
func AnyObject() *Grammar {
	g, err := FromSchema([]byte(`{"type":"object"}`), SchemaOptions{})
	if err != nil {
		panic(err) // the text above is sound
	}
	return g
}

func compile(rules []pda.Rule) (*Grammar, error) {
	p, err := pda.Compile(rules)
	if err != nil {
		return nil, err
	}
	return &Grammar{p}, nil
}
