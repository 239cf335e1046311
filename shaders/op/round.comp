#version 450
#extension GL_GOOGLE_include_directive : require
#include "lib/common.glsl"
#include "lib/numerics.glsl"

// Round: rows as matrix products take them (lib/round.glsl); x and y may be the same
// where they are not packed. A block an invocation, workgroups (blocks, rows).

layout(constant_id = 1) const bool TAIL = false; // k is not a multiple of 4
layout(constant_id = 2) const bool PACK = false; // k is a multiple of 32

layout(push_constant) uniform Push {
    uint k;     // elements in a row
    uint count; // word of the inputs with a number,
    uint times; // and how many rows there are for each of it
} p;

layout(std430, binding = 1) buffer Y { vec4 y[]; };
layout(std430, binding = 1) buffer Y1 { float y_floats[]; };
layout(std430, binding = 1) buffer Y4 { uvec4 y_quads[]; };
layout(std430, binding = 2) readonly buffer X { vec4 x[]; };
layout(std430, binding = 2) readonly buffer X1 { float x_floats[]; };

#include "lib/round.glsl"

void main() {
    uint b = gl_GlobalInvocationID.x, i = gl_WorkGroupID.y;
    if (b * 32 >= p.k || i >= inputs[p.count] * p.times) return;
    uint at = i * p.k + b * 32, n = min(p.k - b * 32, 32);
    if (TAIL) {
        uint largest = 0;
        float scale, inverse;
        for (uint e = 0; e < n; e++) largest = max(largest, floatBitsToUint(x_floats[at + e]) & 0x7fffffffu);
        block_scale(largest, scale, inverse);
        for (uint e = 0; e < n; e++) y_floats[at + e] = rounded(x_floats[at + e], scale, inverse);
        return;
    }
    vec4 v[8];
    for (uint e = 0; e < n / 4; e++) v[e] = x[at / 4 + e];
    put_block(at, v, n / 4);
}
