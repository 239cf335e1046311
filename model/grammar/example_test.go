package grammar_test

import (
	"fmt"
	"log"

	"eclat/model/grammar"
)

// A text held to a schema, token by token. Token 0 ends it.
func ExampleMatcher() {
	tokens := [][]byte{nil, []byte(`{"`), []byte("age"), []byte("name"), []byte(`"`), []byte(":"), []byte(`":`), []byte("12"), []byte("}"), []byte("0")}
	v, err := grammar.NewVocabulary(tokens, []int32{0})
	if err != nil {
		log.Fatal(err)
	}
	g, err := grammar.FromSchema([]byte(`{"type":"object","properties":{"age":{"type":"integer","maximum":130}},"required":["age"]}`),
		grammar.SchemaOptions{Strict: true})
	if err != nil {
		log.Fatal(err)
	}
	m := grammar.NewMasks(g, v, 1<<20).Matcher(4)
	mask := make([]uint64, v.Words())
	for !m.Done() {
		if err := m.Mask(mask); err != nil {
			log.Fatal(err)
		}
		for id := len(tokens) - 1; id >= 0; id-- { // the model's choice: the last that may follow
			if mask[id/64]>>(id%64)&1 != 0 {
				fmt.Printf("%s|", tokens[id])
				if err := m.Accept(int32(id)); err != nil {
					log.Fatal(err)
				}
				break
			}
		}
	}
	// Output: {"|age|":|0|}||
}
