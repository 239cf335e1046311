// Package numerics is the definition of eclat's arithmetic: what makes the same file,
// tokens and seed give the same bits on every device, in every batch, however the
// work is split. Package cpu/ref computes by it in plain loops; the kernels of cpu
// and gpu compute the same numbers in other ways and are compared with it bit by bit.
// shaders/lib/numerics.glsl is its twin.
//
// Every number is a float32 and every +, − and × is rounded to nearest even, one at
// a time: no fused multiply-add, no reassociation, no library function. Where Go
// could fuse, the product stands in a conversion, float32(x*y) + z.
//
// # Activations
//
// Every value a step writes is a multiple of 2^-63 that is zero or at least [Least] =
// 2^-40 in magnitude, [Flush] seeing to that; only sums of such values (Add) may be
// smaller, and they are multiples of 2^-63 all the same. Products of two are then
// multiples of 2^-126, and so are sums of those: no denormal number arises, and
// devices that flush them give the same bits as those that keep them. Zero is +0.
// NaN stays NaN; which of the NaNs is not defined, so a NaN in logits is an error,
// never an answer.
//
// Memory holds a value rounded to its type and clamped to its range ([Half]), and NaN for
// an infinity ([Single]): clamped, or the least score of all, it would be lost on its way
// to the logits, and what they say no answer of the model.
//
// Memory of integers (Q8_0, Q4_0) holds blocks of 32 elements of a row, of which a head is
// whole ones, as integers q with one half d ([Keeping] says how a block is rounded). Whoever
// reads an element reads the float q·d ([Kept]): the product is exact, a multiple of 2^-24,
// and NaN where d is. From there on it is an element like that of any memory, in the one
// order of the sums below; no sum knows of blocks.
//
// # Products with a matrix
//
// A row that enters a product is rounded once, by [Round], to blocks of [BlockLen]
// elements with one power of two and integers of 15 bits each: x ≈ m·2^e with
//
//	e = max(−60, (exponent of the block's largest |x|) − 13)
//	m = x·2^-e, to the nearest integer, ties to even: |m| ≤ 16384
//
// A part of a row that meets a matrix of its own, a head's or an expert's, is rounded as a
// row of its own. A block with a NaN or an infinity has 2^e = NaN, which makes every product of its
// row NaN.
//
// With a quantised weight, a block gives one term of exact integers:
//
//	I = Σ q·m       S = Σ m                      over the block, in any order
//	t = (d·sc)·(2^e·I) − (dmin·mn)·(2^e·S)       a scale for 32 weights
//	t = (d·sc0)·(2^e·I0) + (d·sc1)·(2^e·I1)      a scale for 16: elements 0–15 first
//	t − ((dmin·mn0)·(2^e·S0) + (dmin·mn1)·(2^e·S1))      and a minimum for 16: t as above
//
// where d·sc is exact (11 + 8 bits) and zero or at least 2^-60, I becomes a float32 by one
// rounding to nearest even (exact up to 2^24), S0 and S1 are Σm of elements 0–15 and 16–31,
// and a type without minimums has no product with them. What q, d, sc and mn are, each type
// says (loader/quant). The terms are added in eight
// chains ([Chains]): each starts at +0, the term of block b is added to chain b mod 8,
// b rising; then ((c0+c1)+(c2+c3))+((c4+c5)+(c6+c7)).
//
// With a float weight (F32, F16, BF16) the elements are multiplied as float32,
// (m·2^e)·w with w flushed, and added in eight chains too, a chain taking 8 elements
// at a time: element k is added to chain (k/8) mod 8, k rising ([Dot]).
//
// The answer is flushed.
//
// # Norms
//
// Σx² of a row or a head has 256 chains: element k is added to chain k mod 256, k
// rising; then neighbours are added, (c0+c1), (c2+c3) …, until one is left
// ([SumSquares]). With n elements, and inv = 1/n rounded once on the host:
//
//	r = RSqrt(Σx²·inv + eps)       y = Flush((x·r)·w), without a weight Flush(x·r)
//
// LayerNorm, of a row or a head, takes x − mean for x first, flushed, with mean = Σx·inv
// ([Mean]) and Σx in 256 chains too.
//
// # Positions
//
// The host computes sines and cosines in float64 ([Sincos]), multiplies them by the
// rope's scale, rounds and flushes them. A pair (a, b) becomes
// (Flush(a·cos − b·sin), Flush(a·sin + b·cos)), each product rounded.
//
// # Attention
//
// The score of a position is s = Flush(Dot(q, k)·c), c = scale·log₂e rounded once on
// the host. Positions come in spans of [Span], span 0 being positions 0–255 of the
// sequence, however long the batch or the window. A span has
//
//	M = ⌈max s⌉      p = Exp2(s − M), 0 where s − M < −40
//	L = Σp           O = Σ p·v                   positions rising, both from +0
//
// and O is flushed. The spans are merged in order of position ([Merge]): with
// M' = max(M, Ms), a = 2^(M−M') and b = 2^(Ms−M'), each 0 where the exponent is below
// −40,
//
//	L = L·a + Ls·b       O = Flush(O·a + Os·b)
//
// starting from the first span's own. The answer is Flush(O · Recip(L)).
//
// With a cap the score is [Cap] of Dot(q, k), c = cap·log₂e and by = scale/cap, each rounded
// once on the host. A sink is merged last, as a span of its own without values ([Sink]):
// s = Flush(sink·log₂e), M = ⌈s⌉, L = Exp2(s − M), O = 0.
//
// # Recurrent states
//
// Conv adds the products w[k]·x of a channel's taps to +0, k rising, and the bias where
// there is one, and flushes the sum; silu of it where that is asked for. Its slot holds
// rows of x as memory does ([Single]).
//
// L2Norm is y = Flush(x·RSqrt(Σx² + eps)), Σx² as in a norm.
//
// DeltaRule and Scan take tokens one after the other through a head's state H, a row for
// each element of the key and a column for each of the value. With log₂e as a float32,
// column j becomes, from old to new,
//
//	α = Exp2(Flush(dt·a)·log₂e)      u[i] = Flush(α·old[i])
//	DeltaRule: d = Flush(beta·(v[j] − Flush(Dot4(u, k))))
//	Scan:      d = Flush(dt·v[j])
//	new[i] = Flush(u[i] + k[i]·d)
//	DeltaRule: y[j] = Flush(Dot4(new, q)·scale)
//	Scan:      y[j] = Flush(Dot4(new, q) + d[h]·v[j])
//
// where [Dot4] has four chains, element i in chain i mod 4, i rising, and adds them as
// (c0+c1)+(c2+c3). Before position 0 old is +0. A state keeps an infinity: a step makes
// it NaN or leaves it infinite, never a number.
//
// # Experts
//
// A router's logits x of N experts become values v:
//
//	softmax   s = Flush(x·log₂e)   M = ⌈max s⌉   p = Exp2(s − M), 0 where s − M < −40
//	          v = Flush(p · Recip(Σp)), Σp by [Sum]
//	sigmoid   v = Flush(Sigmoid(x))
//	chosen    v = x
//
// Experts are ordered by v + bias, the bias flushed, and of equals the lower comes
// first; what is no finite number comes before all ([Rank]). A group's score is the sum
// of its two best, better first. The weights of those chosen, in the order of choice, are
//
//	softmax, sigmoid   w = v; with norm w = Flush(v · Recip(S)), S = Σv, or 2^-14 where S
//	                   is less
//	chosen             as softmax over the x of those chosen, Σp from +0 in order
//
// and w = Flush(w·scale). An expert's products are those of any matrix, times its factor f
// where it has one, flushed: Flush(y·f); its bias, flushed, is added afterwards. A row's answer is Flush(Σ w·y) over its experts in the order
// of choice, from +0; where experts have factors f, flushed, Flush(w·f) stands for w.
//
// # Rows between machines
//
// Between two stages a row is what it was. Where the stages are on two machines it may be
// asked to travel rounded: package rows says how, and which bits a run with such rows has.
//
// # Embeddings
//
// The rows that the last norm leaves of a text become one vector on the host, in float64,
// each operation rounded by itself: of the pooled rows, in order of position, the sum
// s[j] from 0, then s[j]/rows, and that divided by the root of Σ(s[j]/rows)², j rising
// from 0; rounded once to float32. Of a sum of squares that is 0 the vector is 0.
//
// # Functions
//
// [Exp2], [Recip], [RSqrt], [Sigmoid], [Tanh] and [Softplus] are short sequences of
// the operations above and of operations on a float's bits. SwiGLU is
// Flush(Flush(x·Sigmoid(x))·y); an activation is flushed: Flush(Sigmoid(x)),
// Flush(Softplus(x)), [SiLU], [ReLU2], [GELU], Flush(x·c), [Cap], [ClampedGate], [ClampedUp].
//
// Choices (greedy, top-k) compare exactly; of equals the lower index wins.
package numerics

// Version counts the definitions. What was kept of a run under one of them, keys and
// values above all, is not what another would have computed.
const Version = 1
