package core

import (
	"cmp"
	"context"
	"sync"

	"eclat/engine"
	"eclat/model"
)

// embedAtOnce is how many texts of one request are handed in at a time, so that a long list
// leaves places to others.
const embedAtOnce = 8

// Embed makes the embeddings of some texts, each (n_embd) of length 1, and says how many
// tokens they have together. The first error ends all.
func (x *Exchange) Embed(m *Model, texts [][]int32) (vectors [][]float32, tokens int, err error) {
	how := cmp.Or(x.Pooling, m.Engine.Model.Config.Pooling)
	if how == model.NoPooling {
		return nil, 0, engine.ErrNoPooling
	}
	ctx, cancel := context.WithCancelCause(x.Context())
	defer cancel(nil)
	vectors = make([][]float32, len(texts))
	places := make(chan struct{}, embedAtOnce)
	var all sync.WaitGroup
	for i, ids := range texts {
		tokens += len(ids)
		places <- struct{}{}
		all.Go(func() {
			defer func() { <-places }()
			v, st, err := m.Engine.Embed(ctx, ids, how, x.Caller, -1)
			if vectors[i] = v; err != nil {
				cancel(err) // only the first counts
			} else {
				x.Metrics.prompt.WithLabelValues(m.Name).Add(float64(st.PromptTokens))
			}
		})
	}
	all.Wait()
	return vectors, tokens, context.Cause(ctx)
}
