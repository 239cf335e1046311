package arch

import (
	"errors"
	"testing"

	"eclat/model"
)

// TestPooling: the file says how embeddings are made; a ranking and nonsense are none.
func TestPooling(t *testing.T) {
	for _, c := range []struct {
		value any
		want  model.Pooling
	}{
		{nil, model.NoPooling}, {uint32(0), model.NoPooling}, {uint32(1), model.MeanPooling}, {uint32(2), model.CLSPooling},
		{uint32(3), model.LastPooling}, {uint32(4), model.NoPooling}, {"mean", model.NoPooling}, {int32(-1), model.NoPooling},
	} {
		f := small()
		if c.value != nil {
			f.Set("llama.pooling_type", c.value)
		}
		if m, err := openBytes(t, f); err != nil || m.Config.Pooling != c.want {
			t.Errorf("%v: %v, want %v; %v", c.value, m.Config.Pooling, c.want, err)
		}
	}
}

// TestNotCausal: what sees the tokens after it would be computed wrongly.
func TestNotCausal(t *testing.T) {
	f := small()
	f.Set("llama.attention.causal", false)
	if _, err := openBytes(t, f); !errors.As(err, new(model.UnsupportedError)) {
		t.Errorf("opened: %v", err)
	}
	f = small()
	f.Set("llama.attention.causal", true)
	if _, err := openBytes(t, f); err != nil {
		t.Error(err)
	}
}

// TestNormed: a plan that ends with normed rows is the whole one without the head.
func TestNormed(t *testing.T) {
	m, err := openBytes(t, small())
	if err != nil {
		t.Fatal(err)
	}
	st := m.Whole()
	whole, err := m.Plan(st, model.Room{Pages: 1})
	if err != nil {
		t.Fatal(err)
	}
	st.Normed, st.Sample = true, true
	p, err := m.Plan(st, model.Room{Pages: 1})
	if err != nil {
		t.Fatal(err)
	}
	if r := p.Tensors[p.Result]; r.Name != "output_norm" || r.Kind != model.WantRows || r.Cols != 64 || p.Samples() || len(p.Steps) != len(whole.Steps)-1 {
		t.Errorf("%+v after %d steps of %d", r, len(p.Steps), len(whole.Steps))
	}
	for _, w := range p.Weights() {
		if w.Name == "output.weight" {
			t.Error("it has the output matrix")
		}
	}
}
