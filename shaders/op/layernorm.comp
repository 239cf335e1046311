#version 450
#extension GL_GOOGLE_include_directive : require
#include "lib/common.glsl"
#include "lib/numerics.glsl"

// LayerNorm over each group of a row's elements, a head's or the whole row's, a workgroup a
// group, workgroups (groups of a row, rows):
//
//	d = flush(x − mean),  mean = Σx·inv
//	y = flush((d·r)·flush(w)),  r = rsqrt(Σd²·inv + eps)
//
// Both sums have 256 chains: element e is added to chain e mod 256, e rising; then
// neighbours are added until one is left (numerics.Mean, numerics.SumSquares).

layout(push_constant) uniform Push {
    uint k;     // elements in a row
    uint eps;   // float bits
    uint count; // word of the inputs with the number of rows
    uint inv;   // 1 / group, float bits
    uint group; // elements that are normed together, a divisor of k
    uint own;   // elements of w that a group has for itself: group, or 0 where all have the same
} p;

layout(std430, binding = 1) writeonly buffer Y { float y[]; };
layout(std430, binding = 2) readonly buffer X { float x[]; };
layout(std430, binding = 3) readonly buffer W { float w[]; };

const uint CHAINS = 256;
shared float chains[CHAINS];

float sum_of(float a, float b) {
    precise float s = a + b;
    return s;
}

float less(float x, float mean) {
    precise float d = x - mean;
    return flush(d);
}

// total adds neighbouring chains until one is left. An invocation may not go on before all
// have read it.
float total() {
    uint lane = gl_LocalInvocationID.x;
    for (uint step = 1; step < CHAINS; step *= 2) {
        barrier();
        for (uint c = 2 * step * lane; c < CHAINS; c += 2 * step * LOCAL) chains[c] = sum_of(chains[c], chains[c + step]);
    }
    barrier();
    float s = chains[0];
    barrier();
    return s;
}

void main() {
    uint i = gl_WorkGroupID.y, lane = gl_LocalInvocationID.x;
    uint at = i * p.k + gl_WorkGroupID.x * p.group, own = gl_WorkGroupID.x * p.own;
    if (i >= inputs[p.count]) return;
    float inv = uintBitsToFloat(p.inv);
    for (uint c = lane; c < CHAINS; c += LOCAL) {
        float sum = 0;
        for (uint e = c; e < p.group; e += CHAINS) sum = sum_of(sum, x[at + e]);
        chains[c] = sum;
    }
    precise float mean = total() * inv;
    for (uint c = lane; c < CHAINS; c += LOCAL) {
        float sum = 0;
        for (uint e = c; e < p.group; e += CHAINS) {
            float d = less(x[at + e], mean);
            sum = plus(sum, d, d);
        }
        chains[c] = sum;
    }
    precise float square = total() * inv;
    square = square + uintBitsToFloat(p.eps);
    float r = rsqrt(square);
    for (uint e = lane; e < p.group; e += LOCAL) {
        precise float v = less(x[at + e], mean) * r;
        v = v * flush(w[own + e]);
        y[at + e] = flush(v);
    }
}
