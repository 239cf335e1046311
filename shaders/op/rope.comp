#version 450
#extension GL_GOOGLE_include_directive : require
#include "lib/common.glsl"

// RoPE: pair j < pairs of every head turned by the cosine and sine that the host
// computed for the token's position; the other elements are copied. A pair of
// elements an invocation, workgroups (pairs of the row, tokens).
//
//	y[2j]   = x[2j]·cos − x[2j+1]·sin
//	y[2j+1] = x[2j]·sin + x[2j+1]·cos
//
// With STORE the pair goes to memory at once, as store.comp would put it; of f16
// memory a head has an even number of elements.

#ifdef STORE
layout(constant_id = 1) const bool WIDE = false; // the memory is F32, not F16
#endif

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

void main() {
    uint per = (p.head + 1) / 2, at = gl_GlobalInvocationID.x, i = gl_WorkGroupID.y;
    uint h = at / per, j = at % per;
    if (i >= inputs[0] || h * p.head >= p.k) return;
    uint e = i * p.k + h * p.head + 2 * j;
    bool pair = 2 * j + 1 < p.head; // a head may end with half a pair
    float a = x[e], b = pair ? x[e + 1] : 0;
    if (j < p.pairs) {
        uint turn = p.turns + 2 * (i * p.pairs + j);
        float c = uintBitsToFloat(inputs[turn]), s = uintBitsToFloat(inputs[turn + 1]), was = a;
        a = was * c - b * s;
        b = was * s + b * c;
    }
#ifdef STORE
    uint pos = inputs[p.pos + i];
    uint row = memory_row(inputs[p.table + i], pos);
    put(row * p.k + h * p.head + 2 * j, a, b, pair);
#else
    y[e] = a;
    if (pair) y[e + 1] = b;
#endif
}
