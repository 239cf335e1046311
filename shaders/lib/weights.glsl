// One type of weights. Each type's include says how its rows lie in memory, in
// quads of 16 bytes. A type of integers (quant.Ints) is read in chunks of 32 elements,
// which lie together in memory and belong to GROUPS blocks of 32; CHUNKS chunks are
// those blocks, a unit. The type defines
//
//	GROUPS, CHUNKS               1 and 1, or 2 and 2
//	block_of(u, g)               block g of unit u; in 2 × 2, chunk j has elements 16j … 16j + 15 of each
//	unit_of(b)                   unit and group of block b
//	load_bytes(row, u, j, k, q)  the integers of chunk j, group by group, a byte each, the
//	                             lowest of a word first
//	load_scales(row, u, k, s)    of each group (d·sc, d·sc of elements 16–31, dmin·mn, and with
//	             HALVES and MINS dmin·mn of elements 16–31)
//	OFFSET       what is to be subtracted from the bytes, which are below 128
//	MINUS        1 where the bytes have signs
//	HALVES       1 where elements 0–15 and 16–31 have scales of their own
//	MINS         1 where there is a minimum: W = s.x·q − s.z
//	WIDE         1 where the bytes have signs and 32 of them have sums of 2^24 and more
//	GRID         words of a table (lib/grid.glsl), for which a kernel calls prepare at its begin
//
// and a type of floats (FLOATS 1) load_octet(row, o, k, q): elements 8o … 8o + 7,
// flushed, zeros beyond k. row is the row's first quad, k its number of elements.
//
// A kernel computes with floats or, with DOT or COOP, with signed bytes:
//
//	       WFOUR (integers)  XFOUR (of x)        SUM (of products)  XSUM (of a block of x)
//	       vec4              vec4, m·2^e         float              2^e·Σm
//	DOT    uint              uvec2, hi and lo    ivec2              vec2(2^e, 2^e·Σm)
//
// With HALVES and MINS the XSUM has two sums, of elements 0–15 and 16–31.
//
// x = (256·hi + lo)·2^e lies as lib/round.glsl writes it, and both sums are exact. So are
// those of floats, WIDE integers being 16·high + low: q[0…7] are the low halves, from 0 to
// 15, and q[8…15] the high ones.
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
#elif TYPE == 3
#include "type/q4_1.glsl"
#elif TYPE == 6
#include "type/q5_0.glsl"
#elif TYPE == 7
#include "type/q5_1.glsl"
#elif TYPE == 8
#include "type/q8_0.glsl"
#elif TYPE == 10
#include "type/q2_k.glsl"
#elif TYPE == 11
#include "type/q3_k.glsl"
#elif TYPE == 12
#include "type/q4_k.glsl"
#elif TYPE == 13
#include "type/q5_k.glsl"
#elif TYPE == 14
#include "type/q6_k.glsl"
#elif TYPE == 16
#include "type/iq2_xxs.glsl"
#elif TYPE == 17
#include "type/iq2_xs.glsl"
#elif TYPE == 18
#include "type/iq3_xxs.glsl"
#elif TYPE == 19
#include "type/iq1_s.glsl"
#elif TYPE == 20
#include "type/iq4_nl.glsl"
#elif TYPE == 21
#include "type/iq3_s.glsl"
#elif TYPE == 22
#include "type/iq2_s.glsl"
#elif TYPE == 23
#include "type/iq4_xs.glsl"
#elif TYPE == 29
#include "type/iq1_m.glsl"
#elif TYPE == 30
#include "type/bf16.glsl"
#elif TYPE == 34
#include "type/tq1_0.glsl"
#elif TYPE == 35
#include "type/tq2_0.glsl"
#elif TYPE == 39
#include "type/mxfp4.glsl"
#elif TYPE == 40
#include "type/nvfp4.glsl"
#elif TYPE == 41
#include "type/q1_0.glsl"
#elif TYPE == 42
#include "type/q2_0.glsl"
#endif

#ifndef FLOATS
#define FLOATS 0
#endif
#ifndef DOT
#define DOT 0
#endif
#ifndef COOP
#define COOP 0
#endif
#define SIGNED (DOT || COOP)
#ifndef OFFSET
#define OFFSET 0
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
#ifndef MINUS
#define MINUS 0
#endif
#ifndef GRID
#define prepare()
#endif
#ifndef GROUPS
#define GROUPS 1
#define CHUNKS 1
uint block_of(uint u, uint g) { return u; }
uvec2 unit_of(uint b) { return uvec2(b, 0); }
#endif

#if FLOATS
const uint PIECE = 8; // elements that one load gives
const uint NQ = 2;    // FOURs of them
#elif SIGNED
const uint PIECE = 32;
const uint NQ = 8;
#else
const uint PIECE = 32;
const uint NQ = 8 * (1 + WIDE);
#endif

#if SIGNED
#define WFOUR uint
#define XFOUR uvec2
#define SUM ivec2
#else
#define WFOUR vec4
#define XFOUR vec4
#define SUM float
#endif

#define TWO_MINS (HALVES && MINS)
#if TWO_MINS
#define SCALES vec4
#else
#define SCALES vec3
#endif
#if TWO_MINS && SIGNED
#define XSUM vec3
#elif TWO_MINS || SIGNED
#define XSUM vec2
#else
#define XSUM float
#endif

#if !FLOATS
#if SIGNED
// integers are four of them from their bytes.
uint integers(uint w) {
#if OFFSET
    w = ((w | 0x80808080u) - OFFSET * 0x01010101u) ^ 0x80808080u; // nothing borrows
#endif
    return w;
}
#elif !WIDE
vec4 integers(uint w) {
#if MINUS
    return bytes(w ^ 0x80808080u) - 128;
#else
    return bytes(w) - OFFSET;
#endif
}
#endif

// load_chunk reads the integers of chunk j of unit u, group by group.
void load_chunk(uint row, uint u, uint j, uint k, out WFOUR q[NQ]) {
    uvec4 w[2];
    load_bytes(row, u, j, k, w);
#if WIDE && !SIGNED
    w[0] ^= 0x80808080u; // 128 more: no signs
    w[1] ^= 0x80808080u;
    for (uint i = 0; i < 4; i++) {
        uint u = w[0][i], v = w[1][i];
        q[i] = bytes(u & 0x0f0f0f0fu);
        q[i + 4] = bytes(v & 0x0f0f0f0fu);
        q[i + 8] = bytes((u >> 4) & 0x0f0f0f0fu) - 8;
        q[i + 12] = bytes((v >> 4) & 0x0f0f0f0fu) - 8;
    }
#else
    q[0] = integers(w[0].x);
    q[1] = integers(w[0].y);
    q[2] = integers(w[0].z);
    q[3] = integers(w[0].w);
    q[4] = integers(w[1].x);
    q[5] = integers(w[1].y);
    q[6] = integers(w[1].z);
    q[7] = integers(w[1].w);
#endif
}

// load_block reads block b of a row, in the order of its elements.
void load_block(uint row, uint b, uint k, out WFOUR q[NQ], out SCALES s) {
    uvec2 u = unit_of(b);
    SCALES scales[GROUPS];
    load_scales(row, u.x, k, scales);
#if GROUPS == 1
    load_chunk(row, u.x, 0, k, q);
    s = scales[0];
#else
    for (uint j = 0; j < 2; j++) {
        uvec4 w[2];
        load_bytes(row, u.x, j, k, w);
        uvec4 of = u.y == 0 ? w[0] : w[1]; // the other group's are not unpacked
        q[4 * j] = integers(of.x);
        q[4 * j + 1] = integers(of.y);
        q[4 * j + 2] = integers(of.z);
        q[4 * j + 3] = integers(of.w);
    }
    s = u.y == 0 ? scales[0] : scales[1];
#endif
}

#if !COOP
// quads_sum is Σ q·x of 4n elements, from q[i] and x[j] on. x is rounded, m·2^e, and |m|
// and the sums are such that it is exact in any order.
SUM quads_sum(WFOUR q[NQ], uint i, XFOUR x[8], uint j, uint n) {
#if DOT
    ivec2 a = ivec2(0);
    [[unroll]] for (uint v = 0; v < n; v++)
        a += ivec2(dotPacked4x8EXT(int(q[i + v]), int(x[j + v].x)), dotPacked4x8EXT(int(q[i + v]), int(x[j + v].y)));
    return a;
#else
    vec4 a = vec4(0);
    [[unroll]] for (uint v = 0; v < n; v++) a += q[i + v] * x[j + v];
    return sum4(a);
#endif
}

// sum_of is 2^e·I: a is a sum, b that of the high halves of WIDE integers.
float sum_of(SUM a, SUM b, XSUM xs) {
#if DOT && WIDE
    precise float i = 256.0 * float(a.x) + float(a.y); // 256·hi is exact: one rounding
    i = xs.x * i;
#elif DOT
    precise float i = xs.x * float(256 * a.x + a.y); // |I| < 2^24
#elif WIDE
    precise float i = 16.0 * b + a; // 16·b is exact: one rounding
#else
    float i = a;
#endif
    return i;
}

// term is what a block adds to its chain: a and b are the sums of its halves, or of the
// low and high halves of its WIDE integers, or a is the sum and b nothing.
float term(SUM a, SUM b, SCALES s, XSUM xs) {
#if HALVES
    precise float t0 = s.x * sum_of(a, a, xs);
    precise float t1 = s.y * sum_of(b, b, xs);
    precise float t = t0 + t1;
#if MINS
#if DOT
    precise float m0 = s.z * xs.y;
    precise float m1 = s.w * xs.z;
#else
    precise float m0 = s.z * xs.x;
    precise float m1 = s.w * xs.y;
#endif
    precise float m = m0 + m1;
    t = t - m;
#endif
#else
    precise float t = s.x * sum_of(a, b, xs);
#if MINS && DOT
    precise float m = s.z * xs.y;
    t = t - m;
#elif MINS
    precise float m = s.z * xs;
    t = t - m;
#endif
#endif
    return t;
}

// block_term is the term of a whole block.
float block_term(WFOUR q[NQ], SCALES s, XFOUR x[8], XSUM xs) {
#if HALVES
    return term(quads_sum(q, 0, x, 0, 4), quads_sum(q, 4, x, 4, 4), s, xs);
#elif WIDE && !DOT
    return term(quads_sum(q, 0, x, 0, 8), quads_sum(q, 8, x, 0, 8), s, xs);
#else
    return term(quads_sum(q, 0, x, 0, 8), SUM(0), s, xs);
#endif
}
#endif
#endif
