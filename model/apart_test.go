package model_test

import (
	"errors"
	"slices"
	"testing"

	"eclat/loader"
	"eclat/loader/ggufwrite"
	"eclat/loader/quant"
	"eclat/model"
)

// expertLayers is a plan of a layer or more with experts, and with a shared one.
func expertLayers(t *testing.T, n int, shape func(b *model.Builder, x, h model.ID, name func(string) string) model.ID) (*model.Plan, error) {
	t.Helper()
	const embd, experts, ff = 32, 4, 64
	f := &ggufwrite.File{}
	f.Set("general.architecture", "test")
	vector := func(name string, dims ...int) {
		size := 1
		for _, d := range dims {
			size *= d
		}
		f.Add(name, quant.F32, dims, make([]float32, size))
	}
	vector("token_embd.weight", embd, 8)
	for l := range n {
		name := func(s string) string { return "blk." + string(rune('0'+l)) + "." + s }
		vector(name("norm.weight"), embd)
		vector(name("router.weight"), embd, experts)
		vector(name("up.weight"), embd, ff, experts)
		vector(name("down.weight"), ff, embd, experts)
		vector(name("shared.weight"), embd, embd)
	}
	file, err := loader.FromBytes("test", f.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { file.Close() })
	b := model.NewBuilder(file, model.Room{Pages: 1})
	x := b.Embed("embd", b.Weight("token_embd.weight", 8, embd))
	for l := range n {
		name := func(s string) string { return "blk." + string(rune('0'+l)) + "." + s }
		h := b.RMSNorm(name("norm"), x, b.Weight(name("norm.weight"), 1, embd), 1e-5)
		logits := b.MatMul(name("router"), b.Weight(name("router.weight"), experts, embd), h)
		r := b.Route(name("routes"), logits, model.None, model.Routing{Used: 2, Scale: 1, Groups: 1, GroupsUsed: 1})
		up := b.MatMulExperts(name("up"), b.Experts(name("up.weight"), experts, ff, embd), h, r, model.None, experts, 0, ff)
		down := b.MatMulExperts(name("down"), b.Experts(name("down.weight"), experts, embd, ff), up, r, model.None, experts, 0, embd)
		y := b.Combine(name("experts"), down, r, model.None)
		if shape != nil {
			y = b.Add(name("shared+experts"), y, shape(b, x, h, name))
		}
		x = b.Add(name("residual"), x, y)
	}
	return b.Plan(x)
}

// names lists the results of a plan's steps.
func names(p *model.Plan) (list []string) {
	for _, s := range p.Steps {
		list = append(list, p.Tensors[s.Dst].Name)
	}
	return list
}

// TestCutExperts: the pieces are those that the comment draws, and every step of them is
// sound.
func TestCutExperts(t *testing.T) {
	shared := func(b *model.Builder, _, h model.ID, name func(string) string) model.ID {
		return b.MatMul(name("shared"), b.Weight(name("shared.weight"), 32, 32), h)
	}
	p, err := expertLayers(t, 3, shared)
	if err != nil {
		t.Fatal(err)
	}
	c, err := p.CutExperts(func(l int) bool { return l != 1 })
	if err != nil {
		t.Fatal(err)
	}
	whole := func(l string) []string {
		return []string{l + "norm", l + "router", l + "routes", l + "up", l + "down", l + "experts", l + "shared", l + "shared+experts", l + "residual"}
	}
	behind := func(l, w string) []string {
		return []string{w, l + "experts", l + "norm", l + "shared", l + "shared+experts", l + "residual"}
	}
	want := [][]string{
		{"embd"},
		whole("blk.0.")[:6],
		append(behind("blk.0.", "embd"), whole("blk.1.")...),
		whole("blk.2.")[:6],
		behind("blk.2.", "blk.1.residual"),
	}
	if len(c.Pieces) != len(want) {
		t.Fatalf("%d pieces, want %d", len(c.Pieces), len(want))
	}
	info := model.DeviceInfo{ID: "any", Types: []quant.Type{quant.F32}}
	for op := range model.NumOps {
		info.Ops = append(info.Ops, op)
	}
	for i, x := range c.Pieces {
		if x.Apart != (i%2 == 1) || !slices.Equal(names(x.Plan), want[i]) {
			t.Errorf("piece %d, apart %v: %v, want %v", i, x.Apart, names(x.Plan), want[i])
		}
		if err := info.Lacks(x.Plan); err != nil {
			t.Error(err)
		}
		for j, at := range x.Of {
			if at >= 0 && p.Tensors[p.Steps[at].Dst].Name != names(x.Plan)[j] {
				t.Errorf("piece %d: step %d is not %d of the whole", i, j, at)
			}
		}
		for id, local := range x.IDs {
			if local != model.None && x.Plan.Tensors[local].Name != p.Tensors[id].Name {
				t.Errorf("piece %d: %s is called %s", i, p.Tensors[id].Name, x.Plan.Tensors[local].Name)
			}
		}
	}
	for _, w := range c.Here.Weights() {
		if slices.Contains([]string{"blk.0.up.weight", "blk.2.down.weight", "blk.0.router.weight"}, w.Name) {
			t.Errorf("%s is here too", w.Name)
		}
	}
	if n := len(c.Apart.Weights()); n != 8 {
		t.Errorf("%d weights apart, want a norm, a router and two of experts, of two layers", n)
	}
	// Nobody asks for it: the plan is whole.
	if c, err := p.CutExperts(func(int) bool { return false }); err != nil || len(c.Pieces) != 1 || c.Pieces[0].Plan != p || c.Apart != nil {
		t.Errorf("%v; %+v", err, c)
	}
}

// TestCutExpertsRefused: where more than one tensor would have to cross, the plan says so.
func TestCutExpertsRefused(t *testing.T) {
	first := model.None
	kept := func(b *model.Builder, x, _ model.ID, name func(string) string) model.ID {
		if first == model.None {
			first = x // the embedding, which every layer reads
		}
		return first
	}
	p, err := expertLayers(t, 2, kept)
	if err != nil {
		t.Fatal(err)
	}
	var no model.UnsupportedError
	if _, err := p.CutExperts(func(l int) bool { return l == 1 }); !errors.As(err, &no) {
		t.Errorf("error %v, want an UnsupportedError", err)
	}
	// What layer 1 reads of the embedding crosses behind layer 0 anyway.
	if _, err := p.CutExperts(func(l int) bool { return l == 0 }); err != nil {
		t.Error(err)
	}
}
