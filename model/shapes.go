package model

import (
	"fmt"
	"slices"
	"strings"
)

// operands are a step's tensors, each of the role that the table of ops asks for, as
// the rules below see them.
type operands struct {
	p   *Plan
	s   *Step
	dst *Tensor
	src [MaxSources]*Tensor // nil beyond the step's
}

// checkShapes says that a step's tensors do not fit together; its roles are checked.
func (p *Plan) checkShapes(s *Step) error {
	x := operands{p: p, s: s, dst: &p.Tensors[s.Dst]}
	found := make([]string, len(s.Src))
	for i, id := range s.Src {
		x.src[i] = &p.Tensors[id]
		found[i] = x.src[i].shape()
	}
	if info := &opInfos[s.Op]; !info.fit(&x) {
		return fmt.Errorf("model: %s → %s: %s → %s is not %s", s.Op, x.dst.Name, strings.Join(found, ", "), x.dst.shape(), info.shapes)
	}
	return nil
}

// shape prints (rows, columns), the rows of an activation as t for tokens and w for
// wanted answers.
func (t *Tensor) shape() string {
	switch t.Kind {
	case TokenRows:
		return fmt.Sprintf("(t, %d)", t.Cols)
	case WantRows:
		return fmt.Sprintf("(w, %d)", t.Cols)
	case Kept:
		return fmt.Sprintf("(·, %d)", t.Cols)
	}
	return fmt.Sprintf("(%d, %d)", t.Rows, t.Cols)
}

// like reports whether source i has the rows and the columns of the target.
func (x *operands) like(i int) bool {
	return x.src[i].Kind == x.dst.Kind && x.src[i].Cols == x.dst.Cols
}

func fitEmbed(x *operands) bool { return x.src[0].Cols == x.dst.Cols && x.p.Vocab <= x.src[0].Rows }

func fitRMSNorm(x *operands) bool {
	group := int(x.s.Arg[1])
	return x.like(0) && group > 0 && x.dst.Cols%group == 0 && (x.src[1] == nil || x.src[1].Cols == group || x.src[1].Cols == x.dst.Cols)
}

func fitL2Norm(x *operands) bool {
	group, groups := int(x.s.Arg[1]), int(x.s.Arg[2])
	return x.like(0) && group > 0 && groups > 0 && groups <= x.dst.Cols/group
}

func fitMatMul(x *operands) bool {
	w, in := x.src[0], x.src[1]
	return in.Kind == x.dst.Kind && in.Cols == w.Cols && x.dst.Cols == w.Rows
}

func fitMatMulHeads(x *operands) bool {
	w, in, heads := x.src[0], x.src[1], int(x.s.Arg[0])
	return heads > 0 && heads <= MaxHeads && in.Kind == x.dst.Kind && w.Rows%heads == 0 && in.Cols%heads == 0 && in.Cols/heads == w.Cols && x.dst.Cols == w.Rows
}

func fitRoPE(x *operands) bool {
	headDim, at := int(x.s.Arg[0]), int(x.s.Arg[1])
	if !x.like(0) || headDim == 0 || x.dst.Cols%headDim != 0 || at >= len(x.p.Ropes) {
		return false
	}
	r := &x.p.Ropes[at]
	beyond := func(axis uint8) bool { return int(axis) >= x.p.Axes }
	if r.Warm != 0 && (r.Every <= 0 || r.Ahead < 0 || 2*len(r.Freq) != headDim) { // what is not turned would stay cold
		return false
	}
	return 2*len(r.Freq) <= headDim && (r.Axis == nil || len(r.Axis) == len(r.Freq) && !slices.ContainsFunc(r.Axis, beyond))
}

// fitAttention wants the keys and values of a position to come and go together, and the
// window's pages to be there.
func fitAttention(x *operands) bool {
	nHead, nHeadKV, dimK, dimV := int(x.s.Arg[0]), int(x.s.Arg[1]), int(x.s.Arg[2]), int(x.s.Arg[3])
	q, k, v := x.src[0], x.src[1], x.src[2]
	values := v.Cols == nHeadKV*dimV
	if x.s.Src[1] == x.s.Src[2] {
		values = dimV <= dimK
	}
	return nHeadKV > 0 && nHead%nHeadKV == 0 && dimV > 0 && q.Cols == nHead*dimK && x.dst.Cols == nHead*dimV &&
		k.Cols == nHeadKV*dimK && values && k.Pool == v.Pool && x.p.Pools[k.Pool].Window == int(x.s.Arg[5]) &&
		(!InBlocks(k.Type) || dimK%32 == 0) && (!InBlocks(v.Type) || dimV%32 == 0) &&
		(x.src[3] == nil || x.src[3].Cols == nHead) && (x.s.Arg[6] == 0 || CanCap(x.s.ArgFloat(6))) &&
		(x.s.Arg[7] == 0 || x.s.Arg[7] == x.s.Arg[5])
}

func fitConv(x *operands) bool {
	w, slot := x.src[1], x.src[2]
	return x.like(0) && w.Rows == x.dst.Cols && slot.Cols == (w.Cols-1)*x.dst.Cols &&
		(x.src[3] == nil || x.src[3].Cols == x.dst.Cols) && x.s.Arg[0] <= 1
}

// fitState is of ops with a state of nHead·dimK·dimV elements, source 4, and a step and
// a decay a head, sources 1 and 2.
func fitState(x *operands) bool {
	nHead, nHeadK, dimK, dimV := int(x.s.Arg[0]), int(x.s.Arg[1]), int(x.s.Arg[2]), int(x.s.Arg[3])
	return nHeadK > 0 && dimK > 0 && nHead%nHeadK == 0 && x.src[0].Cols == 2*nHeadK*dimK+nHead*dimV && x.dst.Cols == nHead*dimV &&
		x.src[1].Cols == nHead && x.src[2].Cols == nHead && x.src[3].Cols == nHead && x.src[4].Cols == nHead*dimK*dimV
}

func fitDeltaRule(x *operands) bool { return fitState(x) && x.s.Arg[5] <= 1 }

func fitScan(x *operands) bool { return fitState(x) }

func fitSlice(x *operands) bool {
	first, n, stride := int(x.s.Arg[0]), int(x.s.Arg[1]), int(x.s.Arg[2])
	return x.src[0].Kind == x.dst.Kind && n > 0 && first+n <= stride && x.src[0].Cols%stride == 0 && x.dst.Cols == x.src[0].Cols/stride*n
}

func fitJoin(x *operands) bool {
	heads := int(x.s.Arg[0])
	if heads < 1 || x.src[0].Kind != x.dst.Kind || x.src[1].Kind != x.dst.Kind || x.src[0].Cols%heads != 0 || x.dst.Cols%heads != 0 {
		return false
	}
	b := x.dst.Cols/heads - x.src[0].Cols/heads
	return b > 0 && (x.src[1].Cols == heads*b || x.src[1].Cols == b)
}

func fitAct(x *operands) bool {
	c := x.s.ArgFloat(1)
	switch Activation(x.s.Arg[0]) {
	case Scaled:
		return x.like(0) && CanScale(c)
	case Capped:
		return x.like(0) && CanCap(c)
	}
	return x.like(0) && x.s.Arg[0] < uint32(NumActivations) && c == 0
}

// CanScale reports whether rows may be multiplied by s: from 2^-40 to 2^40 in magnitude,
// within which no product is denormal.
func CanScale(s float32) bool { return s >= 0x1p-40 && s <= 0x1p40 || s <= -0x1p-40 && s >= -0x1p40 }

// CanCap reports whether scores or logits may be capped at ±c: from 2^-20 to 2^40.
func CanCap(c float32) bool { return c >= 0x1p-20 && c <= 0x1p40 }

func fitElements(x *operands) bool { return x.like(0) && x.like(1) }

func fitAdd(x *operands) bool {
	return x.like(0) && (x.like(1) || x.src[1].Kind == Weight && x.src[1].Cols == x.dst.Cols)
}

func fitMul(x *operands) bool {
	if routes := x.src[2]; routes != nil {
		used := routes.Cols / 2
		return x.like(0) && routes.Kind == x.dst.Kind && used > 0 && routes.Cols == 2*used && x.dst.Cols%used == 0 &&
			x.src[1].Kind == Weight && x.src[1].Rows == 1 && x.src[1].Cols == x.p.routed(x.s.Src[2])
	}
	return fitAdd(x) || x.like(0) && x.src[1].Kind == Weight && x.src[1].Cols == 1
}

// fitColumns is of ops that take rows as they are.
func fitColumns(x *operands) bool { return x.src[0].Cols == x.dst.Cols }

func fitStore(x *operands) bool { return fitColumns(x) && x.p.CanKeep(x.dst) == nil }

func fitSample(x *operands) bool { return x.dst.Cols == 1 }
