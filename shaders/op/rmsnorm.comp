#version 450
#extension GL_GOOGLE_include_directive : require
#ifdef SUBGROUP
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_shader_subgroup_arithmetic : require
#endif
#include "lib/common.glsl"
#include "lib/reduce.glsl"

// RMSNorm: y = x / sqrt(mean(x²) + eps) · w, over each group of a row's elements (a
// head's, or the whole row), which all have the same weight; a workgroup a group,
// workgroups (rows, groups of a row).

layout(constant_id = 2) const bool TAIL = false; // a group is not a multiple of 4

layout(push_constant) uniform Push {
    uint k;     // elements in a row
    uint eps;   // float bits
    uint count; // word of the inputs with the number of rows
    uint group; // elements that are normed together, a divisor of k; 0 for all
} p;

layout(std430, binding = 1) writeonly buffer Y { vec4 y[]; };
layout(std430, binding = 1) writeonly buffer Y1 { float y_floats[]; };
layout(std430, binding = 2) readonly buffer X { vec4 x[]; };
layout(std430, binding = 2) readonly buffer X1 { float x_floats[]; };
layout(std430, binding = 3) readonly buffer W { vec4 w[]; };
layout(std430, binding = 3) readonly buffer W1 { float w_floats[]; };

void main() {
    uint i = gl_WorkGroupID.x;
    if (i >= inputs[p.count]) return;
    uint n = p.group == 0 ? p.k : p.group, at = i * p.k + gl_WorkGroupID.y * n;
    float eps = uintBitsToFloat(p.eps), sum = 0;
    if (TAIL) {
        for (uint e = gl_LocalInvocationID.x; e < n; e += LOCAL) {
            float v = x_floats[at + e];
            sum += v * v;
        }
    } else {
        vec4 sums = vec4(0);
        for (uint e = gl_LocalInvocationID.x; e < n / 4; e += LOCAL) {
            vec4 v = x[at / 4 + e];
            sums += v * v;
        }
        sum = sum4(sums);
    }
    float scale = 1 / sqrt(reduce_add(sum) / float(n) + eps);
    if (TAIL) {
        for (uint e = gl_LocalInvocationID.x; e < n; e += LOCAL)
            y_floats[at + e] = x_floats[at + e] * scale * w_floats[e];
    } else {
        for (uint e = gl_LocalInvocationID.x; e < n / 4; e += LOCAL)
            y[at / 4 + e] = x[at / 4 + e] * scale * w[e];
    }
}
