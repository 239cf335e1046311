package core

import (
	"crypto/sha256"
	"slices"
	"sync"

	"eclat/model/grammar"
)

// mostGrammars is how many grammars a model keeps, the last used ones: agents send the same
// tools again and again.
const mostGrammars = 8

// grammars are a model's, arranged for its tokens.
type grammars struct {
	mu   sync.Mutex
	kept []keptGrammar // the last used one last
}

type keptGrammar struct {
	key   [sha256.Size]byte
	masks *grammar.Masks
}

// Schema is the grammar of a JSON Schema; path is where it stands in the request.
func (m *Model) Schema(schema []byte, path string) (*grammar.Masks, error) {
	return m.grammar("schema ", schema, path, func() (*grammar.Grammar, error) {
		return grammar.FromSchema(schema, grammar.SchemaOptions{})
	})
}

// GBNF is a grammar as it is written; path is where it stands in the request.
func (m *Model) GBNF(text, path string) (*grammar.Masks, error) {
	return m.grammar("gbnf ", []byte(text), path, func() (*grammar.Grammar, error) { return grammar.FromGBNF(text) })
}

// AnyObject is the grammar of any JSON object.
func (m *Model) AnyObject() (*grammar.Masks, error) { return m.Schema([]byte(`{"type":"object"}`), "") }

func (m *Model) grammar(kind string, text []byte, path string, make func() (*grammar.Grammar, error)) (*grammar.Masks, error) {
	key := sha256.Sum256(append([]byte(kind), text...))
	k := m.grammars
	k.mu.Lock()
	if i := slices.IndexFunc(k.kept, func(g keptGrammar) bool { return g.key == key }); i >= 0 {
		g := k.kept[i]
		k.kept = append(slices.Delete(k.kept, i, i+1), g)
		k.mu.Unlock()
		return g.masks, nil
	}
	k.mu.Unlock() // two that come at once compile it twice; nobody waits for another's
	g, err := make()
	if err != nil {
		return nil, Wrong(path, "cannot be kept to: %v", err)
	}
	masks, err := m.Masks(g)
	if err != nil {
		return nil, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.kept) >= mostGrammars {
		k.kept = slices.Delete(k.kept, 0, 1)
	}
	k.kept = append(k.kept, keptGrammar{key, masks})
	return masks, nil
}
