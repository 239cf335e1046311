#version 450
#extension GL_GOOGLE_include_directive : require
#include "lib/common.glsl"
#include "lib/numerics.glsl"

// Add of a bias: z[i][e] = x[i][e] + flush(y[e]), workgroups (elements, rows).

layout(push_constant) uniform Push {
    uint k;     // elements in a row
    uint count; // word of the inputs with the number of rows
} p;

layout(std430, binding = 1) writeonly restrict buffer Z { float z[]; };
layout(std430, binding = 2) readonly restrict buffer X { float x[]; };
layout(std430, binding = 3) readonly restrict buffer Y { float y[]; };

void main() {
    uint e = gl_GlobalInvocationID.x, i = gl_WorkGroupID.y;
    if (e >= p.k || i >= inputs[p.count]) return;
    precise float v = x[i * p.k + e] + flush(y[e]);
    z[i * p.k + e] = v;
}
