#version 450
#extension GL_GOOGLE_include_directive : require
#include "lib/common.glsl"
#include "lib/numerics.glsl"

// RoPE: pair j < pairs of every head, its elements (a, b), turned by the cosine and
// sine that the host computed for the token's position; the others are copied.
//
//	a = 2j, b = 2j + 1, or with HALVES a = j, b = j + pairs
//	y[a] = flush(x[a]·cos − x[b]·sin)
//	y[b] = flush(x[a]·sin + x[b]·cos)
//
// Two neighbouring elements an invocation, whichever pairs they are of; workgroups
// (neighbours of the row, tokens).
//
// With STORE they go to memory at once, as store.comp would put them; of f16 memory
// a head has an even number of elements.

#ifdef STORE
layout(constant_id = 1) const bool WIDE = false; // the memory is F32, not F16
#endif
layout(constant_id = 2) const bool HALVES = false; // how elements are paired

layout(push_constant) uniform Push {
    uint k;     // elements in a row, heads · head
    uint head;  // elements in a head
    uint pairs; // rotated pairs in a head
    uint turns; // word of the inputs where the cosines and sines begin, (tokens, pairs, 2)
    uint pos;   // STORE: word where the positions begin
    uint table; // STORE: where the places of the tokens' block tables begin
} p;

#ifdef STORE
layout(std430, binding = 1) writeonly restrict buffer Memory { uint memory[]; };
#include "lib/memory.glsl"
#else
layout(std430, binding = 1) writeonly restrict buffer Y { float y[]; };
#endif
layout(std430, binding = 2) readonly restrict buffer X { float x[]; };

// turned returns element e of the head of token i that begins at `head`.
float turned(uint i, uint head, uint e) {
    if (e >= 2 * p.pairs) return x[head + e];
    bool second = HALVES ? e >= p.pairs : (e & 1) == 1;
    uint j = HALVES ? (second ? e - p.pairs : e) : e / 2;
    float a = x[head + (HALVES ? j : 2 * j)], b = x[head + (HALVES ? j + p.pairs : 2 * j + 1)];
    uint turn = p.turns + 2 * (i * p.pairs + j);
    float c = uintBitsToFloat(inputs[turn]), s = uintBitsToFloat(inputs[turn + 1]);
    vec2 v = rotate(a, b, c, s);
    return second ? v.y : v.x;
}

void main() {
    uint per = (p.head + 1) / 2, at = gl_GlobalInvocationID.x, i = gl_WorkGroupID.y;
    uint h = at / per, j = at % per;
    if (i >= inputs[0] || h * p.head >= p.k) return;
    uint head = i * p.k + h * p.head;
    bool both = 2 * j + 1 < p.head; // a head may have an odd number
    float a = turned(i, head, 2 * j), b = both ? turned(i, head, 2 * j + 1) : 0;
#ifdef STORE
    uint pos = inputs[p.pos + i];
    uint row = memory_row(inputs[p.table + i], pos);
    put(row * p.k + h * p.head + 2 * j, a, b, both);
#else
    y[head + 2 * j] = a;
    if (both) y[head + 2 * j + 1] = b;
#endif
}
