#version 450
#extension GL_GOOGLE_include_directive : require
#include "lib/common.glsl"
#include "lib/numerics.glsl"

// Combine: y[i][e] = flush(Σ w·x), over the experts of row i in the order of choice, from
// +0, w their weights, or flush(w·f) with a factor f of each; workgroups (elements, rows).

layout(constant_id = 1) const bool SCALE = false;

layout(push_constant) uniform Push {
    uint k;     // elements in a row of y
    uint count; // word of the inputs with the number of rows
    uint used;  // experts of a row
} p;

layout(std430, binding = 1) writeonly restrict buffer Y { float y[]; };
layout(std430, binding = 2) readonly restrict buffer X { float x[]; };
layout(std430, binding = 3) readonly restrict buffer Routes { uint routes[]; };
layout(std430, binding = 4) readonly restrict buffer S { float scale[]; };

float weight(uint i, uint j) {
    float w = uintBitsToFloat(routes[(2 * i + 1) * p.used + j]);
    if (!SCALE) return w;
    precise float s = w * flush(scale[routes[2 * i * p.used + j]]);
    return flush(s);
}

void main() {
    uint e = gl_GlobalInvocationID.x, i = gl_WorkGroupID.y;
    if (e >= p.k || i >= inputs[p.count]) return;
    float sum = 0;
    for (uint j = 0; j < p.used; j++)
        sum = plus(sum, weight(i, j), x[(i * p.used + j) * p.k + e]);
    y[i * p.k + e] = flush(sum);
}
