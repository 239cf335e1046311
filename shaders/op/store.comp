#version 450
#extension GL_GOOGLE_include_directive : require
#include "lib/common.glsl"

// Store: the memory row of token i's position = x[i], rounded to the memory's type.
// Two elements an invocation, which are one word of f16 memory; workgroups (pairs,
// tokens). Of f16 memory k is even.

layout(constant_id = 1) const bool WIDE = false; // the memory is F32, not F16

layout(push_constant) uniform Push {
    uint k;     // elements in a row
    uint pos;   // word of the inputs where the positions begin
    uint table; // where the places of the tokens' block tables begin
} p;

layout(std430, binding = 1) writeonly restrict buffer Memory { uint memory[]; };
layout(std430, binding = 2) readonly restrict buffer X { float x[]; };

#include "lib/memory.glsl"

void main() {
    uint e = 2 * gl_GlobalInvocationID.x, i = gl_WorkGroupID.y;
    if (e >= p.k || i >= inputs[0]) return;
    uint pos = inputs[p.pos + i];
    uint row = memory_row(inputs[p.table + i], pos);
    uint at = i * p.k + e;
    bool both = e + 1 < p.k;
    put(row * p.k + e, x[at], both ? x[at + 1] : 0, both);
}
