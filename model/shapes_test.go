package model

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"eclat/loader/quant"
)

// free lists what a rule of shapes leaves open: a tensor's columns or rows, a scalar.
var free = map[Op][]string{
	Embed:     {"rows of source 0"}, // more than the vocabulary
	RMSNorm:   {"eps:f"},
	L2Norm:    {"eps:f"},
	Conv:      {"silu"},
	DeltaRule: {"scale:f", "cyclic"},
	Slice:     {"first"},
	LayerNorm: {"eps:f"},
	Attention: {"scale:f", "cap:f"}, // here any cap, or none
	Act:       {"kind"},             // any that is known
	Route:     {"gating", "norm"},
	Sample:    {"columns of source 0"}, // any vocabulary
}

// TestShapes takes a sound step of each op and changes one thing at a time: the columns
// of each tensor, the rows of each weight, the kind of rows of each activation that may
// be of either, and each scalar, which also becomes 0.
func TestShapes(t *testing.T) {
	p := every(t, Room{Pages: 4, Seqs: 2, Chunk: 8})
	for i := range p.Steps {
		sound := &p.Steps[i]
		info := opInfos[sound.Op]
		try := func(what string, q *Plan, s *Step) {
			t.Helper()
			err := q.checkStep(s)
			if open := slices.Contains(free[s.Op], what); (err == nil) != open {
				t.Errorf("%s with other %s: %v", s.Op, what, err)
			}
			if err != nil && (!strings.Contains(err.Error(), s.Op.String()+" → "+p.Tensors[sound.Dst].Name) || len(err.Error()) >= 200) {
				t.Errorf("%q does not name the step, or is long", err)
			}
		}
		// with puts a changed copy of a tensor in the place of an operand, −1 for the target.
		with := func(what string, at int, change func(x *Tensor)) {
			q, s := *p, *sound
			s.Src = slices.Clone(s.Src)
			place := &s.Dst
			if at >= 0 {
				place = &s.Src[at]
			}
			x := p.Tensors[*place]
			change(&x)
			q.Tensors = append(slices.Clone(p.Tensors), x)
			*place = ID(len(p.Tensors))
			try(what, &q, &s)
		}
		for at := -1; at < len(sound.Src); at++ {
			name, role := "the target", info.dst
			if at >= 0 {
				name, role = fmt.Sprintf("source %d", at), info.src[at]
			}
			with("columns of "+name, at, func(x *Tensor) { x.Cols++ })
			switch role {
			case Matrix, Filter:
				with("rows of "+name, at, func(x *Tensor) { x.Rows++ })
			case Rows, Either:
				with("kind of "+name, at, func(x *Tensor) {
					x.Kind = map[Kind]Kind{TokenRows: WantRows, WantRows: TokenRows, Weight: Kept}[x.Kind]
				})
			}
		}
		for j, name := range info.args {
			for _, v := range []uint32{0, sound.Arg[j] + 1} {
				if s := *sound; v != s.Arg[j] {
					s.Arg[j] = v
					try(name, p, &s)
				}
			}
		}
	}
}

// weight adds a weight of one row to a plan.
func weight(p *Plan, cols int) ID {
	p.Tensors = append(p.Tensors, Tensor{Name: "w", Kind: Weight, Type: quant.F32, Rows: 1, Cols: cols})
	return ID(len(p.Tensors) - 1)
}

// TestShapesBeyondColumns: what the columns do not tell.
func TestShapesBeyondColumns(t *testing.T) {
	find := func(p *Plan, op Op) *Step {
		return &p.Steps[slices.IndexFunc(p.Steps, func(s Step) bool { return s.Op == op })]
	}
	for _, c := range []struct {
		what   string
		op     Op
		sound  bool
		change func(p *Plan, s *Step)
	}{
		{"more ids than rows", Embed, false, func(p *Plan, _ *Step) { p.Vocab = 11 }},
		{"more heads than are turned", RoPE, true, func(_ *Plan, s *Step) { s.Arg[0] = 4 }},
		{"pairs beyond the head", RoPE, false, func(_ *Plan, s *Step) { s.Arg[0] = 2 }},
		{"warmth of whole heads", RoPE, true, func(p *Plan, s *Step) { s.Arg[0], p.Ropes[0].Warm, p.Ropes[0].Every = 4, 0.1, 8 }},
		{"warmth of a part of a head", RoPE, false, func(p *Plan, _ *Step) { p.Ropes[0].Warm, p.Ropes[0].Every = 0.1, 8 }},
		{"warmth behind its time", RoPE, false, func(p *Plan, s *Step) {
			s.Arg[0], p.Ropes[0].Warm, p.Ropes[0].Every, p.Ropes[0].Ahead = 4, 0.1, 8, -1
		}},
		{"warmth in steps of nothing", RoPE, false, func(p *Plan, s *Step) { s.Arg[0], p.Ropes[0].Warm = 4, 0.1 }},
		{"an axis a pair", RoPE, true, func(p *Plan, _ *Step) { p.Axes, p.Ropes[0].Axis = 2, []uint8{0, 1} }},
		{"an axis that there is not", RoPE, false, func(p *Plan, _ *Step) { p.Axes, p.Ropes[0].Axis = 2, []uint8{0, 2} }},
		{"an axis too few", RoPE, false, func(p *Plan, _ *Step) { p.Ropes[0].Axis = []uint8{0} }},
		{"key heads that do not divide the heads", Attention, false, func(p *Plan, s *Step) {
			s.Arg[0], s.Arg[1], s.Arg[2], s.Arg[3] = 2, 4, 8, 8
			for i, cols := range []int{16, 32, 32} {
				p.Tensors[s.Src[i]].Cols = cols
			}
			p.Tensors[s.Dst].Cols = 16
		}},
		{"fewer groups than there are", L2Norm, true, func(_ *Plan, s *Step) { s.Arg[2]-- }},
		{"keys shared in turn", DeltaRule, true, func(_ *Plan, s *Step) { s.Arg[5] = 1 }},
		{"keys shared in another way", DeltaRule, false, func(_ *Plan, s *Step) { s.Arg[5] = 2 }},
		{"key heads that do not divide the heads", Scan, false, func(p *Plan, s *Step) {
			s.Arg[1] = 3
			p.Tensors[s.Src[0]].Cols = 2*3*6 + 4*2
		}},
		{"silu or not, and more", Conv, false, func(_ *Plan, s *Step) { s.Arg[0] = 2 }},
		{"no sinks", Attention, true, func(_ *Plan, s *Step) { s.Src = s.Src[:3] }},
		{"a cap below 0", Attention, false, func(_ *Plan, s *Step) { s.Arg[6] = math.Float32bits(-1) }},
		{"chunks of its window", Attention, true, func(p *Plan, s *Step) {
			s.Arg[5], s.Arg[7] = 8, 8
			p.Pools[p.Tensors[s.Src[1]].Pool].Window = 8
		}},
		{"a cap that is no number", Attention, false, func(_ *Plan, s *Step) { s.Arg[6] = 0x7fc00000 }},
		{"no weight", RMSNorm, true, func(_ *Plan, s *Step) { s.Src = s.Src[:1] }},
		{"no weight and no group", RMSNorm, false, func(_ *Plan, s *Step) { s.Src, s.Arg[1] = s.Src[:1], 0 }},
		{"a vector", Mul, true, func(p *Plan, s *Step) { s.Src[1] = weight(p, 64) }},
		{"one element", Mul, true, func(p *Plan, s *Step) { s.Src[1] = weight(p, 1) }},
		{"two elements", Mul, false, func(p *Plan, s *Step) { s.Src[1] = weight(p, 2) }},
		{"a constant", Act, false, func(_ *Plan, s *Step) { s.Arg[1] = math.Float32bits(2) }},
		{"a factor", Act, true, func(_ *Plan, s *Step) { s.Arg[0], s.Arg[1] = uint32(Scaled), math.Float32bits(-2) }},
		{"a factor of 0", Act, false, func(_ *Plan, s *Step) { s.Arg[0] = uint32(Scaled) }},
		{"a factor that is no number", Act, false, func(_ *Plan, s *Step) { s.Arg[0], s.Arg[1] = uint32(Scaled), 0x7fc00000 }},
		{"a cap", Act, true, func(_ *Plan, s *Step) { s.Arg[0], s.Arg[1] = uint32(Capped), math.Float32bits(30) }},
		{"a cap below 0", Act, false, func(_ *Plan, s *Step) { s.Arg[0], s.Arg[1] = uint32(Capped), math.Float32bits(-30) }},
		{"a cap without end", Act, false, func(_ *Plan, s *Step) { s.Arg[0], s.Arg[1] = uint32(Capped), 0x7f800000 }},
		{"a kind that is not known", Act, false, func(_ *Plan, s *Step) { s.Arg[0] = uint32(NumActivations) }},
		{"weights normed that add up to 1 already", Route, false, func(_ *Plan, s *Step) { s.Arg[1], s.Arg[2] = uint32(SoftmaxChosen), 1 }},
		{"a gating that is not known", Route, false, func(_ *Plan, s *Step) { s.Arg[1] = uint32(NumGatings) }},
		{"a scale that is no number", Route, false, func(_ *Plan, s *Step) { s.Arg[3] = 0x7fc00000 }},
		{"one group of four", Route, true, func(_ *Plan, s *Step) { s.Arg[5] = 1 }},
		{"groups of one", Route, false, func(_ *Plan, s *Step) { s.Arg[4] = 8 }},
		{"more used than there are", Route, false, func(p *Plan, s *Step) { s.Arg[0], p.Tensors[s.Dst].Cols = 9, 18 }},
		{"more used than the groups have", Route, false, func(p *Plan, s *Step) { s.Arg[0], s.Arg[5], p.Tensors[s.Dst].Cols = 3, 1, 6 }},
		{"more experts than can be", Route, false, func(p *Plan, s *Step) { p.Tensors[s.Src[0]].Cols, p.Tensors[s.Src[1]].Cols = 1028, 1028 }},
		{"rows of a matrix left out", MatMulExperts, true, func(p *Plan, s *Step) { p.Tensors[s.Dst].Cols, s.Arg[1] = 8, 4 }},
		{"rows beyond a matrix", MatMulExperts, false, func(p *Plan, s *Step) { s.Arg[1] = 1 << 31 }},
		{"experts that nobody chose", MatMulExperts, false, func(p *Plan, s *Step) { p.Steps = p.Steps[:0] }},
		{"experts of another number", MatMulExperts, false, func(p *Plan, s *Step) { s.Arg[0], p.Tensors[s.Src[3]].Rows, p.Tensors[s.Src[3]].Cols = 4, 4, 16 }},
		{"values that are the keys", Attention, true, func(_ *Plan, s *Step) { s.Src[2] = s.Src[1] }},
		{"values that are a part of the keys", Attention, true, func(p *Plan, s *Step) { s.Src[2], s.Arg[3], p.Tensors[s.Dst].Cols = s.Src[1], 5, 10 }},
		{"values beyond the keys", Attention, false, func(p *Plan, s *Step) { s.Src[2], s.Arg[3], p.Tensors[s.Dst].Cols = s.Src[1], 33, 66 }},
		{"heads that do not divide the matrices", MatMulHeads, false, func(_ *Plan, s *Step) { s.Arg[0] = 3 }},
		{"heads of another width", MatMulHeads, false, func(_ *Plan, s *Step) { s.Arg[0] = 4 }},
		{"no heads", MatMulHeads, false, func(_ *Plan, s *Step) { s.Arg[0] = 0 }},
		{"one head for all", Join, true, func(p *Plan, s *Step) { p.Tensors[s.Src[1]].Cols = 3 }},
		{"heads that do not divide the row", Join, false, func(_ *Plan, s *Step) { s.Arg[0] = 3 }},
		{"no heads", Join, false, func(_ *Plan, s *Step) { s.Arg[0] = 0 }},
		{"nothing behind", Join, false, func(p *Plan, s *Step) { p.Tensors[s.Dst].Cols = 32 }},
		{"no factors", Combine, true, func(p *Plan, s *Step) { s.Src = s.Src[:2] }},
		{"factors of experts that nobody chose", Combine, false, func(p *Plan, s *Step) { p.Steps = p.Steps[:0] }},
		{"weights of a part of the row", LayerNorm, true, func(p *Plan, s *Step) { s.Arg[1], s.Src[1] = 16, weight(p, 16) }},
		{"weights of groups", LayerNorm, true, func(p *Plan, s *Step) { s.Arg[1] = 8 }},
		{"values in another pool", Attention, false, func(p *Plan, s *Step) { p.Tensors[s.Src[2]].Pool = 1 }},
	} {
		p := every(t, Room{Pages: 4, Seqs: 2, Chunk: 8})
		s := find(p, c.op)
		c.change(p, s)
		if err := p.checkStep(s); (err == nil) != c.sound {
			t.Errorf("%s with %s: %v", c.op, c.what, err)
		}
	}
}
