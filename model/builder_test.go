package model

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"eclat/loader"
	"eclat/loader/ggufwrite"
	"eclat/loader/quant"
)

// parts is a file with one weight of each kind that an op asks for.
func parts(t testing.TB) *loader.File {
	f := &ggufwrite.File{}
	add := func(name string, ty quant.Type, cols, rows int) {
		f.Add(name, ty, []int{cols, rows}, make([]float32, cols*rows))
	}
	add("embd", quant.F16, 32, 10)
	add("wide", quant.Q8_0, 32, 64)
	add("router", quant.F32, 32, 8)
	add("router bias", quant.F32, 8, 1)
	add("expert biases", quant.F32, 8, 8)
	add("vector", quant.F32, 32, 1)
	add("vector16", quant.F16, 32, 1)
	add("sinks", quant.F32, 2, 1)
	add("filter", quant.F32, 3, 32)
	add("filter16", quant.F16, 3, 32)
	add("one tap", quant.F32, 1, 32)
	add("heads", quant.F32, 1, 4)
	add("heads of 16", quant.F32, 16, 4)
	f.Tensors = append(f.Tensors, ggufwrite.Tensor{Name: "odd type", Type: quant.I32, Dims: []int{32}, Data: make([]byte, 128)})
	file, err := loader.FromBytes("parts.gguf", f.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { file.Close() })
	return file
}

// every writes a plan with each op of the table.
func every(t testing.TB, room Room) *Plan {
	b := NewBuilder(parts(t), room)
	x := b.Embed("x", b.Weight("embd", 10, 32))
	n := b.LayerNorm("layer n", b.RMSNorm("n", x, b.Weight("vector", 1, 32), 1e-5), b.Weight("vector", 1, 32), 1e-5)
	rope := b.Rope(Rope{Freq: []float64{1, 0.5}, Scale: 1})
	q := b.RoPE("q", b.MatMul("projected", b.Weight("wide", 64, 32), n), 32, rope)
	kr := b.RoPE("k rope", n, 32, rope)
	for l, m := range []Memory{{Per: Position, Type: quant.F16}, {Per: Window, Window: 40, Type: quant.F32}} {
		m.Cols = 32
		m.Name = fmt.Sprintf("k %d", l)
		k := b.Memory(m)
		m.Name = fmt.Sprintf("v %d", l)
		v := b.Memory(m)
		b.Store(k, kr)
		b.Store(v, n)
		n = b.CappedAttention(fmt.Sprintf("a %d", l), q, k, v, b.Weight("sinks", 1, 2), 2, 1, 0.5, 5)
		b.Mul(fmt.Sprintf("m %d", l), b.MatMul(fmt.Sprintf("w %d", l), b.Weight("wide", 64, 32), x), n)
		n = b.Add(fmt.Sprintf("n %d", l), x, x)
	}
	r := b.Route("r", b.MatMul("router logits", b.Weight("router", 8, 32), x), b.Weight("router bias", 1, 8),
		Routing{Used: 2, Gating: SigmoidEach, Scale: 1 << 20, Groups: 4, GroupsUsed: 4})
	e := b.MatMulExperts("e", b.Weight("wide", 64, 32), n, r, b.Weight("expert biases", 8, 8), 8, 0, 8)
	b.Combine("combined", b.MulExperts("factored", e, b.Weight("router bias", 1, 8), r), r, b.Weight("router bias", 1, 8))
	b.MatMulHeads("by heads", b.Weight("heads of 16", 4, 16), x, 2)
	b.Join("joined", x, b.Slice("a part", x, 0, 3, 16), 2, 3)
	state := b.Memory(Memory{Name: "state", Per: Sequence, Type: quant.F32, Cols: 64})
	n = b.Act("f", n, GELU-1)
	heads := State{NHead: 4, NHeadK: 2, DimK: 6, DimV: 2} // 2·2·6 + 4·2 = 32
	a, memory := b.Vector("heads", 4), b.Memory(Memory{Name: "head states", Per: Sequence, Type: quant.F32, Cols: heads.Len()})
	step := b.Slice("step", n, 3, 1, 8)
	b.DeltaRule("delta", b.L2Norm("unit", n, 8, 4, 1e-6), step, a, step, memory, heads, 0.5, false)
	b.Scan("scan", n, step, a, a, memory, heads)
	x = b.SwiGLU("s", b.Conv("c", n, b.Weight("filter", 32, 3), state, b.Weight("vector", 1, 32), false), n)
	p, err := b.Plan(b.Sample("token", b.Gather("g", b.Add("biased", x, b.Weight("vector16", 1, 32)))))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestBuilderWritesEveryOp checks what the methods write against the table.
func TestBuilderWritesEveryOp(t *testing.T) {
	p := every(t, Room{Pages: 4, Seqs: 2, Chunk: 8})
	seen := map[Op]bool{}
	for i := range p.Steps {
		s := &p.Steps[i]
		seen[s.Op] = true
		if err := p.checkStep(s); err != nil {
			t.Error(err)
		}
		if p.Tensors[s.Dst].Kind == Kept != (s.Op == Store) {
			t.Errorf("%s writes %s", s.Op, p.Tensors[s.Dst].Name)
		}
		if n := len(opInfos[s.Op].args); n > 0 && strings.Count(s.Args(), "=") != n {
			t.Errorf("%s prints its %d scalars as %q", s.Op, n, s.Args())
		}
	}
	for _, op := range Ops() {
		if !seen[op] {
			t.Errorf("no step is %s", op)
		}
		if op.String() == "" || op.Formula() == "" {
			t.Errorf("op %d has the name %q and the formula %q", op, op, op.Formula())
		}
	}
	if !p.Samples() || p.Vocab != 10 || p.Width() != 32 || p.Tensors[p.Answer()].Name != "g" || p.Tensors[p.Result].Type != quant.I32 {
		t.Errorf("vocabulary %d, rows of %d, the answer is %s", p.Vocab, p.Width(), p.Tensors[p.Answer()].Name)
	}
	window := 0
	for _, s := range p.Steps {
		if s.Op == Attention {
			if want := p.Pools[p.Tensors[s.Src[1]].Pool].Window; int(s.Arg[5]) != want || s.Arg[2] != 32 || s.ArgFloat(4) != 0.5 {
				t.Errorf("attention with %s over a window of %d", s.Args(), want)
			}
			window += int(s.Arg[5])
		}
	}
	if window != 40 {
		t.Errorf("windows add up to %d", window)
	}
}

// TestStepsAgainstTheTable puts a tensor of every role at every place of every op:
// the table's roles pass, all others are refused.
func TestStepsAgainstTheTable(t *testing.T) {
	p := every(t, Room{Pages: 4, Seqs: 2, Chunk: 8})
	b := Builder{plan: *p, file: parts(t), byName: map[string]ID{}}
	examples := map[string]ID{
		"matrix":   b.Weight("wide", 64, 32),
		"vector":   b.Weight("vector", 1, 32),
		"filter":   b.Weight("filter", 32, 3),
		"filter16": b.Weight("filter16", 32, 3),
		"one tap":  b.Weight("one tap", 32, 1),
		"tokens":   b.activation("another", TokenRows, 32),
		"wanted":   b.activation("a third", WantRows, 32),
		"routes":   b.tensor(Tensor{Name: "routes", Kind: TokenRows, Type: quant.I32, Cols: 32}),
	}
	for i, pool := range p.Pools {
		examples["memory by "+pool.Per.String()] = b.tensor(Tensor{Name: pool.Per.String(), Kind: Kept, Type: quant.F32, Cols: 32, Pool: i})
	}
	weights := []string{"matrix", "vector", "filter", "filter16", "one tap"}
	fits := map[Role][]string{
		Matrix:   weights,
		Vector:   {"vector"},
		Floats:   {"vector"},
		Filter:   {"vector", "filter"}, // float32, of two taps or more
		Rows:     {"tokens", "wanted"},
		OfTokens: {"tokens"},
		OfWanted: {"wanted"},
		Routes:   {"routes"},
		Paged:    {"memory by position", "memory by window"},
		Slots:    {"memory by sequence"},
		Either:   {"tokens", "wanted", "vector"},
	}
	may := func(name string, r Role) bool {
		for _, n := range fits[r] {
			if n == name {
				return true
			}
		}
		return false
	}
	plan := &b.plan
	for i := range p.Steps {
		sound := p.Steps[i]
		info := opInfos[sound.Op]
		for name, id := range examples {
			s := sound
			s.Dst = id
			if got := plan.checkRoles(&s) == nil; got != may(name, info.dst) {
				t.Errorf("%s may write %s: %t", s.Op, name, got)
			}
			for j := range s.Src {
				s := sound
				s.Src = append([]ID{}, s.Src...)
				s.Src[j] = id
				if got := plan.checkRoles(&s) == nil; got != may(name, info.src[j]) {
					t.Errorf("source %d of %s may be %s: %t", j, s.Op, name, got)
				}
			}
		}
		s := sound
		s.Src = append(append([]ID{}, s.Src...), sound.Src[0])
		if plan.checkRoles(&s) == nil {
			t.Errorf("%s takes a source too many", s.Op)
		}
		s.Src = sound.Src[:len(info.src)-info.may]
		if err := plan.checkRoles(&s); err != nil {
			t.Errorf("%s without what it may lack: %v", s.Op, err)
		}
		s.Src = s.Src[:len(s.Src)-1]
		if plan.checkRoles(&s) == nil {
			t.Errorf("%s takes a source too few", s.Op)
		}
	}
	var un UnsupportedError
	for _, op := range []Op{NumOps, 255} {
		s := p.Steps[0]
		s.Op = op
		if err := plan.checkRoles(&s); !errors.As(err, &un) {
			t.Errorf("%s: %v, want an UnsupportedError", op, err)
		}
	}
}

// TestPlacesOfTokens: what looks at a row's place in its sequence refuses rows of wanted
// answers, of which row i is not token i.
func TestPlacesOfTokens(t *testing.T) {
	for _, c := range []struct {
		op   Op
		step func(b *Builder, wanted ID) ID
	}{
		{RoPE, func(b *Builder, x ID) ID { return b.RoPE("y", x, 32, b.Rope(Rope{Freq: []float64{1}})) }},
		{Store, func(b *Builder, x ID) ID {
			b.Store(b.Memory(Memory{Name: "y", Type: quant.F16, Cols: 32}), x)
			return x
		}},
		{Attention, func(b *Builder, x ID) ID {
			k := b.Memory(Memory{Name: "k", Type: quant.F16, Cols: 32})
			return b.Attention("y", x, k, k, 1, 1, 1)
		}},
		{Conv, func(b *Builder, x ID) ID {
			state := b.Memory(Memory{Name: "state", Per: Sequence, Type: quant.F32, Cols: 64})
			return b.Conv("y", x, b.Weight("filter", 32, 3), state, None, false)
		}},
		{DeltaRule, func(b *Builder, x ID) ID {
			s := State{NHead: 32, NHeadK: 1, DimK: 1, DimV: 1}
			v := b.Weight("vector", 1, 32)
			return b.DeltaRule("y", x, x, v, x, b.Memory(Memory{Name: "state", Per: Sequence, Type: quant.F32, Cols: 32}), s, 1, false)
		}},
		{Scan, func(b *Builder, x ID) ID {
			s := State{NHead: 32, NHeadK: 1, DimK: 1, DimV: 1}
			v := b.Weight("vector", 1, 32)
			return b.Scan("y", x, x, v, v, b.Memory(Memory{Name: "state", Per: Sequence, Type: quant.F32, Cols: 32}), s)
		}},
		{Gather, func(b *Builder, x ID) ID { return b.Gather("y", x) }},
	} {
		b := NewBuilder(parts(t), Room{Pages: 1})
		wanted := b.Gather("wanted", b.Embed("x", b.Weight("embd", 10, 32)))
		_, err := b.Plan(c.step(b, wanted))
		if err == nil || !strings.Contains(err.Error(), c.op.String()+" → y") || !strings.Contains(err.Error(), "token rows") {
			t.Errorf("%s of wanted rows: %v", c.op, err)
		}
	}
}

func TestBuilderFaults(t *testing.T) {
	for _, c := range []struct {
		name        string
		rows, cols  int
		says        []string
		unsupported bool
	}{
		{"nowhere", 1, 32, []string{"nowhere", "missing"}, false},
		{"wide", 32, 32, []string{"wide", "32×64", "32×32"}, false},
		{"wide", 64, 64, []string{"wide", "32×64", "64×64"}, false},
		{"odd type", 1, 32, []string{"odd type", "I32", "Q4_K"}, true},
	} {
		b := NewBuilder(parts(t), Room{Pages: 1})
		x := b.Embed("x", b.Weight("embd", 10, 32))
		w := b.Weight(c.name, c.rows, c.cols)
		b.Weight("also nowhere", 1, 1) // the first fault is the one that is told
		if !b.Failed() {
			t.Errorf("%s: not failed", c.name)
		}
		_, err := b.Plan(b.Add("y", x, w))
		var un UnsupportedError
		if err == nil || errors.As(err, &un) != c.unsupported {
			t.Errorf("%s: error %v", c.name, err)
			continue
		}
		for _, says := range c.says {
			if !strings.Contains(err.Error(), says) {
				t.Errorf("%q lacks %q", err, says)
			}
		}
	}
	// A step that the table forbids does not become a plan.
	b := NewBuilder(parts(t), Room{Pages: 1})
	x := b.Embed("x", b.Weight("embd", 10, 32))
	if _, err := b.Plan(b.RMSNorm("y", x, b.Weight("wide", 64, 32), 1e-5)); err == nil {
		t.Error("a norm with a matrix was built")
	}
	defer func() {
		if recover() == nil {
			t.Error("two activations of one name were built")
		}
	}()
	b.Add("x", x, x)
}

// TestPools: memories that come and go together share a pool, once each.
func TestPools(t *testing.T) {
	b := NewBuilder(nil, Room{Pages: 100, Seqs: 3, Chunk: 16})
	for _, c := range []struct {
		m    Memory
		pool int
		rows int
	}{
		{Memory{Name: "k", Per: Position, Cols: 8}, 0, 100 * PageLen},
		{Memory{Name: "v", Per: Position, Cols: 16}, 0, 100 * PageLen},
		{Memory{Name: "kw", Per: Window, Window: 70, Cols: 8}, 1, 3 * 4 * PageLen}, // 70+15 positions: 3 pages and one
		{Memory{Name: "kw2", Per: Window, Window: 71, Cols: 8}, 2, 3 * 4 * PageLen},
		{Memory{Name: "vw", Per: Window, Window: 70, Cols: 8}, 1, 3 * 4 * PageLen},
		{Memory{Name: "s", Per: Sequence, Cols: 8}, 3, 5},
		{Memory{Name: "s2", Per: Sequence, Cols: 99}, 3, 5},
	} {
		c.m.Type = quant.F16
		id := b.Memory(c.m)
		if again := b.Memory(c.m); again != id {
			t.Errorf("%s named again is tensor %d, not %d", c.m.Name, again, id)
		}
		tn := b.plan.Tensors[id]
		if tn.Kind != Kept || tn.Pool != c.pool || tn.Rows != c.rows || tn.Cols != c.m.Cols || tn.Type != quant.F16 {
			t.Errorf("%s is %+v, want pool %d of %d rows", c.m.Name, tn, c.pool, c.rows)
		}
	}
	want := []Pool{{Position, 0, 100}, {Window, 70, 12}, {Window, 71, 12}, {Sequence, 0, 5}}
	if !reflect.DeepEqual(b.plan.Pools, want) {
		t.Errorf("pools %v, want %v", b.plan.Pools, want)
	}
	for i, want := range []int64{PageLen * 24 * 2, PageLen * 16 * 2, PageLen * 8 * 2, 107 * 2} {
		if got := b.plan.UnitBytes(i); got != want {
			t.Errorf("a unit of pool %d takes %d bytes, want %d", i, got, want)
		}
	}
	if got, want := b.plan.MemoryBytes(), int64(100*PageLen*24*2+12*PageLen*(16+8)*2+5*107*2); got != want {
		t.Errorf("all pools take %d bytes, want %d", got, want)
	}
}

// TestRoomForWindows walks sequences through windows: no more pages are ever needed
// at once than the room says, and some walk needs all but the one of slack.
func TestRoomForWindows(t *testing.T) {
	for _, window := range []int{1, 2, 31, 32, 33, 64, 70} {
		for _, chunk := range []int{1, 2, 16, 31, 32, 33, 100} {
			room := Room{Pages: 1000, Seqs: 1, Chunk: chunk}
			units := room.units(Window, window)
			pool := Pool{Window, window, units}
			most := 0
			for first := range 300 {
				for n := 1; n <= chunk; n++ {
					most = max(most, Pages(first+n)-pool.FirstSeen(first)/PageLen)
				}
			}
			if most > units || most < units-1 {
				t.Errorf("window %d, chunks to %d: %d pages at once, room for %d", window, chunk, most, units)
			}
		}
	}
	if n := (Room{Pages: 3, Seqs: 8, Chunk: 64}).units(Window, 4096); n != 3 {
		t.Errorf("a window gets %d pages where all positions have 3", n)
	}
	if n := (Room{}).units(Sequence, 0); n != 3 {
		t.Errorf("%d slots without sequences", n)
	}
}

// TestPlanKnowsNoSize: of plans for different room only the memory differs, and
// rows follow a size that is given from outside.
func TestPlanKnowsNoSize(t *testing.T) {
	a, b := every(t, Room{Pages: 1}), every(t, Room{Pages: 500, Seqs: 64, Chunk: 512})
	if !reflect.DeepEqual(a.Steps, b.Steps) || !reflect.DeepEqual(a.Ropes, b.Ropes) || a.Result != b.Result {
		t.Error("the steps depend on the room")
	}
	for i := range b.Tensors {
		x, y := a.Tensors[i], b.Tensors[i]
		if x.Kind == Kept {
			y.Rows = x.Rows
		} else if x.Kind != Weight && x.Rows != 0 {
			t.Errorf("%s has %d rows in the plan", x.Name, x.Rows)
		}
		if x != y {
			t.Errorf("%+v and %+v", x, y)
		}
		want := map[Kind]int{TokenRows: 7, WantRows: 3, Weight: x.Rows, Kept: x.Rows}[x.Kind]
		if got := a.Rows(ID(i), Size{7, 3}); got != want {
			t.Errorf("%s has %d rows, want %d", x.Name, got, want)
		}
	}
}

// TestLacks: what a device cannot do is said before anything runs.
func TestLacks(t *testing.T) {
	p := every(t, Room{Pages: 1})
	types := []quant.Type{quant.F32, quant.F16, quant.Q8_0}
	d := DeviceInfo{ID: "toy", Ops: Ops(), Types: types}
	if err := d.Lacks(p); err != nil {
		t.Errorf("a device with everything: %v", err)
	}
	var un UnsupportedError
	for _, op := range Ops() {
		d := d
		d.Ops = nil
		for _, o := range Ops() {
			if o != op {
				d.Ops = append(d.Ops, o)
			}
		}
		if err := d.Lacks(p); !errors.As(err, &un) || !strings.Contains(err.Error(), "toy") || !strings.Contains(err.Error(), op.String()) {
			t.Errorf("without %s: %v", op, err)
		}
	}
	for i := range types {
		d := d
		d.Types = append(append([]quant.Type{}, types[:i]...), types[i+1:]...)
		if err := d.Lacks(p); !errors.As(err, &un) || !strings.Contains(err.Error(), types[i].String()) {
			t.Errorf("without %s: %v", types[i], err)
		}
	}
}

// TestArena checks that tensors alive together never share memory, by brute force
// over every pair, and that sharing saves most of it.
func TestArena(t *testing.T) {
	p := every(t, Room{Pages: 2, Seqs: 1, Chunk: 1})
	o := CompileOptions{Size: Size{5, 2}}
	offset, size := p.Arena(o, p.ByStep(), p.Result)
	traced := o
	traced.Trace = true
	_, apart := p.Arena(traced, p.ByStep(), p.Result)
	if size*2 > apart {
		t.Errorf("%d elements shared, %d apart: sharing saves less than half", size, apart)
	}
	born, dies := make([]int, len(p.Tensors)), make([]int, len(p.Tensors))
	for i, s := range p.Steps {
		born[s.Dst] = i
		dies[s.Dst] = max(dies[s.Dst], i)
		for _, x := range s.Src {
			dies[x] = i
		}
	}
	dies[p.Result] = len(p.Steps)
	end := func(i int) int { return offset[i] + p.Rows(ID(i), o.Size)*p.Tensors[i].Cols }
	for i, a := range p.Tensors {
		if (offset[i] < 0) != (a.Kind == Weight || a.Kind == Kept) || offset[i]%arenaAlign != 0 && offset[i] >= 0 || end(i) > size && offset[i] >= 0 {
			t.Errorf("%s has offset %d", a.Name, offset[i])
		}
		for j := range i {
			if offset[i] < 0 || offset[j] < 0 || born[i] > dies[j] || born[j] > dies[i] {
				continue
			}
			if offset[i] < end(j) && offset[j] < end(i) {
				t.Errorf("%s and %s are alive together and overlap", a.Name, p.Tensors[j].Name)
			}
		}
	}
}
