#version 450
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"

// RoPE: pair j < pairs of every head turned by the cosine and sine that the host
// computed for the token's position; the other elements are copied. A pair of
// elements an invocation, workgroups (pairs of the row, tokens).
//
//	y[2j]   = x[2j]·cos − x[2j+1]·sin
//	y[2j+1] = x[2j]·sin + x[2j+1]·cos

layout(push_constant) uniform Push {
    uint k;     // elements in a row, heads · head
    uint head;  // elements in a head
    uint pairs; // rotated pairs in a head
    uint turns; // word of the inputs where the cosines and sines begin, (tokens, pairs, 2)
} p;

layout(std430, binding = 1) writeonly restrict buffer Y { float y[]; };
layout(std430, binding = 2) readonly restrict buffer X { float x[]; };

void main() {
    uint per = (p.head + 1) / 2, at = gl_GlobalInvocationID.x, i = gl_WorkGroupID.y;
    uint h = at / per, j = at % per;
    if (i >= inputs[0] || h * p.head >= p.k) return;
    uint e = i * p.k + h * p.head + 2 * j;
    if (j >= p.pairs) {
        y[e] = x[e];
        if (2 * j + 1 < p.head) y[e + 1] = x[e + 1];
        return;
    }
    uint turn = p.turns + 2 * (i * p.pairs + j);
    float c = uintBitsToFloat(inputs[turn]), s = uintBitsToFloat(inputs[turn + 1]);
    float a = x[e], b = x[e + 1];
    y[e] = a * c - b * s;
    y[e + 1] = a * s + b * c;
}
