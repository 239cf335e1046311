#version 450
#extension GL_GOOGLE_include_directive : require
#ifdef SUBGROUP
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_shader_subgroup_arithmetic : require
#endif
#include "lib/common.glsl"
#include "lib/numerics.glsl"

// Attention, causal, over paged keys and values, f16, f32 or integers in blocks. Head h of token i with
// position pos in its sequence reads key head g = h / (nHead/nHeadKV), at the
// positions t = from…pos, from being 0, or with a window the first of its last `window`
// positions, or of its chunk of them. Positions come in spans of SPAN, which lie on the sequence's positions:
//
//	s[t] = flush(q[i][h]·K[t][g] · scale)        in eight chains (numerics.Dot)
//	M = ⌈max s⌉, p[t] = 2^(s[t] − M)             of the span
//	L = Σp[t], O = flush(Σp[t]·V[t][g])          t rising
//
// and y[i][h] = flush(O·recip(L)) of the spans merged in order.
//
// A workgroup takes TOKENS neighbouring tokens, HEADS heads that share a key head, and
// all spans, or one: it reads each key and value once for all of them. An invocation
// computes the scores of KEYS positions at a time against all rows (token, head); the
// weights lie in shared memory, and then it sums eight elements of the values, or more,
// for its share of the rows. With CAP a score is cap(q·k, cap·log₂e, scale/cap); with SINKS
// the span of a sink (lib/numerics.glsl) is merged last. Every invocation sums the weights of its rows for itself.
//
// Where workgroups take one span each, a token's spans go to `part` and
// attention_reduce merges them; TOKENS is 1 there, since what the first span is follows
// from the token. With ROUND the rows of y go to products alone and are rounded at once
// (lib/round.glsl).

layout(constant_id = 2) const uint HEADS = 1;
layout(constant_id = 3) const uint TOKENS = 1;
layout(constant_id = 4) const uint DIMK = 64;
layout(constant_id = 5) const uint DIMV = 64;
layout(constant_id = 6) const bool TAIL = false; // a head is not a multiple of 8 elements
layout(constant_id = 7) const uint KEYS = 1;
layout(constant_id = 8) const uint KEPTK = 0; // keys are of a type of lib/kept.glsl
layout(constant_id = 9) const uint KEPTV = 0; // and values
layout(constant_id = 10) const bool ROUND = false; // blocks of 32, of which a head is whole ones, at most SPAN elements
layout(constant_id = 11) const bool PACK = false;  // with ROUND
layout(constant_id = 12) const bool CAP = false;   // scores are kept within ±cap, softly
layout(constant_id = 13) const bool SINKS = false; // each head has one more score, without a value
layout(constant_id = 14) const bool LATENT = false; // a value is the beginning of its key, in one memory

layout(push_constant) uniform Push {
    uint heads;    // nHead
    uint kv;       // nHeadKV
    uint scale;    // scale·log₂e, with CAP scale/cap, float bits
    uint spans;    // of a token in `part`; 0: a workgroup takes all of a token's
    uint pos;      // words of the inputs where positions begin
    uint table;    // and the places of the tokens' block tables
    uint window;   // of lib/window.glsl
    uint cap;      // cap·log₂e, float bits
} p;

layout(std430, binding = 1) writeonly buffer Y { vec4 y[]; };
layout(std430, binding = 1) writeonly buffer Y1 { float y_floats[]; };
layout(std430, binding = 1) writeonly buffer Y4 { uvec4 y_quads[]; };
layout(std430, binding = 2) writeonly restrict buffer Part { float part[]; }; // (tokens·heads, spans, DIMV + 2): M, L, O

layout(std430, binding = 3) readonly buffer Sinks { float sinks[]; };         // (heads), with SINKS

#include "lib/kept.glsl"

#ifdef TEXEL
layout(binding = 4) uniform usamplerBuffer q_quads;
layout(binding = 5) uniform usamplerBuffer k_quads;
layout(binding = 6) uniform usamplerBuffer v_quads;
vec4 query(uint e, uint d) { return uintBitsToFloat(texelFetch(q_quads, int((e + d) / 4))); }

#define EIGHT(name, quads, type)                                                \
    void name(uvec2 at, uint d, out vec4 lo, out vec4 hi) {                     \
        uint e = at.x + d;                                                      \
        if (type == KEPT_F32) {                                                 \
            lo = uintBitsToFloat(texelFetch(quads, int(e / 4)));                \
            hi = uintBitsToFloat(texelFetch(quads, int(e / 4 + 1)));            \
        } else if (type == KEPT_F16)                                            \
            halves_of(texelFetch(quads, int(e / 8)), lo, hi);                   \
        else if (type == KEPT_Q8_0)                                             \
            eights_of(texelFetch(quads, int(e / 16)), e,                        \
                half_of(texelFetch(quads, int((at.y + d / 32) / 8)), at.y + d / 32), lo, hi); \
        else                                                                    \
            fours_of(texelFetch(quads, int(e / 32)), e,                         \
                half_of(texelFetch(quads, int((at.y + d / 32) / 8)), at.y + d / 32), lo, hi); \
    }
EIGHT(key, k_quads, KEPTK)
EIGHT(value, v_quads, KEPTV)
#else
layout(std430, binding = 4) readonly buffer Q { vec4 q_quads[]; };
layout(std430, binding = 4) readonly buffer Q1 { float q_floats[]; };
layout(std430, binding = 5) readonly buffer K { uvec4 k_quads[]; };
layout(std430, binding = 5) readonly buffer K1 { uint k_words[]; };
layout(std430, binding = 6) readonly buffer V { uvec4 v_quads[]; };
layout(std430, binding = 6) readonly buffer V1 { uint v_words[]; };

// query returns four elements from d on of the head that begins at element e;
// key and value eight of the head at a place (kept_at), zeros beyond the head.
vec4 query(uint e, uint d) {
    if (!TAIL) return q_quads[(e + d) / 4];
    vec4 v = vec4(0);
    for (uint i = 0; i < 4; i++) if (d + i < DIMK) v[i] = q_floats[e + d + i];
    return v;
}

#define EIGHT(name, words, quads, dim, type)                                    \
    void name(uvec2 at, uint d, out vec4 lo, out vec4 hi) {                     \
        uint e = at.x + d;                                                      \
        if (type == KEPT_Q8_0)                                                  \
            eights_of(uvec2(words[e / 4], words[e / 4 + 1]),                    \
                half_of(words[(at.y + d / 32) / 2], at.y + d / 32), lo, hi);    \
        else if (type == KEPT_Q4_0)                                             \
            fours_of(words[e / 8], half_of(words[(at.y + d / 32) / 2], at.y + d / 32), lo, hi); \
        else if (TAIL) {                                                        \
            lo = vec4(0), hi = vec4(0);                                         \
            for (uint i = 0; i < 8; i++)                                        \
                if (d + i < dim) {                                              \
                    float x = type == KEPT_F32 ? uintBitsToFloat(words[e + i])  \
                                   : unpackHalf2x16(words[(e + i) / 2] >> (16 * ((e + i) & 1))).x; \
                    if (i < 4) lo[i] = x; else hi[i - 4] = x;                   \
                }                                                               \
        } else if (type == KEPT_F32) {                                          \
            lo = uintBitsToFloat(quads[e / 4]);                                 \
            hi = uintBitsToFloat(quads[e / 4 + 1]);                             \
        } else                                                                  \
            halves_of(quads[e / 8], lo, hi);                                    \
    }
EIGHT(key, k_words, k_quads, DIMK, KEPTK)
EIGHT(value, v_words, v_quads, DIMV, KEPTV)
#endif

#include "lib/window.glsl"
#include "lib/round.glsl"

const uint ROWS = HEADS * TOKENS;
const uint TILE = LOCAL * KEYS;
const uint CELLS = ROWS * KEYS;                         // scores of an invocation at a time
const uint EIGHTS = (DIMV + 7) / 8;                     // of a value
const uint PER = (EIGHTS + LOCAL - 1) / LOCAL;          // eights an invocation sums
const uint SHARE = EIGHTS < LOCAL ? LOCAL / EIGHTS : 1; // invocations that share an eight: each has every SHARE-th row
const uint MINE = (ROWS + SHARE - 1) / SHARE;           // rows of an invocation
const uint SUMS = MINE * PER * 2;                       // of four elements
const uint FOURS = (ROWS + 3) / 4;                      // rows by fours
const uint QUADS = (DIMK + 7) / 8 * 2;                  // of a query
#define NONE uintBitsToFloat(0xff800000u)               // −∞, the score of what is not seen

shared vec4 a[SPAN * FOURS];  // (SPAN, ROWS) scores, then weights, of four rows each
shared uint place[SPAN];      // cache row of each position
shared uint top[ROWS];        // ordered(the largest score)
#ifndef TEXEL
shared vec4 qs[ROWS * QUADS]; // (ROWS, QUADS) the queries
#endif

// ordered maps floats to integers of the same order; float_of maps them back.
uint ordered(float x) {
    uint b = floatBitsToUint(x);
    return (b >> 31) != 0 ? ~b : b | 0x80000000u;
}
float float_of(uint b) { return uintBitsToFloat((b >> 31) != 0 ? b & 0x7fffffffu : ~b); }

float add(float a, float b) {
    precise float v = a + b;
    return v;
}

float capped(float t) {
    precise float s = tanh_(t) * uintBitsToFloat(p.cap);
    return s;
}

vec4 times(vec4 x, float y) {
    precise vec4 v = x * y;
    return v;
}

// query_of returns four elements from d on of row r's query, which begins at element e.
vec4 query_of(uint r, uint e, uint d) {
#ifdef TEXEL // a fetch costs these drivers less than shared memory
    return query(e, d);
#else
    return qs[r * QUADS + d / 4];
#endif
}

// add_keys adds eight elements of KEYS keys, from d on, times the queries to a chain.
void add_keys(uvec2 e[KEYS], uint head[ROWS], uint d, inout float chain[CELLS]) {
    vec4 lo[KEYS], hi[KEYS];
    for (uint j = 0; j < KEYS; j++) key(e[j], d, lo[j], hi[j]);
    for (uint r = 0; r < ROWS; r++) {
        vec4 q = query_of(r, head[r], d), q4 = query_of(r, head[r], d + 4);
        for (uint j = 0; j < KEYS; j++) chain[r * KEYS + j] = plus_each(chain[r * KEYS + j], q, lo[j], q4, hi[j]);
    }
}

// add_pair computes the chains c and c + 1 of KEYS keys with every row, and their sum.
void add_pair(uvec2 e[KEYS], uint head[ROWS], uint c, out float sum[CELLS]) {
    float odd[CELLS];
    for (uint i = 0; i < CELLS; i++) {
        sum[i] = 0;
        odd[i] = 0;
    }
    for (uint d = 8 * c; d < DIMK; d += 64) {
        add_keys(e, head, d, sum);
        if (d + 8 < DIMK) add_keys(e, head, d + 8, odd);
    }
    for (uint i = 0; i < CELLS; i++) sum[i] = add(sum[i], odd[i]);
}

// scores is q·k of KEYS keys with every row, written out: drivers do not unroll a loop
// of this length.
void scores(uvec2 e[KEYS], uint head[ROWS], out float score[CELLS]) {
    float two[CELLS], four[CELLS];
    add_pair(e, head, 0, four);
    add_pair(e, head, 2, two);
    for (uint i = 0; i < CELLS; i++) four[i] = add(four[i], two[i]);
    add_pair(e, head, 4, score);
    add_pair(e, head, 6, two);
    for (uint i = 0; i < CELLS; i++) score[i] = add(four[i], add(score[i], two[i]));
}

// row_of is row m of an invocation's own.
uint row_of(uint m) {
    if (SHARE == 1) return m; // alike for all: some drivers read shared memory once then
    return min(min(gl_LocalInvocationID.x / EIGHTS, SHARE - 1) + m * SHARE, ROWS - 1);
}

// attend computes the rows of tokens first … last, all of one sequence.
void attend(uint first, uint last, uint table, uint kv, uint h0) {
    uint lane = gl_LocalInvocationID.x, end = inputs[p.pos + last] + 1, begin = first_seen(inputs[p.pos + first]);
    uint from = begin / SPAN, to = (end + SPAN - 1) / SPAN; // spans
    bool whole = p.spans == 0 || to - from == 1;
    if (p.spans > 0) {
        from += gl_WorkGroupID.y;
        to = min(to, from + 1);
    }
    if (from >= to) return;
    uint head[ROWS], seen[ROWS], until[ROWS]; // of the row: element where its query begins, positions it sees
    for (uint r = 0; r < ROWS; r++) {
        uint i = min(first + r / HEADS, last), pos = inputs[p.pos + i];
        seen[r] = first_seen(pos);
        until[r] = pos + 1;
        head[r] = (i * p.heads + h0 + r % HEADS) * DIMK;
#ifndef TEXEL
        for (uint d = lane; d < QUADS; d += LOCAL) qs[r * QUADS + d] = query(head[r], 4 * d);
#endif
    }
    uint my_seen[MINE], my_until[MINE];
    float most[MINE], total[MINE]; // of the spans so far: M, L
    vec4 values[SUMS];             // and O
    for (uint m = 0; m < MINE; m++) {
        uint pos = inputs[p.pos + min(first + row_of(m) / HEADS, last)];
        my_seen[m] = first_seen(pos);
        my_until[m] = pos + 1;
    }
    for (uint r = lane; r < ROWS; r += LOCAL) top[r] = 0;
    barrier();

    for (uint span = from; span < to; span++) {
        uint base = span * SPAN, t_from = max(base, begin), t_to = min(base + SPAN, end);
        float best[ROWS];
        for (uint r = 0; r < ROWS; r++) best[r] = NONE;
        for (uint t0 = t_from; t0 < t_to; t0 += TILE) {
            uvec2 e[KEYS];
            float score[CELLS];
            for (uint j = 0; j < KEYS; j++) {
                uint t = min(t0 + j * LOCAL + lane, t_to - 1), row = memory_row(table, t);
                place[t - base] = row;
                e[j] = kept_at(KEPTK, row, kv, DIMK);
            }
            scores(e, head, score);
            for (uint j = 0; j < KEYS; j++) {
                uint t = t0 + j * LOCAL + lane;
                for (uint f = 0; f < FOURS; f++) {
                    vec4 four = vec4(NONE);
                    for (uint r = 4 * f; r < min(4 * f + 4, ROWS); r++) {
                        precise float s = score[r * KEYS + j] * uintBitsToFloat(p.scale);
                        s = flush(s);
                        if (CAP) s = flush(capped(s));
                        s = t >= seen[r] && t < until[r] ? s : NONE;
                        four[r % 4] = s;
                        best[r] = max(best[r], s);
                    }
                    if (t < t_to) a[(t - base) * FOURS + f] = four;
                }
            }
        }
        for (uint r = 0; r < ROWS; r++) {
#ifdef SUBGROUP
            float b = subgroupMax(best[r]); // a choice, not a sum: of any order
            if (subgroupElect()) atomicMax(top[r], ordered(b));
#else
            atomicMax(top[r], ordered(best[r]));
#endif
        }
        barrier();
        for (uint f = 0; f < FOURS; f++) {
            vec4 m = vec4(0);
            for (uint r = 4 * f; r < min(4 * f + 4, ROWS); r++) m[r % 4] = ceil(float_of(top[r]));
            for (uint t = t_from + lane; t < t_to; t += LOCAL) {
                uint at = (t - base) * FOURS + f;
                vec4 s = a[at];
                a[at] = vec4(weight_of(s.x, m.x), weight_of(s.y, m.y), weight_of(s.z, m.z), weight_of(s.w, m.w));
            }
        }
        float own[MINE], l[MINE];
        vec4 o[SUMS];
        for (uint m = 0; m < MINE; m++) {
            own[m] = ceil(float_of(top[row_of(m)]));
        }
        barrier();
        for (uint m = 0; m < MINE; m++) l[m] = 0;
        for (uint s = 0; s < SUMS; s++) o[s] = vec4(0);
        for (uint t = t_from; t < t_to; t++) {
            uvec2 e = kept_at(KEPTV, place[t - base], kv, LATENT ? DIMK : DIMV);
            float w[MINE];
            vec4 four;
            for (uint m = 0; m < MINE; m++) {
                uint at = (t - base) * FOURS;
                if (SHARE > 1) {
                    w[m] = a[at + row_of(m) / 4][row_of(m) % 4];
                } else {
                    if (m % 4 == 0) four = a[at + m / 4];
                    w[m] = four[m % 4];
                }
                l[m] = add(l[m], w[m]);
            }
            for (uint j = 0; j < PER; j++) {
                uint d = 8 * (lane % EIGHTS + j * LOCAL);
                if (PER > 1 && d >= DIMV) break;
                vec4 v, v4;
                value(e, d, v, v4);
                for (uint m = 0; m < MINE; m++) {
                    if (TOKENS > 1 && (t < my_seen[m] || t >= my_until[m])) continue; // 0 times what may be NaN
                    uint s = (m * PER + j) * 2;
                    o[s] = plus(o[s], w[m], v);
                    o[s + 1] = plus(o[s + 1], w[m], v4);
                }
            }
        }
        for (uint m = 0; m < MINE; m++) {
            if (base >= my_until[m] || base + SPAN <= my_seen[m]) continue;
            bool begins = span == max(from, my_seen[m] / SPAN);
            vec3 f = merge(most[m], own[m]);
            most[m] = begins ? own[m] : f.x;
            total[m] = begins ? l[m] : merged(total[m], f.y, l[m], f.z);
            for (uint s = m * PER * 2; s < (m + 1) * PER * 2; s++)
                values[s] = begins ? flush(o[s]) : flush(merged(values[s], f.y, flush(o[s]), f.z));
        }
        for (uint r = lane; r < ROWS; r += LOCAL) top[r] = 0;
        barrier();
    }

    for (uint m = 0; m < MINE; m++) {
        uint r = row_of(m), i = first + r / HEADS;
        if (lane >= EIGHTS * SHARE || lane / EIGHTS + m * SHARE >= ROWS || i > last) continue;
        uint row = i * p.heads + h0 + r % HEADS;
        uint out_ = whole ? row * DIMV : (row * p.spans + gl_WorkGroupID.y) * (DIMV + 2);
        if (!whole && lane % EIGHTS == 0) {
            part[out_] = most[m];
            part[out_ + 1] = total[m];
        }
        if (SINKS && whole) {
            vec2 own = sink(flush(sinks[h0 + r % HEADS]));
            vec3 f = merge(most[m], own.x);
            total[m] = merged(total[m], f.y, own.y, f.z);
            for (uint s = m * PER * 2; s < (m + 1) * PER * 2; s++) values[s] = flush(times(values[s], f.y));
        }
        float share = recip(total[m]);
        if (ROUND && whole) {
            for (uint j = 0; j < PER; j++) {
                uint d = 8 * (lane % EIGHTS + j * LOCAL), s = (m * PER + j) * 2;
                if (PER > 1 && d >= DIMV) break;
                a[(r * DIMV + d) / 4] = flush(times(values[s], share));
                a[(r * DIMV + d) / 4 + 1] = flush(times(values[s + 1], share));
            }
            continue;
        }
        for (uint j = 0; j < PER; j++)
            for (uint b = 0; b < 8; b++) {
                uint d = 8 * (lane % EIGHTS + j * LOCAL) + b;
                if ((TAIL || PER > 1) && d >= DIMV) continue;
                precise float v = values[(m * PER + j) * 2 + b / 4][b % 4];
                if (whole) {
                    v = v * share;
                    y_floats[out_ + d] = flush(v);
                } else {
                    part[out_ + 2 + d] = v;
                }
            }
    }
    if (!ROUND || !whole) return;
    barrier();
    const uint BLOCKS = DIMV / 32;
    for (uint b = lane; b < ROWS * BLOCKS; b += LOCAL) {
        uint r = b / BLOCKS, i = first + r / HEADS;
        if (i > last) continue;
        vec4 v[8];
        for (uint e = 0; e < 8; e++) v[e] = a[b * 8 + e];
        put_block(((i * p.heads + h0 + r % HEADS) * BLOCKS + b % BLOCKS) * 32, v, 8);
    }
}

void main() {
    uint per = p.heads / p.kv / HEADS; // workgroups that share a key head
    uint kv = gl_WorkGroupID.z / per, h0 = gl_WorkGroupID.z * HEADS;
    uint start = gl_WorkGroupID.x * TOKENS, end = min(start + TOKENS, inputs[0]);
    while (start < end) { // neighbours of one run together; tables alone could be alike by chance
        uint table = inputs[p.table + start], last = start;
        while (last + 1 < end && inputs[p.table + last + 1] == table && inputs[p.pos + last + 1] == inputs[p.pos + last] + 1) last++;
        attend(start, last, table, kv, h0);
        start = last + 1;
    }
}
