package model

import (
	"math"

	"eclat/loader/quant"
)

// MaxExperts is the most experts that a row may be routed among.
const MaxExperts = 1024

// RouteFloor is the least that weights are divided by.
const RouteFloor = 0x1p-14

// Gating is what makes weights of a router's logits.
type Gating uint32

const (
	SoftmaxAll    Gating = iota // softmax over all experts
	SigmoidEach                 // sigmoid, each by itself
	SoftmaxChosen               // softmax over the logits of those chosen

	NumGatings
)

func (g Gating) String() string {
	return [...]string{"softmax", "sigmoid", "softmax of chosen"}[g]
}

// Routing is how a layer's rows find their experts.
type Routing struct {
	Used       int     `json:"used"` // experts a row goes to
	Gating     Gating  `json:"gating"`
	Norm       bool    `json:"norm"`        // weights are divided by their sum
	Scale      float32 `json:"scale"`       // of weights
	Groups     int     `json:"groups"`      // of neighbouring experts; 1 for none
	GroupsUsed int     `json:"groups_used"` // that a row's experts come from
}

// Route chooses experts for each row of logits (·, experts), with bias (1, experts) or
// None added for choosing alone. What it returns is for MatMulExperts and Combine.
func (b *Builder) Route(name string, logits, bias ID, r Routing) ID {
	norm := uint32(0)
	if r.Norm {
		norm = 1
	}
	src := []ID{logits}
	if bias != None {
		src = append(src, bias)
	}
	dst := b.tensor(Tensor{Name: name, Kind: b.plan.Tensors[logits].Kind, Type: quant.I32, Cols: 2 * r.Used})
	arg := [8]uint32{uint32(r.Used), uint32(r.Gating), norm, math.Float32bits(r.Scale), uint32(r.Groups), uint32(r.GroupsUsed)}
	return b.step(dst, Route, arg, src...)
}

// Experts declares the weight name of n matrices of (rows, cols), one on top of the
// other: (n·rows, cols). In the file it is cols×rows×n.
func (b *Builder) Experts(name string, n, rows, cols int) ID {
	if t := b.file.Tensor(name); b.err == nil && t != nil && !isStack(t.Dims, n, rows, cols) {
		b.err = b.file.Errorf(name, "its shape is %s, but the model's configuration asks for %s", Shape(t.Dims...), Shape(cols, rows, n))
	}
	return b.Weight(name, n*rows, cols)
}

func isStack(dims []int, n, rows, cols int) bool {
	for i, want := range []int{cols, rows, n} {
		if i < len(dims) && dims[i] != want || i >= len(dims) && want != 1 {
			return false
		}
	}
	return len(dims) <= 3
}

// MatMulExperts multiplies each row of x (·, k), or each of the used parts of a row of x
// (·, used·k), by rows first … first+m−1 of the matrices of the row's experts, of which
// w (experts·rows, k) has one for each: (·, used·m). bias is (experts, rows), or None.
func (b *Builder) MatMulExperts(name string, w, x, routes, bias ID, experts, first, m int) ID {
	src := []ID{w, x, routes}
	if bias != None {
		src = append(src, bias)
	}
	dst := b.like(x, name, b.Cols(routes)/2*m)
	return b.step(dst, MatMulExperts, [8]uint32{uint32(experts), uint32(first)}, src...)
}

// MulExperts multiplies each of the parts of a row of x (·, used·m) by the factor of its
// expert in y (1, experts): (·, used·m).
func (b *Builder) MulExperts(name string, x, y, routes ID) ID {
	return b.step(b.like(x, name, b.Cols(x)), Mul, [8]uint32{}, x, y, routes)
}

// Combine adds what a row's experts made of it, x (·, used·c), by their weights, times the
// factor of each in scale (1, experts), or None: (·, c).
func (b *Builder) Combine(name string, x, routes, scale ID) ID {
	src := []ID{x, routes}
	if scale != None {
		src = append(src, scale)
	}
	return b.step(b.like(x, name, b.Cols(x)/max(1, b.Cols(routes)/2)), Combine, [8]uint32{}, src...)
}

func fitRoute(x *operands) bool {
	n, a := x.src[0].Cols, &x.s.Arg
	used, groups, from := int(a[0]), int(a[4]), int(a[5])
	scale := x.s.ArgFloat(3)
	return x.src[0].Kind == x.dst.Kind && n >= 1 && n <= MaxExperts && used >= 1 && x.dst.Cols == 2*used &&
		(x.src[1] == nil || x.src[1].Cols == n) &&
		a[1] < uint32(NumGatings) && a[2] <= 1 && (a[2] == 0 || Gating(a[1]) != SoftmaxChosen) && scale >= 0x1p-20 && scale <= 0x1p20 &&
		groups >= 1 && n%groups == 0 && (groups == 1 || n/groups >= 2) && from >= 1 && from <= groups && used <= from*(n/groups)
}

func fitMatMulExperts(x *operands) bool {
	w, in, routes, bias := x.src[0], x.src[1], x.src[2], x.src[3]
	experts, first, used := int(x.s.Arg[0]), int(x.s.Arg[1]), routes.Cols/2
	if experts < 1 || used < 1 || w.Rows%experts != 0 || x.dst.Cols%used != 0 || x.p.routed(x.s.Src[2]) != experts {
		return false
	}
	rows := w.Rows / experts
	return routes.Cols == 2*used && in.Kind == x.dst.Kind && routes.Kind == x.dst.Kind && (in.Cols == w.Cols || in.Cols == used*w.Cols) &&
		x.dst.Cols > 0 && first+x.dst.Cols/used <= rows && (bias == nil || bias.Rows == experts && bias.Cols == rows)
}

// routed is how many experts there are in what a step wrote to a tensor, 0 where none did.
func (p *Plan) routed(t ID) int {
	for i := range p.Steps {
		if s := &p.Steps[i]; s.Op == Route && s.Dst == t {
			return p.Tensors[s.Src[0]].Cols
		}
	}
	return 0
}

func fitCombine(x *operands) bool {
	used := x.src[1].Cols / 2
	return x.src[0].Kind == x.dst.Kind && x.src[1].Kind == x.dst.Kind && x.src[1].Cols == 2*used && x.src[0].Cols == used*x.dst.Cols &&
		(x.src[2] == nil || x.src[2].Cols == x.p.routed(x.s.Src[1]))
}
