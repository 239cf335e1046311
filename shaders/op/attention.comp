#version 450
#extension GL_GOOGLE_include_directive : require
#ifdef SUBGROUP
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_shader_subgroup_arithmetic : require
#endif
#include "lib/common.glsl"
#include "lib/reduce.glsl"

// Attention, causal, over paged keys and values, f16 or f32. Head h of token i with
// position pos in its sequence reads key head g = h / (nHead/nHeadKV):
//
//	a[t] = softmax_t(scale · q[i][h]·K[t][g]),  y[i][h] = Σ_t a[t]·V[t][g]    t = from…pos
//
// where from is 0, or with a window the first of its last `window` positions.
//
// A workgroup takes TOKENS neighbouring tokens, HEADS heads that share a key head,
// and `split` positions; it reads each key and value once for all of them.
// TILE positions at a time: an invocation computes the scores of KEYS positions
// against all rows (token, head); then the weights lie in shared memory and an
// invocation sums eight elements of the values. The maximum so far, top, is kept
// up as in Milakov & Gimelshein 2018, "Online normalizer calculation for softmax".
//
// Where a token's context is longer than one split, its sums go to `part` and
// attention_reduce adds them up; TOKENS is 1 there, since the length of a split
// follows from the token's context.

layout(constant_id = 2) const uint HEADS = 1;
layout(constant_id = 3) const uint TOKENS = 1;
layout(constant_id = 4) const uint DIMK = 64;
layout(constant_id = 5) const uint DIMV = 64;
layout(constant_id = 6) const bool TAIL = false; // a head is not a multiple of 8 elements
layout(constant_id = 7) const uint KEYS = 1;
layout(constant_id = 8) const bool WIDEK = false; // keys are F32, not F16
layout(constant_id = 9) const bool WIDEV = false; // values are

layout(push_constant) uniform Push {
    uint heads;    // nHead
    uint kv;       // nHeadKV
    uint scale;    // float bits
    uint split;    // fewest positions a workgroup takes
    uint splits;   // most splits of a context
    uint pos;      // words of the inputs where positions begin
    uint table;    // and the places of the tokens' block tables
    uint window;   // positions a token sees, its own included; 0 for all
} p;

layout(std430, binding = 1) writeonly restrict buffer Y { float y[]; };
layout(std430, binding = 2) writeonly restrict buffer Part { float part[]; }; // (tokens·heads, splits, DIMV + 2): top, sum, values

void halves_of(uvec4 q, out vec4 lo, out vec4 hi) {
    lo = vec4(unpackHalf2x16(q.x), unpackHalf2x16(q.y));
    hi = vec4(unpackHalf2x16(q.z), unpackHalf2x16(q.w));
}

#ifdef TEXEL
layout(binding = 3) uniform usamplerBuffer q_quads;
layout(binding = 4) uniform usamplerBuffer k_quads;
layout(binding = 5) uniform usamplerBuffer v_quads;
vec4 query(uint e, uint d) { return uintBitsToFloat(texelFetch(q_quads, int((e + d) / 4))); }

#define EIGHT(name, quads, wide)                                                \
    void name(uint e, uint d, out vec4 lo, out vec4 hi) {                       \
        if (wide) {                                                             \
            lo = uintBitsToFloat(texelFetch(quads, int((e + d) / 4)));          \
            hi = uintBitsToFloat(texelFetch(quads, int((e + d) / 4 + 1)));      \
        } else                                                                  \
            halves_of(texelFetch(quads, int((e + d) / 8)), lo, hi);             \
    }
EIGHT(key, k_quads, WIDEK)
EIGHT(value, v_quads, WIDEV)
#else
layout(std430, binding = 3) readonly buffer Q { vec4 q_quads[]; };
layout(std430, binding = 3) readonly buffer Q1 { float q_floats[]; };
layout(std430, binding = 4) readonly buffer K { uvec4 k_quads[]; };
layout(std430, binding = 4) readonly buffer K1 { uint k_words[]; };
layout(std430, binding = 5) readonly buffer V { uvec4 v_quads[]; };
layout(std430, binding = 5) readonly buffer V1 { uint v_words[]; };

// query returns four elements from d on of the head that begins at element e;
// key and value eight, zeros beyond the head.
vec4 query(uint e, uint d) {
    if (!TAIL) return q_quads[(e + d) / 4];
    vec4 v = vec4(0);
    for (uint i = 0; i < 4; i++) if (d + i < DIMK) v[i] = q_floats[e + d + i];
    return v;
}

#define EIGHT(name, words, quads, dim, wide)                                    \
    void name(uint e, uint d, out vec4 lo, out vec4 hi) {                       \
        if (TAIL) {                                                             \
            lo = vec4(0), hi = vec4(0);                                         \
            for (uint i = 0; i < 8; i++)                                        \
                if (d + i < dim) {                                              \
                    uint at = e + d + i;                                        \
                    float x = wide ? uintBitsToFloat(words[at])                 \
                                   : unpackHalf2x16(words[at / 2] >> (16 * (at & 1))).x; \
                    if (i < 4) lo[i] = x; else hi[i - 4] = x;                   \
                }                                                               \
        } else if (wide) {                                                      \
            lo = uintBitsToFloat(quads[(e + d) / 4]);                           \
            hi = uintBitsToFloat(quads[(e + d) / 4 + 1]);                       \
        } else                                                                  \
            halves_of(quads[(e + d) / 8], lo, hi);                              \
    }
EIGHT(key, k_words, k_quads, DIMK, WIDEK)
EIGHT(value, v_words, v_quads, DIMV, WIDEV)
#endif

#include "lib/split.glsl"

const uint ROWS = HEADS * TOKENS;
const uint TILE = LOCAL * KEYS;
const uint EIGHTS = (DIMV + 7) / 8;                                         // of a value
const uint PER = (EIGHTS + LOCAL - 1) / LOCAL;                              // eights an invocation sums
const uint SHARE = EIGHTS < LOCAL ? LOCAL / EIGHTS : 1;                     // invocations that share an eight's positions
const uint QUADS = (DIMK + 7) / 8 * 2;                                      // of a query
const float NONE = -3.4e38;                                                 // below every score
const uint NO_WINDOW = 1u << 31;                                            // above every position

shared float a[ROWS * TILE > 8 * LOCAL ? ROWS * TILE : 8 * LOCAL]; // (ROWS, TILE) weights; the shared sums in the end
shared uint place[TILE];                                           // cache row of each position
#ifndef TEXEL
shared vec4 qs[ROWS * QUADS]; // (ROWS, QUADS) the queries
#endif

// attend computes the rows of tokens first … last, all of one sequence.
void attend(uint first, uint last, uint table, uint kv, uint h0) {
    uint lane = gl_LocalInvocationID.x, end = inputs[p.pos + last] + 1, begin = first_seen(inputs[p.pos + first]);
    uint split = split_of(end - begin), from = begin + gl_WorkGroupID.y * split, to = min(from + split, end);
    if (from >= to) return;
    float top[ROWS], sum[ROWS];
    uint pos[ROWS], head[ROWS]; // of the row; element where its query begins
    uint window = p.window == 0 ? NO_WINDOW : p.window;
    vec4 acc[ROWS * PER * 2];
    for (uint r = 0; r < ROWS; r++) {
        uint i = min(first + r / HEADS, last);
        pos[r] = inputs[p.pos + i];
        head[r] = (i * p.heads + h0 + r % HEADS) * DIMK;
#ifndef TEXEL
        for (uint d = lane; d < QUADS; d += LOCAL) qs[r * QUADS + d] = query(head[r], 4 * d);
#endif
        top[r] = NONE;
        sum[r] = 0;
        for (uint j = 0; j < PER * 2; j++) acc[r * PER * 2 + j] = vec4(0);
    }
    float scale = uintBitsToFloat(p.scale);
#ifndef TEXEL
    barrier();
#endif
    for (uint t0 = from; t0 < to; t0 += TILE) {
        uint e[KEYS];
        float score[ROWS * KEYS];
        for (uint j = 0; j < KEYS; j++) {
            uint t = min(t0 + j * LOCAL + lane, to - 1), row = memory_row(table, t);
            place[j * LOCAL + lane] = row;
            e[j] = (row * p.kv + kv) * DIMK;
            for (uint r = 0; r < ROWS; r++) score[r * KEYS + j] = 0;
        }
        for (uint d = 0; d < DIMK; d += 8) {
            vec4 lo[KEYS], hi[KEYS];
            for (uint j = 0; j < KEYS; j++) {
                key(e[j], d, lo[j], hi[j]);
            }
            for (uint r = 0; r < ROWS; r++) {
#ifdef TEXEL // a fetch costs these drivers less than shared memory
                vec4 q = query(head[r], d), q4 = query(head[r], d + 4);
#else
                vec4 q = qs[r * QUADS + d / 4], q4 = qs[r * QUADS + d / 4 + 1];
#endif
                for (uint j = 0; j < KEYS; j++) score[r * KEYS + j] += dot(lo[j], q) + dot(hi[j], q4);
            }
        }
        for (uint r = 0; r < ROWS; r++) {
            float best = NONE;
            for (uint j = 0; j < KEYS; j++) {
                uint t = t0 + j * LOCAL + lane;
                bool seen = t < to && pos[r] - t < window; // wraps around beyond pos
                score[r * KEYS + j] = seen ? score[r * KEYS + j] * scale : NONE;
                best = max(best, score[r * KEYS + j]);
            }
            float was = top[r], now = max(was, reduce_max(best));
            float keep = was == now ? 1 : was == NONE ? 0 : exp(was - now);
            top[r] = now;
            sum[r] *= keep;
            for (uint j = 0; j < KEYS; j++) {
                float s = score[r * KEYS + j], w = s == NONE ? 0 : exp(s - now);
                sum[r] += w;
                a[r * TILE + j * LOCAL + lane] = w;
            }
            for (uint j = 0; j < PER * 2; j++) acc[r * PER * 2 + j] *= keep;
        }
        barrier();
        uint count = min(TILE, to - t0);
        if (lane < EIGHTS * SHARE)
            for (uint t = lane / EIGHTS; t < count; t += SHARE) {
                uint e = (place[t] * p.kv + kv) * DIMV;
                for (uint j = 0; j < PER; j++) {
                    uint d = 8 * (lane % EIGHTS + j * LOCAL);
                    if (PER > 1 && d >= DIMV) break;
                    vec4 lo, hi;
                    value(e, d, lo, hi);
                    for (uint r = 0; r < ROWS; r++) {
                        acc[(r * PER + j) * 2] += a[r * TILE + t] * lo;
                        acc[(r * PER + j) * 2 + 1] += a[r * TILE + t] * hi;
                    }
                }
            }
        barrier();
    }

    for (uint r = 0; r < ROWS; r++) {
        float total = reduce_add(sum[r]);
        if (SHARE > 1) { // PER is 1: add up the invocations that share an eight
            for (uint b = 0; b < 8; b++) a[b * LOCAL + lane] = acc[r * 2 + b / 4][b % 4];
            barrier();
            if (lane < EIGHTS)
                for (uint s = 1; s < SHARE; s++)
                    for (uint b = 0; b < 8; b++) acc[r * 2 + b / 4][b % 4] += a[b * LOCAL + lane + s * EIGHTS];
            barrier();
        }
        uint i = first + r / HEADS;
        if (i > last) continue;
        uint at = i * p.heads + h0 + r % HEADS;
        bool whole = end - begin <= split;
        uint out_ = whole ? at * DIMV : (at * p.splits + gl_WorkGroupID.y) * (DIMV + 2);
        if (!whole && lane == 0) {
            part[out_] = top[r];
            part[out_ + 1] = total;
        }
        if (lane < EIGHTS)
            for (uint j = 0; j < PER; j++)
                for (uint b = 0; b < 8; b++) {
                    uint d = 8 * (lane + j * LOCAL) + b;
                    if ((TAIL || PER > 1) && d >= DIMV) continue;
                    float v = acc[(r * PER + j) * 2 + b / 4][b % 4];
                    if (whole)
                        y[out_ + d] = v / total;
                    else
                        part[out_ + 2 + d] = v;
                }
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
