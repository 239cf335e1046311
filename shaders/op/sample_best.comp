#version 450
#extension GL_GOOGLE_include_directive : require
#include "lib/common.glsl"
#include "lib/rank.glsl"

// The first half of Sample: the best of each stripe of a row of logits, elements
// s, s + stripes, s + 2·stripes, …; a stripe an invocation, workgroups (stripes, rows).

layout(push_constant) uniform Push {
    uint k;       // logits in a row
    uint stripes;
} p;

layout(std430, binding = 1) writeonly restrict buffer Best { uvec2 best[]; }; // (rows, stripes): rank, id
layout(std430, binding = 2) readonly restrict buffer X { float x[]; };

void main() {
    uint stripe = gl_GlobalInvocationID.x, i = gl_WorkGroupID.y;
    if (stripe >= p.stripes || i >= inputs[1]) return;
    uvec2 b = uvec2(0, 0xffffffffu);
    for (uint e = stripe; e < p.k; e += p.stripes) {
        uvec2 c = uvec2(rank_of(x[i * p.k + e]), e);
        if (before(c, b)) b = c;
    }
    best[i * p.stripes + stripe] = b;
}
