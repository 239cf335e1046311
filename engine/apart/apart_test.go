package apart

import (
	"context"
	"errors"
	"slices"
	"testing"

	"eclat/cpu"
	"eclat/cpu/ref"
	"eclat/loader/quant"
	"eclat/model"
	"eclat/model/backendtest"
)

const tokens = 8

// opened is a model with experts in its layers 1 and 2.
func opened(t *testing.T) *model.Model {
	t.Helper()
	return backendtest.Open(t, "../../testdata/experts-small.gguf")
}

// batch is tokens of one sequence, all of whose answers are wanted.
func batch(p *model.Plan) *model.Batch {
	b := &model.Batch{Seqs: []model.SeqRun{{N: tokens}}}
	for i := range int32(tokens) {
		b.Tokens, b.Pos, b.Want = append(b.Tokens, 3+7*i), append(b.Pos, i), append(b.Want, i)
	}
	for range p.Pools {
		b.Seqs[0].Units = append(b.Seqs[0].Units, []int32{0})
	}
	return b
}

// traced runs a plan on a device and returns every float activation, by name.
func traced(t *testing.T, d model.Device, m *model.Model, p *model.Plan, b *model.Batch) map[string][]float32 {
	t.Helper()
	ctx := context.Background()
	on, err := d.Open(ctx, model.OpenOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer on.Close()
	if err := on.Load(ctx, m.File, p); err != nil {
		t.Fatal(err)
	}
	size := model.Size{Tokens: tokens, Want: tokens}
	prog, err := on.Compile(p, model.CompileOptions{Size: size, Trace: true, Profile: true})
	if err != nil {
		t.Fatal(err)
	}
	defer prog.Close()
	gone, cancel := context.WithCancel(ctx)
	cancel()
	rows := b.Rows
	var out model.Outputs
	if err := prog.Run(gone, b, &out); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if err := prog.Run(ctx, b, &out); err != nil {
		t.Fatal(err)
	}
	if len(b.Rows) != len(rows) {
		t.Error("the batch has other rows than before")
	}
	if len(out.StepTime) != len(p.Steps) {
		t.Errorf("%d times of %d steps", len(out.StepTime), len(p.Steps))
	}
	all := map[string][]float32{"the answer": slices.Clone(out.Rows)}
	for _, s := range p.Steps {
		x := p.Tensors[s.Dst]
		if x.Kind == model.Kept || x.Type != quant.F32 {
			continue
		}
		dst := make([]float32, tokens*x.Cols)
		n, err := prog.Read(s.Dst, dst)
		if err != nil {
			t.Fatalf("%s: %v", x.Name, err)
		}
		all[x.Name] = dst[:n]
	}
	if _, err := prog.Read(model.ID(len(p.Tensors)), nil); err == nil {
		t.Error("a tensor that there is not was read")
	}
	return all
}

// TestSameBits: every activation is the reference's, whichever layers' experts are on the
// other device, of the whole model and of stages that begin with rows.
func TestSameBits(t *testing.T) {
	m := opened(t)
	processor := cpu.Devices(2)[0]
	for _, st := range []model.Stage{m.Whole(), m.Last(2), m.Last(1), m.Before(m.Last(1))} {
		p, err := m.Plan(st, model.Room{Pages: 1})
		if err != nil {
			t.Fatal(err)
		}
		b := batch(p)
		if p.Hidden != model.None {
			b.Rows = make([]float32, tokens*p.Width())
			for i := range b.Rows {
				b.Rows[i] = float32(i%17-8) / 8
			}
		}
		want := traced(t, ref.Device(), m, p, b)
		for n := range m.Config.NLayer + 1 {
			got := traced(t, New(ref.Device(), processor, n), m, p, b)
			for name, x := range want {
				if !slices.Equal(got[name], x) {
					t.Errorf("layers %d–%d, experts of %d apart: %s differs", st.First, st.End-1, n, name)
				}
			}
		}
	}
}

// TestFit: the weights of both sides are those of the model, but for what both have.
func TestFit(t *testing.T) {
	m := opened(t)
	r := model.FitRequest{Layers: model.AllLayers, Pages: 4, Room: model.Room{Seqs: 1, Chunk: tokens},
		Programs: []model.FitProgram{{CompileOptions: model.CompileOptions{Size: model.Size{Tokens: tokens, Want: 1}}}}}
	whole, err := ref.Device().Fit(m, r)
	if err != nil {
		t.Fatal(err)
	}
	least := int64(0)
	if fit, err := New(ref.Device(), cpu.Devices(1)[0], 1).Fit(m, r); err != nil || fit.Apart != nil || fit.Mapped != whole.Mapped {
		t.Errorf("the first layer has no experts: %+v, %v", fit, err)
	}
	for n := 2; n <= m.Config.NLayer; n++ {
		fit, err := New(ref.Device(), cpu.Devices(1)[0], n).Fit(m, r)
		if err != nil {
			t.Fatal(err)
		}
		if fit.Apart == nil || fit.Apart.Layers != n || fit.Apart.Memory != 0 || fit.Memory != whole.Memory {
			t.Fatalf("experts of %d layers apart: %+v, %+v", n, fit, fit.Apart)
		}
		both := fit.Mapped + fit.Apart.Mapped - whole.Mapped
		if both < 0 || both > whole.Mapped/20 || fit.Apart.Mapped < least {
			t.Errorf("experts of %d layers apart: %d and %d bytes of %d", n, fit.Mapped, fit.Apart.Mapped, whole.Mapped)
		}
		least = fit.Apart.Mapped
	}
	if least == 0 {
		t.Error("nothing is apart")
	}
	r.Layers = 0
	if fit, err := New(ref.Device(), cpu.Devices(1)[0], 3).Fit(m, r); err != nil || fit.Apart != nil {
		t.Errorf("no layers: %+v, %v", fit, err)
	}
}
