// Package grammar holds a model's output to a grammar: GBNF, a JSON Schema, or any JSON
// object. At each position it says which tokens of the vocabulary may follow.
//
//	regular/  automata over characters: patterns, formats, numbers
//	pda/      rules to a pushdown automaton over bytes
//	gbnf/     GBNF text to rules
//	schema/   JSON Schema to rules
//
//	vocabulary.go, trie.go  the tokens as a trie, and masks of plain text by length
//	stack.go, step.go       threads: states with stacks, moved by bytes
//	matcher.go              one output: accept tokens, roll back, forced bytes
//	mask.go, cache.go       the mask of a position
//
// A Grammar and a Vocabulary never change but for what they keep of what was asked, and are
// shared by all. A Masks is the cache of one grammar over one vocabulary, for any number of
// goroutines. A Matcher follows one output and belongs to one goroutine.
//
//	v, err := grammar.NewVocabulary(tokens, ends) // once a model
//	g, err := grammar.FromSchema(schema, grammar.SchemaOptions{})
//	m := grammar.NewMasks(g, v, 32<<20).Matcher(16)
//	for !m.Done() {
//		err = m.Mask(bits) // token id is allowed where bits[id/64]>>(id%64)&1 is 1
//		…
//		err = m.Accept(id)
//	}
//
// Caveats. The output may be cut off by a limit of tokens before it is complete; Final tells.
// Tokens that are no text (the control tokens of the vocabulary) are to be given as empty:
// they are never allowed, but for the end tokens. The vocabulary should have a token for every
// byte, as real ones do; where it cannot spell what must come, Mask fails with ErrStuck. Where a model thinks before it answers,
// the grammar begins behind the thinking.
package grammar
