#version 450
#extension GL_GOOGLE_include_directive : require
#include "lib/common.glsl"

// Store: cache row of token i's position = x[i] as f16. Two elements, one word of
// the cache, an invocation; workgroups (words, tokens). k is even.

layout(push_constant) uniform Push {
    uint k;     // elements in a row
    uint pos;   // word of the inputs where the positions begin
    uint table; // where the places of the tokens' block tables begin
} p;

layout(std430, binding = 1) writeonly restrict buffer Cache { uint cache[]; };
layout(std430, binding = 2) readonly restrict buffer X { float x[]; };

#include "lib/half_bits.glsl"

void main() {
    uint e = gl_GlobalInvocationID.x, i = gl_WorkGroupID.y, words = p.k / 2;
    if (e >= words || i >= inputs[0]) return;
    uint pos = inputs[p.pos + i];
    uint row = memory_row(inputs[p.table + i], pos);
    uint at = i * p.k + 2 * e;
    cache[row * words + e] = half_bits(x[at]) | (half_bits(x[at + 1]) << 16);
}
