#version 450
#extension GL_GOOGLE_include_directive : require
#ifdef SUBGROUP
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_shader_subgroup_arithmetic : require
#endif
#include "lib/common.glsl"
#include "lib/reduce.glsl"

// RMSNorm, a workgroup a row: y = x / sqrt(mean(x²) + eps) · w.

layout(constant_id = 2) const bool TAIL = false; // k is not a multiple of 4

layout(push_constant) uniform Push {
    uint k;     // elements in a row
    uint eps;   // float bits
    uint count; // word of the inputs with the number of rows
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
    float eps = uintBitsToFloat(p.eps), sum = 0;
    if (TAIL) {
        for (uint e = gl_LocalInvocationID.x; e < p.k; e += LOCAL) {
            float v = x_floats[i * p.k + e];
            sum += v * v;
        }
    } else {
        vec4 sums = vec4(0);
        for (uint e = gl_LocalInvocationID.x; e < p.k / 4; e += LOCAL) {
            vec4 v = x[i * (p.k / 4) + e];
            sums += v * v;
        }
        sum = sum4(sums);
    }
    float scale = 1 / sqrt(reduce_add(sum) / float(p.k) + eps);
    if (TAIL) {
        for (uint e = gl_LocalInvocationID.x; e < p.k; e += LOCAL)
            y_floats[i * p.k + e] = x_floats[i * p.k + e] * scale * w_floats[e];
    } else {
        for (uint e = gl_LocalInvocationID.x; e < p.k / 4; e += LOCAL)
            y[i * (p.k / 4) + e] = x[i * (p.k / 4) + e] * scale * w[e];
    }
}
