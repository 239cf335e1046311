// One type of weights. Each type's include says how its rows lie in memory, in
// quads of 16 bytes. A type of integers (quant.Ints) is read in chunks of 32 elements,
// which lie together in memory and belong to GROUPS blocks of 32; CHUNKS chunks are
// those blocks, a unit. The type defines
//
//	GROUPS, CHUNKS               1 and 1, or 2 and 2
//	block_of(u, g)               block g of unit u; in 2 × 2, chunk j has elements 16j … 16j + 15 of each
//	unit_of(b)                   unit and group of block b
//	load_chunk(row, u, j, k, q)  the integers of chunk j, group by group
//	load_scales(row, u, k, s)    of each group (d·sc, d·sc of elements 16–31, dmin·mn)
//	HALVES       1 where elements 0–15 and 16–31 have scales of their own
//	MINS         1 where there is a minimum: W = s.x·q − s.z
//	WIDE         1 where integers have 8 bits: then q[0…7] are their low halves, from 0
//	             to 15, and q[8…15] their high ones, q = 16·high + low
//
// and a type of floats (FLOATS 1) load_octet(row, o, k, q): elements 8o … 8o + 7,
// flushed, zeros beyond k. row is the row's first quad, k its number of elements.
//
// The row lies as in the file where blocks are whole quads (Q4_K, Q5_K) and as
// package gpu packs it otherwise: padded to a quad, scales behind the numbers.
// quad(i) reads quad i of the weight, from a storage buffer or, with TEXEL, a
// texel buffer.
#include "lib/numerics.glsl"

#if TYPE == 0
#include "type/f32.glsl"
#elif TYPE == 1
#include "type/f16.glsl"
#elif TYPE == 2
#include "type/q4_0.glsl"
#elif TYPE == 8
#include "type/q8_0.glsl"
#elif TYPE == 12
#include "type/q4_k.glsl"
#elif TYPE == 13
#include "type/q5_k.glsl"
#elif TYPE == 14
#include "type/q6_k.glsl"
#elif TYPE == 20
#include "type/iq4_nl.glsl"
#elif TYPE == 30
#include "type/bf16.glsl"
#endif

#ifndef FLOATS
#define FLOATS 0
#endif
#ifndef HALVES
#define HALVES 0
#endif
#ifndef MINS
#define MINS 0
#endif
#ifndef WIDE
#define WIDE 0
#endif
#ifndef GROUPS
#define GROUPS 1
#define CHUNKS 1
uint block_of(uint u, uint g) { return u; }
uvec2 unit_of(uint b) { return uvec2(b, 0); }
#endif

#if FLOATS
const uint PIECE = 8; // elements that one load gives
const uint NQ = 2;    // vec4s of them
#else
const uint PIECE = 32;
const uint NQ = 8 * (1 + WIDE);
#endif

#if !FLOATS
// quads_sum is Σ q·x of n quads, from quad i of q and quad j of x on, x being rounded
// elements m·2^e: integers below 2^24 times 2^e, and so exact in any order.
float quads_sum(vec4 q[NQ], uint i, vec4 x[8], uint j, uint n) {
    vec4 a = vec4(0);
    [[unroll]] for (uint v = 0; v < n; v++) a += q[i + v] * x[j + v];
    return sum4(a);
}

// term is what a block adds to its chain: a and b are the sums of its halves, or of the
// low and high halves of its WIDE integers, or a is the sum and b nothing; xs is the sum
// of its x.
float term(float a, float b, vec3 s, float xs) {
#if HALVES
    precise float t0 = s.x * a;
    precise float t1 = s.y * b;
    precise float t = t0 + t1;
#elif WIDE
    precise float i = 16.0 * b + a; // 16·b is exact: one rounding
    precise float t = s.x * i;
#else
    precise float t = s.x * a;
#if MINS
    precise float m = s.z * xs;
    t = t - m;
#endif
#endif
    return t;
}

// load_block reads block b of a row, in the order of its elements.
void load_block(uint row, uint b, uint k, out vec4 q[NQ], out vec3 s) {
    uvec2 u = unit_of(b);
    vec3 scales[GROUPS];
    load_scales(row, u.x, k, scales);
#if GROUPS == 1
    load_chunk(row, u.x, 0, k, q);
    s = scales[0];
#else
    for (uint j = 0; j < 2; j++) {
        vec4 c[8];
        load_chunk(row, u.x, j, k, c);
        for (uint v = 0; v < 4; v++) q[4 * j + v] = u.y == 0 ? c[v] : c[v + 4];
    }
    s = u.y == 0 ? scales[0] : scales[1];
#endif
}

// block_term is the term of a whole block.
float block_term(vec4 q[NQ], vec3 s, vec4 x[8], float xs) {
#if HALVES
    return term(quads_sum(q, 0, x, 0, 4), quads_sum(q, 4, x, 4, 4), s, xs);
#elif WIDE
    return term(quads_sum(q, 0, x, 0, 8), quads_sum(q, 8, x, 0, 8), s, xs);
#else
    return term(quads_sum(q, 0, x, 0, 8), 0, s, xs);
#endif
}
#endif
