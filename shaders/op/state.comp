#version 450
#extension GL_GOOGLE_include_directive : require
#include "lib/common.glsl"
#include "lib/numerics.glsl"

// DeltaRule and Scan: a run's tokens, one after the other, through the states of its
// sequence's heads (package model, package numerics). An invocation a column of a head's
// state (dim_k, dim_v), which no other reads; workgroups (columns of all heads, runs).
//
//	u = flush(decay·h)        decay = exp2(flush(dt·a)·log₂e)
//	d = flush(beta·(v − flush(Σ u·k)))    or of Scan flush(dt·v)
//	h = flush(u + k·d)
//	y = flush(scale·Σ h·q)                or of Scan flush(Σ h·q + d[head]·v)
//
// The sums have four chains, element i in chain i mod 4.
//
// Word 2 of the inputs is the number of runs. The inputs have four words a run:
//
//	its first token, how many it has (≥ 1), its slot, the position of its first token

layout(constant_id = 1) const bool DELTA = false;
layout(constant_id = 2) const bool CYCLIC = false; // head h has the keys of h mod n_key, not h / (n_head/n_key)
layout(constant_id = 3) const bool TAIL = false;   // dim_k is not a multiple of 4

layout(push_constant) uniform Push {
    uint n_head, n_key, dim_k, dim_v;
    uint cols;    // elements in a row of x
    uint q, k, v; // where they begin in it
    uint scale;   // float bits
    uint runs;    // word of the inputs where the runs begin
} p;

layout(std430, binding = 1) writeonly restrict buffer Y { float y[]; };
layout(std430, binding = 2) restrict buffer Slots { float slots[]; }; // (slots, n_head, dim_k, dim_v)
layout(std430, binding = 3) readonly buffer X { float x[]; };
layout(std430, binding = 4) readonly buffer Dt { float dt[]; };    // (tokens, n_head)
layout(std430, binding = 5) readonly buffer A { float a[]; };      // (n_head)
layout(std430, binding = 6) readonly buffer B { float other[]; };  // betas (tokens, n_head), or skips (n_head)

// four returns elements i … i+3 of a key or a query, zeros beyond it.
vec4 four(uint at, uint i) {
    if (!TAIL) return vec4(x[at + i], x[at + i + 1], x[at + i + 2], x[at + i + 3]);
    vec4 v = vec4(0);
    for (uint t = 0; t < 4; t++) if (i + t < p.dim_k) v[t] = x[at + i + t];
    return v;
}

// decayed returns rows i … i+3 of the column at `at`, zeros beyond it.
vec4 decayed(uint at, uint i, float decay, bool fresh) {
    vec4 h = vec4(0);
    at += i * p.dim_v;
    if (!fresh) {
        if (!TAIL) {
            h = vec4(slots[at], slots[at + p.dim_v], slots[at + 2 * p.dim_v], slots[at + 3 * p.dim_v]);
        } else {
            for (uint t = 0; t < 4; t++) if (i + t < p.dim_k) h[t] = slots[at + t * p.dim_v];
        }
    }
    precise vec4 u = h * decay;
    u = flush(u);
    if (TAIL) for (uint t = 0; t < 4; t++) if (i + t >= p.dim_k) u[t] = 0;
    return u;
}

void keep(uint at, uint i, vec4 h) {
    at += i * p.dim_v;
    for (uint t = 0; t < 4; t++) if (!TAIL || i + t < p.dim_k) slots[at + t * p.dim_v] = h[t];
}

vec4 plus4(vec4 sum, vec4 a, vec4 b) {
    precise vec4 v = a * b;
    precise vec4 s = sum + v;
    return s;
}

float tree(vec4 c) {
    precise float l = c.x + c.y;
    precise float r = c.z + c.w;
    precise float s = l + r;
    return s;
}

float times(float a, float b) {
    precise float v = a * b;
    return v;
}

float minus(float a, float b) {
    precise float v = a - b;
    return v;
}

void main() {
    uint c = gl_GlobalInvocationID.x;
    if (c >= p.n_head * p.dim_v || gl_WorkGroupID.y >= inputs[2]) return;
    uint run = p.runs + 4 * gl_WorkGroupID.y, first = inputs[run], n = inputs[run + 1];
    bool fresh = inputs[run + 3] == 0; // what the slot holds is of no sequence
    uint head = c / p.dim_v, key = CYCLIC ? head % p.n_key : head / (p.n_head / p.n_key);
    uint at = (inputs[run + 2] * p.n_head + head) * p.dim_k * p.dim_v + c % p.dim_v;

    for (uint i = first; i < first + n; i++) {
        uint row = i * p.cols, q = row + p.q + key * p.dim_k, k = row + p.k + key * p.dim_k;
        float v = x[row + p.v + c], step = dt[i * p.n_head + head];
        float decay = exp2_(times(flush(times(step, flush(a[head]))), 1.44269504));
        float d;
        if (DELTA) {
            vec4 sum = vec4(0);
            for (uint r = 0; r < p.dim_k; r += 4) sum = plus4(sum, decayed(at, r, decay, fresh), four(k, r));
            d = flush(times(other[i * p.n_head + head], minus(v, flush(tree(sum)))));
        } else {
            d = flush(times(step, v));
        }
        vec4 sum = vec4(0);
        for (uint r = 0; r < p.dim_k; r += 4) {
            vec4 h = flush(plus4(decayed(at, r, decay, fresh), four(k, r), vec4(d)));
            keep(at, r, h);
            sum = plus4(sum, h, four(q, r));
        }
        y[i * p.n_head * p.dim_v + c] = flush(DELTA ? times(tree(sum), uintBitsToFloat(p.scale)) : plus(tree(sum), flush(other[head]), v));
        fresh = false;
    }
}
