#version 450
#extension GL_GOOGLE_include_directive : require
#include "lib/common.glsl"

// Gather: y[i] = x[want[i]], workgroups (elements, rows).

layout(push_constant) uniform Push {
    uint k;    // elements in a row
    uint want; // word of the inputs where the wanted rows begin
} p;

layout(std430, binding = 1) writeonly restrict buffer Y { float y[]; };
layout(std430, binding = 2) readonly restrict buffer X { float x[]; };

void main() {
    uint e = gl_GlobalInvocationID.x, i = gl_WorkGroupID.y;
    if (e < p.k && i < inputs[1]) y[i * p.k + e] = x[inputs[p.want + i] * p.k + e];
}
