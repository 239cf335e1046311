package model

import (
	"math"

	"eclat/loader/quant"
)

// Receive declares the rows that a stage takes from the one before, (n, cols).
func (b *Builder) Receive(name string, cols int) ID {
	b.plan.Hidden = b.activation(name, TokenRows, cols)
	return b.plan.Hidden
}

// Embed looks up the tokens' rows of w (vocab, cols): (n, cols).
func (b *Builder) Embed(name string, w ID) ID {
	return b.step(b.activation(name, TokenRows, b.Cols(w)), Embed, [8]uint32{}, w)
}

// RMSNorm normalises the rows of x and scales them by w: (·, cols). w (1, group) says
// how many elements are normed together: a head's, or a whole row's.
func (b *Builder) RMSNorm(name string, x, w ID, eps float32) ID {
	group := b.Cols(w)
	if b.err == nil && (group == 0 || b.Cols(x)%group != 0) {
		b.err = b.file.Errorf(b.plan.Tensors[w].Name, "%d elements do not divide the %d that are normed", group, b.Cols(x))
	}
	return b.step(b.like(x, name, b.Cols(x)), RMSNorm, [8]uint32{math.Float32bits(eps), uint32(group)}, x, w)
}

// GroupNorm is RMSNorm of groups of elements that have each their part of w (1, cols).
func (b *Builder) GroupNorm(name string, x, w ID, group int, eps float32) ID {
	return b.step(b.like(x, name, b.Cols(x)), RMSNorm, [8]uint32{math.Float32bits(eps), uint32(group)}, x, w)
}

// L2Norm divides each of the first groups of elements of x by its length, and copies
// the rest: (·, cols).
func (b *Builder) L2Norm(name string, x ID, group, groups int, eps float32) ID {
	return b.step(b.like(x, name, b.Cols(x)), L2Norm, [8]uint32{math.Float32bits(eps), uint32(group), uint32(groups)}, x)
}

// HeadNorm is RMSNorm of each group of elements of x without a weight: (·, cols).
func (b *Builder) HeadNorm(name string, x ID, group int, eps float32) ID {
	return b.step(b.like(x, name, b.Cols(x)), RMSNorm, [8]uint32{math.Float32bits(eps), uint32(group)}, x)
}

// LayerNorm normalises the rows of x about their mean and scales them by w (1, cols):
// (·, cols).
func (b *Builder) LayerNorm(name string, x, w ID, eps float32) ID {
	return b.HeadLayerNorm(name, x, w, b.Cols(x), eps)
}

// HeadLayerNorm is LayerNorm of each group of elements of x, by one w (1, group) or by
// their parts of w (1, cols): (·, cols).
func (b *Builder) HeadLayerNorm(name string, x, w ID, group int, eps float32) ID {
	return b.step(b.like(x, name, b.Cols(x)), LayerNorm, [8]uint32{math.Float32bits(eps), uint32(group)}, x, w)
}

// MatMul multiplies the rows of x by w (m, cols): (·, m).
func (b *Builder) MatMul(name string, w, x ID) ID {
	return b.step(b.like(x, name, b.plan.Tensors[w].Rows), MatMul, [8]uint32{}, w, x)
}

// MaxHeads is the most matrices that MatMulHeads has.
const MaxHeads = 1024

// MatMulHeads multiplies each of the heads of x (·, heads·k) by its own of the matrices that
// w (heads·m, k) has one on top of the other: (·, heads·m).
func (b *Builder) MatMulHeads(name string, w, x ID, heads int) ID {
	return b.step(b.like(x, name, b.plan.Tensors[w].Rows), MatMulHeads, [8]uint32{uint32(heads)}, w, x)
}

// RoPE rotates every head of x (·, heads·headDim) by its token's position.
func (b *Builder) RoPE(name string, x ID, headDim, rope int) ID {
	return b.step(b.like(x, name, b.Cols(x)), RoPE, [8]uint32{uint32(headDim), uint32(rope)}, x)
}

// Store writes the rows of x to memory at their tokens' positions.
func (b *Builder) Store(memory, x ID) { b.step(memory, Store, [8]uint32{}, x) }

// Attention attends from q (·, nHead·dimK) over keys k and values v in memory of one
// pool: (·, nHead·dimV). The pool's window is the attention's.
func (b *Builder) Attention(name string, q, k, v ID, nHead, nHeadKV int, scale float32) ID {
	return b.CappedAttention(name, q, k, v, None, nHead, nHeadKV, scale, 0)
}

// CappedAttention is Attention whose scores are kept within ±cap, where that is not 0, and
// take part with sinks (1, nHead), where these are not None.
func (b *Builder) CappedAttention(name string, q, k, v, sinks ID, nHead, nHeadKV int, scale, cap float32) ID {
	src := []ID{q, k, v}
	if sinks != None {
		src = append(src, sinks)
	}
	return b.attention(name, nHead, nHeadKV, b.Cols(v)/nHeadKV, scale, cap, false, src...)
}

// ChunkedAttention is Attention that sees no further than the token's chunk: positions
// from the last multiple of the pool's window on.
func (b *Builder) ChunkedAttention(name string, q, k, v ID, nHead, nHeadKV int, scale float32) ID {
	return b.attention(name, nHead, nHeadKV, b.Cols(v)/nHeadKV, scale, 0, true, q, k, v)
}

// LatentAttention is Attention whose values are the first dimV elements of the keys:
// (·, nHead·dimV).
func (b *Builder) LatentAttention(name string, q, keys ID, nHead, nHeadKV, dimV int, scale float32) ID {
	return b.attention(name, nHead, nHeadKV, dimV, scale, 0, false, q, keys, keys)
}

// attention appends the step of queries src[0] over keys src[1], whose pool has the window.
func (b *Builder) attention(name string, nHead, nHeadKV, dimV int, scale, cap float32, chunked bool, src ...ID) ID {
	window := b.plan.Pools[b.plan.Tensors[src[1]].Pool].Window
	arg := [8]uint32{uint32(nHead), uint32(nHeadKV), uint32(b.Cols(src[1]) / nHeadKV), uint32(dimV), math.Float32bits(scale), uint32(window), math.Float32bits(cap)}
	if chunked {
		arg[7] = arg[5]
	}
	return b.step(b.like(src[0], name, nHead*dimV), Attention, arg, src...)
}

// Conv convolves the rows of x with w (cols, taps) along each sequence, keeping the
// rows that the next run needs in state, a slot of (taps−1)·cols float32; with a bias
// (1, cols), or None, and with silu of it all or without: (n, cols).
func (b *Builder) Conv(name string, x, w, state, bias ID, silu bool) ID {
	src, arg := []ID{x, w, state}, [8]uint32{}
	if bias != None {
		src = append(src, bias)
	}
	if silu {
		arg[0] = 1
	}
	return b.step(b.like(x, name, b.Cols(x)), Conv, arg, src...)
}

// State is the shape of a recurrent state: NHead heads of (DimK, DimV), and NHeadK that
// keys and queries have.
type State struct {
	NHead  int `json:"n_head"`
	NHeadK int `json:"n_head_k"` // divides NHead
	DimK   int `json:"dim_k"`
	DimV   int `json:"dim_v"`
}

// Len is the elements of a sequence's state.
func (s State) Len() int { return s.NHead * s.DimK * s.DimV }

// DeltaRule takes the rows of qkv (n, 2·NHeadK·DimK + NHead·DimV) through the state in
// memory, a slot of s.Len() float32, with steps dt and betas (n, NHead) and decays a
// (1, NHead); cyclic: head h has the keys of h mod NHeadK. (n, NHead·DimV).
func (b *Builder) DeltaRule(name string, qkv, dt, a, beta, memory ID, s State, scale float32, cyclic bool) ID {
	arg := [8]uint32{uint32(s.NHead), uint32(s.NHeadK), uint32(s.DimK), uint32(s.DimV), math.Float32bits(scale)}
	if cyclic {
		arg[5] = 1
	}
	return b.step(b.like(qkv, name, s.NHead*s.DimV), DeltaRule, arg, qkv, dt, a, beta, memory)
}

// Scan takes the rows of xbc (n, NHead·DimV + 2·NHeadK·DimK) through the state in memory,
// a slot of s.Len() float32, with steps dt (n, NHead), decays a and skips d (1, NHead):
// (n, NHead·DimV).
func (b *Builder) Scan(name string, xbc, dt, a, d, memory ID, s State) ID {
	arg := [8]uint32{uint32(s.NHead), uint32(s.NHeadK), uint32(s.DimK), uint32(s.DimV)}
	return b.step(b.like(xbc, name, s.NHead*s.DimV), Scan, arg, xbc, dt, a, d, memory)
}

// Slice takes n elements from first on of every stride of x: (·, cols/stride·n).
func (b *Builder) Slice(name string, x ID, first, n, stride int) ID {
	return b.step(b.like(x, name, b.Cols(x)/max(1, stride)*n), Slice, [8]uint32{uint32(first), uint32(n), uint32(stride)}, x)
}

// Join puts n elements of y (·, heads·n), or the n that there are for all (·, n), behind
// each head of x (·, heads·a): (·, heads·(a+n)).
func (b *Builder) Join(name string, x, y ID, heads, n int) ID {
	return b.step(b.like(x, name, b.Cols(x)+heads*n), Join, [8]uint32{uint32(heads)}, x, y)
}

// Act applies f to every element of x.
func (b *Builder) Act(name string, x ID, f Activation) ID {
	return b.step(b.like(x, name, b.Cols(x)), Act, [8]uint32{uint32(f)}, x)
}

// Scale multiplies every element of x by s, and is x where s is 1. See CanScale.
func (b *Builder) Scale(name string, x ID, s float32) ID {
	if s == 1 {
		return x
	}
	return b.step(b.like(x, name, b.Cols(x)), Act, [8]uint32{uint32(Scaled), math.Float32bits(s)}, x)
}

// Cap keeps every element of x within ±c, softly: c·tanh(x/c). See CanCap.
func (b *Builder) Cap(name string, x ID, c float32) ID {
	return b.step(b.like(x, name, b.Cols(x)), Act, [8]uint32{uint32(Capped), math.Float32bits(c)}, x)
}

// SwiGLU computes silu(gate)·up element by element.
func (b *Builder) SwiGLU(name string, gate, up ID) ID {
	return b.step(b.like(gate, name, b.Cols(gate)), SwiGLU, [8]uint32{}, gate, up)
}

// Add adds y, or the bias y (1, cols), to x.
func (b *Builder) Add(name string, x, y ID) ID {
	return b.step(b.like(x, name, b.Cols(x)), Add, [8]uint32{}, x, y)
}

// Mul multiplies x and y element by element, y an activation or a weight, (1, cols) or
// (1, 1).
func (b *Builder) Mul(name string, x, y ID) ID {
	return b.step(b.like(x, name, b.Cols(x)), Mul, [8]uint32{}, x, y)
}

// Gather takes the rows of x whose answers are wanted: (want, cols).
func (b *Builder) Gather(name string, x ID) ID {
	return b.step(b.activation(name, WantRows, b.Cols(x)), Gather, [8]uint32{}, x)
}

// Sample chooses a token from each row of logits: (want, 1) ids.
func (b *Builder) Sample(name string, logits ID) ID {
	dst := b.tensor(Tensor{Name: name, Kind: WantRows, Type: quant.I32, Cols: 1})
	return b.step(dst, Sample, [8]uint32{}, logits)
}
