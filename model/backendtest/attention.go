package backendtest

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"eclat/loader"
	"eclat/model"
)

// heads is a shape of attention.
type heads struct{ nHead, nHeadKV, dimK, dimV int }

// attentionTest stores k and v, projected from hidden rows of 32, and attends.
func attentionTest(h heads, tokens, pages int) *test {
	const cols = 32
	c := &test{tokens: tokens, pages: pages, limit: LimitQuant}
	c.weight("attn_q.weight", loader.F32, h.nHead*h.dimK, cols)
	c.weight("attn_k.weight", loader.F32, h.nHeadKV*h.dimK, cols)
	c.weight("attn_v.weight", loader.F32, h.nHeadKV*h.dimV, cols)
	c.build = func(b *model.Builder) model.ID {
		x := b.Receive("x", cols)
		kc, vc := b.Cache("k_cache", h.nHeadKV*h.dimK), b.Cache("v_cache", h.nHeadKV*h.dimV)
		q := b.MatMul("q", b.Weight("attn_q.weight", h.nHead*h.dimK, cols), x)
		b.Store(kc, b.MatMul("k", b.Weight("attn_k.weight", h.nHeadKV*h.dimK, cols), x))
		b.Store(vc, b.MatMul("v", b.Weight("attn_v.weight", h.nHeadKV*h.dimV, cols), x))
		return b.Attention("a", q, kc, vc, h.nHead, h.nHeadKV, float32(1/math.Sqrt(float64(h.dimK))))
	}
	return c
}

// attention fills contexts of awkward lengths over shuffled pages, by batches and
// then token by token.
func (s *suite) attention(t *testing.T) {
	for _, h := range []heads{{4, 2, 128, 128}, {1, 1, 32, 32}, {8, 1, 64, 64}, {6, 3, 80, 80}, {4, 4, 96, 96}, {2, 1, 256, 256}, {3, 1, 64, 32}} {
		t.Run(fmt.Sprintf("%d÷%d heads of %d,%d", h.nHead, h.nHeadKV, h.dimK, h.dimV), func(t *testing.T) {
			pages := 5
			c := attentionTest(h, 65, pages)
			pos := 0
			for _, n := range []int{1, 1, 29, 1, 1, 64, 9, 1, 1} { // ends inside, at and past the edge of a page
				c.runs = append(c.runs, stream(pos, n, 32, shuffled(pages), uint64(pos+1)))
				pos += n
			}
			s.compare(t, c)
		})
	}
	t.Run("4096 positions", func(t *testing.T) {
		if testing.Short() {
			t.Skip("long context: left out with -short")
		}
		pages := model.Pages(4096)
		c := attentionTest(heads{1, 1, 64, 64}, 512, pages)
		for pos := 0; pos < 4096-512; pos += 512 {
			c.runs = append(c.runs, stream(pos, 512, 32, shuffled(pages), uint64(pos+1)))
		}
		c.runs = append(c.runs, stream(4096-512, 511, 32, shuffled(pages), 9), stream(4095, 1, 32, shuffled(pages), 10))
		s.compare(t, c)
	})
	t.Run("large", func(t *testing.T) {
		// Keys and values beyond f16 are clamped, scores far apart do not overflow.
		c := attentionTest(heads{2, 1, 64, 64}, 4, 1)
		in := stream(0, 4, 32, []int32{0}, 3)
		for i := range in.Hidden {
			in.Hidden[i] *= 1e5
		}
		c.runs = []model.Inputs{in}
		s.compare(t, c)
	})
}

// sequences mixes tokens of several sequences, of different lengths, in one run.
func (s *suite) sequences(t *testing.T) {
	c := attentionTest(heads{4, 2, 64, 64}, 16, 12)
	tables := [][]int32{{3, 1}, {0}, {7, 5, 11}}
	next := []int32{0, 0, 0}
	for run := range 9 {
		in := model.Inputs{Pages: tables}
		for i := range 12 {
			seq := (i*i + run) % 3
			if int(next[seq]) >= len(tables[seq])*model.PageLen {
				continue
			}
			in.Seq = append(in.Seq, int32(seq))
			in.Pos = append(in.Pos, next[seq])
			next[seq]++
		}
		in.Hidden = values(uint64(run), len(in.Pos)*32, 1)
		c.runs = append(c.runs, in)
	}
	s.compare(t, c)
}

// sample compares the chosen tokens, for greedy and each filter, several rows at once.
func (s *suite) sample(t *testing.T) {
	for _, vocab := range []int{5, 1000, 32768} {
		t.Run(fmt.Sprint(vocab), func(t *testing.T) {
			c := &test{tokens: 6, logits: 6, limit: LimitExact}
			c.weight("unused", loader.F32, 1, 1)
			c.build = func(b *model.Builder) model.ID { return b.Sample("token", b.Gather("g", b.Receive("x", vocab))) }
			for run, how := range []model.Sampling{
				{}, {Temp: 1, TopK: 1}, {Temp: 0.8, TopK: 40, TopP: 0.95, MinP: 0.05, Seed: 1}, {Temp: 2, TopK: 7, Seed: 1 << 40},
				{Temp: 0.7, TopK: 64, TopP: 0.5, Seed: 3}, {Temp: 1.5, TopK: 100, MinP: 0.2, Seed: 4},
			} {
				in := stream(run, 6, vocab, []int32{0}, uint64(run))
				for i := range in.Hidden {
					in.Hidden[i] *= 4
				}
				in.Hidden[vocab-1], in.Hidden[vocab-2] = 50, 50 // a tie: the lower id wins
				in.Hidden[vocab+1] = float32(math.NaN())
				for i := range 6 {
					in.Want = append(in.Want, int32(5-i))
					in.Sampling = append(in.Sampling, how)
				}
				c.runs = append(c.runs, in)
			}
			s.compare(t, c)
		})
	}
}

// repeat runs the same thing twice on fresh backends and wants the same bits.
func (s *suite) repeat(t *testing.T) {
	c := attentionTest(heads{8, 2, 64, 64}, 40, 2)
	c.runs = []model.Inputs{stream(0, 40, 32, []int32{1, 0}, 1), stream(40, 1, 32, []int32{1, 0}, 2)}
	a, _ := c.answer(t, s.open)
	b, _ := c.answer(t, s.open)
	for i := range a {
		if !slices.Equal(a[i], b[i]) {
			t.Errorf("run %d: the same inputs gave other bits; %s", i, worst(a[i], b[i]))
		}
	}
}

// inputs offers inputs that would index outside memory: each is an error, and
// the program works afterwards.
func (s *suite) inputs(t *testing.T) {
	const vocab, cols = 10, 32
	c := &test{tokens: 4, logits: 2, pages: 2}
	c.weight("w", loader.F32, vocab, cols)
	good := model.Inputs{Tokens: []int32{1, 2}, Pos: []int32{0, 1}, Seq: []int32{0, 0}, Pages: [][]int32{{0}}, Want: []int32{1}}
	f, err := loader.FromBytes("test", c.file.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b := model.NewBuilder(f, c.tokens, c.logits, c.pages)
	x := b.Embed("x", b.Weight("w", vocab, cols))
	b.Store(b.Cache("k_cache", cols), x)
	plan, err := b.Plan(b.Gather("y", x))
	if err != nil {
		t.Fatal(err)
	}
	be, err := s.open()
	if err != nil {
		t.Fatal(err)
	}
	defer be.Close()
	if err := be.Load(f, plan.Keep()); err != nil {
		t.Fatal(err)
	}
	p, err := be.Compile(plan)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	var out model.Outputs
	for name, change := range map[string]func(in *model.Inputs){
		"no tokens":         func(in *model.Inputs) { in.Tokens, in.Pos, in.Seq, in.Want = nil, nil, nil, nil },
		"too many tokens":   func(in *model.Inputs) { in.Pos = []int32{0, 1, 2, 3, 4} },
		"negative id":       func(in *model.Inputs) { in.Tokens = []int32{-1, 0} },
		"id past the end":   func(in *model.Inputs) { in.Tokens = []int32{0, vocab} },
		"id missing":        func(in *model.Inputs) { in.Tokens = []int32{0} },
		"position negative": func(in *model.Inputs) { in.Pos = []int32{-1, 0} },
		"position unpaged":  func(in *model.Inputs) { in.Pos = []int32{0, model.PageLen} },
		"sequence unknown":  func(in *model.Inputs) { in.Seq = []int32{0, 1} },
		"page unknown":      func(in *model.Inputs) { in.Pages = [][]int32{{2}} },
		"page negative":     func(in *model.Inputs) { in.Pages = [][]int32{{-1}} },
		"too many wanted":   func(in *model.Inputs) { in.Want = []int32{0, 1, 0} },
		"wanted unknown":    func(in *model.Inputs) { in.Want = []int32{2} },
	} {
		in := good
		change(&in)
		if err := p.Run(in, &out); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if err := p.Run(good, &out); err != nil || len(out.Result) != cols {
		t.Errorf("after errors a good run gave %d values and %v", len(out.Result), err)
	}
	if n := testing.AllocsPerRun(20, func() { p.Run(good, &out) }); n != 0 {
		t.Errorf("Run allocates %v times", n)
	}
}

// trace reads every activation after a run: none may have been overwritten by a
// later step, and a plan without Trace refuses.
func (s *suite) trace(t *testing.T) {
	c := attentionTest(heads{4, 2, 64, 64}, 8, 1)
	in := stream(0, 5, 32, []int32{0}, 1)
	read := func(open func() (model.Backend, error)) (names []string, values [][]float32) {
		f, err := loader.FromBytes("test", c.file.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		b := model.NewBuilder(f, c.tokens, 1, c.pages)
		plan, err := b.Plan(c.build(b))
		if err != nil {
			t.Fatal(err)
		}
		plan.Trace = true
		be, err := open()
		if err != nil {
			t.Fatal(err)
		}
		defer be.Close()
		if err := be.Load(f, plan.Keep()); err != nil {
			t.Fatal(err)
		}
		p, err := be.Compile(plan)
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		var out model.Outputs
		if err := p.Run(in, &out); err != nil {
			t.Fatal(err)
		}
		for id, x := range plan.Tensors {
			if x.Kind != model.TokenRows {
				continue
			}
			dst := make([]float32, x.Rows*x.Cols)
			n, err := p.Read(model.ID(id), dst)
			if err != nil || n != 5*x.Cols {
				t.Fatalf("%s: %d values, %v", x.Name, n, err)
			}
			names, values = append(names, x.Name), append(values, dst[:n])
		}
		return names, values
	}
	names, want := read(s.openRef)
	_, got := read(s.open)
	for i, name := range names {
		if e := NMSE(want[i], got[i]); !(e <= LimitQuant) {
			t.Errorf("%s: NMSE %.3g; %s", name, e, worst(want[i], got[i]))
		}
	}
}
