package arch

import (
	"strings"
	"testing"

	"eclat/loader"
	"eclat/model"
)

// TestQwen3 reads the model in testdata and looks for what is not llama's: the norms
// of heads before rope, and rope's pairs half a rotation apart. That the numbers are
// right is shown by the golden values of package engine.
func TestQwen3(t *testing.T) {
	f, err := loader.Open("../../testdata/qwen3-small.gguf")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	m, err := Open(f)
	if err != nil {
		t.Fatal(err)
	}
	p, err := m.Describe(m.Whole(), model.Room{Pages: 1})
	if err != nil {
		t.Fatal(err)
	}
	norms := 0
	for i, s := range p.Steps {
		dst := p.Tensors[s.Dst]
		if s.Op != model.RMSNorm || !strings.HasSuffix(dst.Name, "q_norm") && !strings.HasSuffix(dst.Name, "k_norm") {
			continue
		}
		norms++
		if int(s.Arg[1]) != m.Config.HeadDimK || dst.Cols%m.Config.HeadDimK != 0 {
			t.Errorf("%s norms groups of %d, a head has %d", dst.Name, s.Arg[1], m.Config.HeadDimK)
		}
		turned := false
		for _, later := range p.Steps[i:] {
			turned = turned || later.Op == model.RoPE && later.Src[0] == s.Dst
		}
		if !turned {
			t.Errorf("%s is not what rope turns", dst.Name)
		}
	}
	if norms != 2*m.Config.NLayer {
		t.Errorf("%d norms of heads in %d layers", norms, m.Config.NLayer)
	}
	if len(p.Ropes) != 1 || !p.Ropes[0].Halves {
		t.Errorf("ropes %+v, want one of halves", p.Ropes)
	}
}
