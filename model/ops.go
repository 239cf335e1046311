package model

import (
	"fmt"
	"math"

	"eclat/loader/quant"
)

// Op is what a step computes.
type Op uint8

// The ops. x, y are activations of n rows, W and w weights, M memory; i counts rows.
// What each reads and how it is called is in the table opInfos below.
const (
	// Embed: dst[i] = W[token[i]]; where token[i] is −1, the next row of Batch.Rows.
	Embed Op = iota
	// RMSNorm: dst[i] = x[i] / sqrt(mean(x[i]²) + eps) · w, over each group of elements
	// on its own, with the same w (1, group) or, with a w (1, c) as wide as the row, its
	// own part of it, or with none. Arg: eps as float bits, group: a head's elements, or the whole row's.
	RMSNorm
	// L2Norm: dst[i] = x[i] / sqrt(Σx[i]² + eps), over each of the row's first groups of
	// elements on its own; what lies beyond them is copied.
	// Arg: eps as float bits, group: elements, groups: how many.
	L2Norm
	// LayerNorm: dst[i] = (x[i] − mean(x[i])) / sqrt(mean((x[i] − mean(x[i]))²) + eps) · w,
	// over groups of elements as in RMSNorm, but never without a w.
	// Arg: eps as float bits, group: a head's elements, or the whole row's.
	LayerNorm
	// MatMul: dst[i][j] = Σ_k x[i][k]·W[j][k].
	MatMul
	// MatMulHeads: the product of each head with a matrix of its own, of which W has one on
	// top of the other, m = W.Rows/heads rows each:
	//   dst[i][h·m+j] = Σ_k x[i][h·W.Cols+k]·W[h·m+j][k],  j < m, h < heads
	// Arg: heads.
	MatMulHeads
	// RoPE: the pairs of every head, (x[2j], x[2j+1]) or with Rope.Halves
	// (x[j], x[j+pairs]), j < pairs = len(Freq), turned by the angle position·Freq[j]
	// and scaled by Rope.Scale; elements beyond are copied.
	// Arg: headDim, index into Plan.Ropes.
	RoPE
	// Store: the memory row of token i's position = x[i], rounded to the memory's type
	// and clamped to its range; an infinity becomes NaN, of integers its whole block.
	Store
	// Attention, causal, with grouped heads: head h of token i with position p
	// reads key head g = h / (nHead/nHeadKV) at positions t = t0…p of its sequence,
	// t0 = max(0, p−window+1), with a chunk the last multiple of it, or 0 where window is 0:
	//   a[t] = softmax_t(scale · q[i][h]·K[t][g]),  dst[i][h] = Σ_t a[t]·V[t][g]
	// With a cap c each score s becomes c·tanh(s/c) first. With sinks, the last source,
	// sinks[h] is one more score of the softmax, of a position that has no value; it is
	// neither scaled nor capped. K and V may be one memory: V[t][g] is then the first dimV
	// elements of K[t][g]. A head is whole blocks of memory of integers.
	// Arg: nHead, nHeadKV, dimK, dimV, scale as float bits, window, cap as float bits or 0, chunk: 0 or the window.
	Attention
	// Conv, a causal convolution along each sequence, a filter a channel:
	//   dst[i][c] = f(Σ_k w[c][k]·x[i−K+1+k][c] + bias[c]),  k = 0…K−1
	// with f silu or nothing, and with or without bias.
	// The K−1 rows before a run's first are in the sequence's slot, oldest first, and
	// count as zeros where the run begins at position 0; afterwards the slot holds the
	// last K−1 rows. K = W.Cols ≥ 2. Arg: silu, 0 or 1.
	Conv
	// DeltaRule, linear attention by the gated delta rule. A row of x is q and k (nHeadK,
	// dimK), then v (nHead, dimV). Head h reads q and k of key head g = h / (nHead/nHeadK),
	// or with cyclic g = h mod nHeadK, and has a state H (dimK, dimV) that each token of a
	// sequence takes on:
	//   H ← exp(dt[i][h]·a[h])·H;  H ← H + k·(beta[i][h]·(v − Hᵀk))ᵀ;  dst[i][h] = scale·Hᵀq
	// H is the sequence's slot, (nHead, dimK, dimV), zeros at position 0.
	// Arg: nHead, nHeadK, dimK, dimV, scale as float bits, cyclic.
	DeltaRule
	// Scan, the state space of Mamba-2. A row of x is v (nHead, dimV), then k and q
	// (nHeadK, dimK): the papers' x, B and C. Heads share k and q, and H is kept, as in
	// DeltaRule:
	//   H ← exp(dt[i][h]·a[h])·H + k·(dt[i][h]·v)ᵀ;  dst[i][h] = Hᵀq + d[h]·v
	// Arg: nHead, nHeadK, dimK, dimV.
	Scan
	// Act: dst = f(x), element by element, f an Activation.
	// Arg: the Activation, its constant c as float bits.
	Act
	// SwiGLU: dst = x / (1 + exp(−x)) · y.
	SwiGLU
	// Add: dst = x + y; y may be a bias, a weight (1, Cols) added to every row.
	Add
	// Mul: dst = x · y, element by element; y may be a weight, (1, Cols) or of one element,
	// for every row. With routes, the last source, y has a factor of each expert:
	//   dst[i][e·m+j] = x[i][e·m+j]·y[expert(i,e)],  j < m, e < used
	Mul
	// Slice: a part of the columns, n elements of every stride from the first on:
	//   dst[i][h·n+j] = x[i][h·stride+first+j],  j < n
	// Arg: first, n, stride.
	Slice
	// Join, of the columns of two rows, head by head:
	//   dst[i][h·(a+b)+j] = x[i][h·a+j],  j < a
	//   dst[i][h·(a+b)+a+j] = y[i][h·b+j], or where y has one head for all y[i][j],  j < b
	// with a = x.Cols/heads and b = dst.Cols/heads − a. Arg: heads.
	Join
	// Gather: dst[i] = x[want[i]], from token rows to wanted rows.
	Gather
	// Route chooses used of N experts for each row of logits (n, N). With
	//   v = softmax(x[i]), sigmoid(x[i]) or x[i], by the Gating
	// it takes the greatest of v + bias, of equals the lower expert, from the groups_used
	// groups of N/groups neighbours whose two best add up to most. An expert's weight is
	// its v (with SoftmaxChosen the softmax of those chosen); with norm divided by
	// their sum, or by RouteFloor where that is more; times scale.
	// dst[i], of words: used experts, the best first, then their weights as float bits.
	// Arg: used, the Gating, norm, scale as float bits, groups, groups_used.
	Route
	// MatMulExperts: the product of each row with the matrices of its experts, of which W
	// has one on top of the other:
	//   dst[i][e·m+j] = Σ_k x[i][k]·W[expert(i,e)·(W.Rows/experts)+first+j][k],  j < m, e < used
	// or with an x of used times W.Cols columns of a part of x[i] for each expert; plus
	// bias[expert(i,e)][first+j] where there is a bias.
	// Arg: experts, first.
	MatMulExperts
	// Combine: dst[i][j] = Σ_e weight(i,e)·x[i][e·Cols+j], over the experts of the row, the
	// weights times scale[expert(i,e)] where there is a scale.
	Combine
	// Sample: the token that sample.Sampler.Pick chooses from x[i] by Batch.How[i] at
	// the position of token want[i]; −1 where a logit is not finite, and where
	// How[i].Logits asks for the row itself instead. Always the last step.
	Sample

	NumOps
)

// Activation is a function of one number; its arithmetic is in package numerics.
type Activation uint32

const (
	SiLU        Activation = iota // x / (1 + exp(−x))
	Sigmoid                       // 1 / (1 + exp(−x))
	Softplus                      // ln(1 + exp(x))
	ReLU2                         // max(0, x)²
	GELU                          // x/2 · (1 + tanh(√(2/π)·(x + 0.044715·x³)))
	Scaled                        // c · x
	Capped                        // c · tanh(x/c)
	ClampedGate                   // g · sigmoid(1.702·g), g = min(x, 7)
	ClampedUp                     // 1 + min(max(x, −7), 7)

	NumActivations
)

func (a Activation) String() string {
	if a < NumActivations {
		return [...]string{"silu", "sigmoid", "softplus", "relu2", "gelu", "scaled", "capped", "clamped gate", "clamped up"}[a]
	}
	return fmt.Sprintf("activation %d", uint32(a))
}

// MarshalText names the activation in JSON.
func (a Activation) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// Role is what a source or the target of an op may be.
type Role uint8

const (
	Matrix   Role = iota // a weight of any type, (rows, cols)
	Vector               // a weight of one row
	Filter               // a weight of float32, (channels, taps)
	Floats               // a weight of float32, of one row
	Rows                 // an activation
	OfTokens             // an activation with a row a token: the op looks at the row's place in its sequence
	OfWanted             // an activation with a row a wanted answer
	Routes               // an activation that Route writes
	Paged                // memory with a row a position: Per is Position or Window
	Slots                // memory with a slot a sequence
	Either               // an activation or a Vector
)

// MaxSources is the most sources that an op has.
const MaxSources = 5

// opInfo describes an op: the one table that the builder checks steps against and
// that inspect and the documentation print.
type opInfo struct {
	name    string
	dst     Role     // an activation's, or Paged
	src     []Role   // of the sources in order
	may     int      // how many of the last may be left out
	args    []string // names of Arg's words
	formula string
	shapes  string                 // of the sources and the target, (rows, columns)
	fit     func(x *operands) bool // whether they and the scalars fit together, in shapes.go
}

func (r Role) String() string {
	return [...]string{
		"a weight", "a weight of one row", "a float32 weight of two columns or more", "a float32 weight of one row", "an activation", "an activation of token rows",
		"an activation of wanted rows", "experts and their weights", "memory in pages", "memory in slots", "an activation or a weight of one row",
	}[r]
}

var opInfos = [NumOps]opInfo{
	Embed: {"embed", OfTokens, []Role{Matrix}, 0, nil, "W[token]",
		"(vocabulary, c) → (t, c)", fitEmbed},
	RMSNorm: {"rmsnorm", Rows, []Role{Rows, Vector}, 1, []string{"eps:f", "group"}, "x / sqrt(mean(x²) + eps) · w",
		"(n, groups·group), (1, group or groups·group) → (n, groups·group)", fitRMSNorm},
	L2Norm: {"l2norm", Rows, []Role{Rows}, 0, []string{"eps:f", "group", "groups"}, "x / sqrt(Σx² + eps)",
		"(n, c) → (n, c), with groups·group ≤ c", fitL2Norm},
	LayerNorm: {"layernorm", Rows, []Role{Rows, Vector}, 0, []string{"eps:f", "group"}, "(x − mean(x)) / sqrt(var(x) + eps) · w",
		"(n, groups·group), (1, group or groups·group) → (n, groups·group)", fitRMSNorm},
	MatMul: {"matmul", Rows, []Role{Matrix, Rows}, 0, nil, "x · Wᵀ",
		"(m, k), (n, k) → (n, m)", fitMatMul},
	MatMulHeads: {"matmul_heads", Rows, []Role{Matrix, Rows}, 0, []string{"heads"}, "x[head] · W[head]ᵀ",
		"(heads·m, k), (n, heads·k) → (n, heads·m)", fitMatMulHeads},
	RoPE: {"rope", OfTokens, []Role{OfTokens}, 0, []string{"head_dim", "rope"}, "turn(x, position)",
		"(t, heads·head_dim) → (t, heads·head_dim), with a rope of the plan within head_dim", fitRoPE},
	Store: {"store", Paged, []Role{OfTokens}, 0, nil, "memory[position] = x",
		"(t, c) → (·, c), integers in whole blocks of 32", fitStore},
	Attention: {"attention", OfTokens, []Role{OfTokens, Paged, Paged, Floats}, 1, []string{"n_head", "n_head_kv", "dim_k", "dim_v", "scale:f", "window", "cap:f", "chunk"}, "softmax(scale · q·Kᵀ) · V",
		"(t, h·dim_k), (·, kv·dim_k), (·, kv·dim_v) or the keys, (1, h) → (t, h·dim_v) in one pool of the window", fitAttention},
	Conv: {"conv", OfTokens, []Role{OfTokens, Filter, Slots, Floats}, 1, []string{"silu"}, "f(Σ w[k] · x[i−K+1+k] + bias)",
		"(t, c), (c, K), (·, (K−1)·c), (1, c) → (t, c)", fitConv},
	DeltaRule: {"deltarule", OfTokens, []Role{OfTokens, OfTokens, Floats, OfTokens, Slots}, 0, []string{"n_head", "n_head_k", "dim_k", "dim_v", "scale:f", "cyclic"},
		"H ← exp(dt · a) · H; H ← H + k · (beta · (v − Hᵀ · k))ᵀ; scale · Hᵀ · q",
		"(t, 2·hk·dk + h·dv), (t, h), (1, h), (t, h), (·, h·dk·dv) → (t, h·dv)", fitDeltaRule},
	Scan: {"scan", OfTokens, []Role{OfTokens, OfTokens, Floats, Floats, Slots}, 0, []string{"n_head", "n_head_k", "dim_k", "dim_v"},
		"H ← exp(dt · a) · H + k · (dt · v)ᵀ; Hᵀ · q + d · v",
		"(t, h·dv + 2·hk·dk), (t, h), (1, h), (1, h), (·, h·dk·dv) → (t, h·dv)", fitScan},
	Act: {"act", Rows, []Role{Rows}, 0, []string{"kind", "c:f"}, "f(x)",
		"(n, c) → (n, c), with a kind that is known and a constant that it can have", fitAct},
	SwiGLU: {"swiglu", Rows, []Role{Rows, Rows}, 0, nil, "x / (1 + exp(−x)) · y",
		"(n, c), (n, c) → (n, c)", fitElements},
	Add: {"add", Rows, []Role{Rows, Either}, 0, nil, "x + y",
		"(n, c), (n or 1, c) → (n, c)", fitAdd},
	Mul: {"mul", Rows, []Role{Rows, Either, Routes}, 1, nil, "x · y, or x · y[expert]",
		"(n, c), (n or 1, c) or (1, 1) → (n, c), or (n, used·m), (1, experts), (n, 2·used) → (n, used·m)", fitMul},
	Slice: {"slice", Rows, []Role{Rows}, 0, []string{"first", "n", "stride"}, "x[h·stride + first + j]",
		"(n, heads·stride) → (n, heads·n), with first + n ≤ stride", fitSlice},
	Join: {"join", Rows, []Role{Rows, Rows}, 0, []string{"heads"}, "x[head], y[head]",
		"(n, heads·a), (n, heads·b or b) → (n, heads·(a + b))", fitJoin},
	Gather: {"gather", OfWanted, []Role{OfTokens}, 0, nil, "x[want]",
		"(t, c) → (w, c)", fitColumns},
	Route: {"route", Routes, []Role{Rows, Vector}, 1, []string{"used", "gating", "norm", "scale:f", "groups", "groups_used"}, "the best of gate(x) + bias, and their weights",
		"(n, N), (1, N) → (n, 2·used), with N ≤ 1024 experts in groups that divide them and hold those used", fitRoute},
	MatMulExperts: {"matmul_experts", Rows, []Role{Matrix, Rows, Routes, Matrix}, 1, []string{"experts", "first"}, "x · W[expert]ᵀ + bias[expert]",
		"(experts·m, k), (n, k or used·k), (n, 2·used), (experts, m) → (n, used·m)", fitMatMulExperts},
	Combine: {"combine", Rows, []Role{Rows, Routes, Vector}, 1, nil, "Σ weight · scale[expert] · x",
		"(n, used·c), (n, 2·used), (1, experts) → (n, c)", fitCombine},
	Sample: {"sample", OfWanted, []Role{OfWanted}, 0, nil, "choose(x)",
		"(w, vocabulary) → (w, 1)", fitSample},
}

func (o Op) String() string {
	if o < NumOps {
		return opInfos[o].name
	}
	return fmt.Sprintf("op %d", uint8(o))
}

// Formula says in one line what the op computes.
func (o Op) Formula() string { return opInfos[o].formula }

// Ops lists all ops.
func Ops() []Op {
	ops := make([]Op, NumOps)
	for i := range ops {
		ops[i] = Op(i)
	}
	return ops
}

// Step is one operation. The meaning of Arg is written at each Op.
type Step struct {
	Op  Op
	Dst ID
	Src []ID
	Arg [8]uint32 // fixed scalars, the shader's push block; floats as bits
}

// ArgFloat returns argument i as the float it was written as.
func (s *Step) ArgFloat(i int) float32 { return math.Float32frombits(s.Arg[i]) }

// Args prints the step's scalars as in "n_head=32 scale=0.0884".
func (s *Step) Args() string {
	out := ""
	for i, name := range opInfos[s.Op].args {
		if i > 0 {
			out += " "
		}
		if n := len(name) - 2; n > 0 && name[n:] == ":f" {
			out += fmt.Sprintf("%s=%.4g", name[:n], s.ArgFloat(i))
		} else {
			out += fmt.Sprintf("%s=%d", name, s.Arg[i])
		}
	}
	return out
}

// checkStep says how a step departs from the table.
func (p *Plan) checkStep(s *Step) error {
	if err := p.checkRoles(s); err != nil {
		return err
	}
	return p.checkShapes(s)
}

// checkRoles says that a step is not of the table, or which of its tensors is not what
// the table asks for.
func (p *Plan) checkRoles(s *Step) error {
	if s.Op >= NumOps {
		return UnsupportedError{fmt.Errorf("model: %s is not in the table of ops", s.Op)}
	}
	info, name := &opInfos[s.Op], p.Tensors[s.Dst].Name
	if n := len(info.src); len(s.Src) > n || len(s.Src) < n-info.may {
		return fmt.Errorf("model: %s → %s has %d sources, the table says %d", s.Op, name, len(s.Src), n)
	}
	if !p.plays(s.Dst, info.dst) {
		return fmt.Errorf("model: %s → %s: the target is not %s", s.Op, name, info.dst)
	}
	for i, id := range s.Src {
		if !p.plays(id, info.src[i]) {
			return fmt.Errorf("model: %s → %s: source %d, %s, is not %s", s.Op, name, i, p.Tensors[id].Name, info.src[i])
		}
	}
	return nil
}

// plays reports whether a tensor fits a role.
func (p *Plan) plays(id ID, r Role) bool {
	t := &p.Tensors[id]
	switch r {
	case Matrix:
		return t.Kind == Weight
	case Filter:
		return t.Kind == Weight && t.Type == quant.F32 && t.Cols >= 2
	case Floats:
		return t.Kind == Weight && t.Type == quant.F32 && t.Rows == 1
	case Vector:
		return t.Kind == Weight && t.Rows == 1
	case Rows:
		return (t.Kind == TokenRows || t.Kind == WantRows) && t.Type != quant.I32
	case Routes:
		return (t.Kind == TokenRows || t.Kind == WantRows) && t.Type == quant.I32
	case OfTokens:
		return t.Kind == TokenRows && t.Type != quant.I32
	case OfWanted:
		return t.Kind == WantRows
	case Paged:
		return t.Kind == Kept && p.Pools[t.Pool].Per != Sequence
	case Slots:
		return t.Kind == Kept && p.Pools[t.Pool].Per == Sequence
	case Either:
		return p.plays(id, Rows) || p.plays(id, Vector)
	}
	return false
}
