#version 450
#extension GL_GOOGLE_include_directive : require
#include "lib/common.glsl"
#include "lib/numerics.glsl"

// Add of a bias, or with MUL a product with a weight, of a row's elements, of one, or of a
// factor of each expert, workgroups (elements, rows):
//
//	z[i][e] = x[i][e] + flush(y[e])      z[i][e] = flush(x[i][e]·flush(y[e, 0 or the expert]))

layout(constant_id = 1) const bool MUL = false;
layout(constant_id = 2) const bool ONE = false; // y has one element
layout(constant_id = 3) const bool ROUTED = false; // y has one of each expert, of which a row has as many parts

layout(push_constant) uniform Push {
    uint k;     // elements in a row
    uint count; // word of the inputs with the number of rows
    uint used;  // experts of a row, with ROUTED
} p;

layout(std430, binding = 1) writeonly restrict buffer Z { float z[]; };
layout(std430, binding = 2) readonly restrict buffer X { float x[]; };
layout(std430, binding = 3) readonly restrict buffer Y { float y[]; };
layout(std430, binding = 4) readonly restrict buffer Routes { uint routes[]; };

void main() {
    uint e = gl_GlobalInvocationID.x, i = gl_WorkGroupID.y;
    if (e >= p.k || i >= inputs[p.count]) return;
    uint at = ONE ? 0 : e;
    if (ROUTED) at = routes[i * 2 * p.used + e / (p.k / p.used)];
    float by = flush(y[at]);
    precise float v = x[i * p.k + e] + by;
    precise float w = x[i * p.k + e] * by;
    z[i * p.k + e] = MUL ? flush(w) : v;
}
