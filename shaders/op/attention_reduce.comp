#version 450
#extension GL_GOOGLE_include_directive : require
#include "lib/common.glsl"

// Adds up the sums that attention left where a context is longer than one split.
// A workgroup a row (token, head), x = head, y = token; an invocation an element:
//
//	top = max_s part[s].top,  w[s] = exp(part[s].top − top)
//	y[d] = Σ_s w[s]·part[s].values[d] / Σ_s w[s]·part[s].sum

layout(constant_id = 5) const uint DIMV = 64;

layout(push_constant) uniform Push {
    uint heads;  // nHead
    uint split;  // fewest positions of a split
    uint splits; // most splits of a context
    uint pos;    // word of the inputs where positions begin
    uint window; // positions a token sees, its own included; 0 for all
} p;

layout(std430, binding = 1) writeonly restrict buffer Y { float y[]; };
layout(std430, binding = 2) readonly restrict buffer Part { float part[]; };

#include "lib/split.glsl"

void main() {
    uint i = gl_WorkGroupID.y;
    if (i >= inputs[0]) return;
    uint pos = inputs[p.pos + i], seen = pos + 1 - first_seen(pos);
    uint split = split_of(seen), n = (seen + split - 1) / split;
    if (n == 1) return; // attention wrote the answer
    uint row = i * p.heads + gl_WorkGroupID.x, at = row * p.splits * (DIMV + 2);
    float top = part[at];
    for (uint s = 1; s < n; s++) top = max(top, part[at + s * (DIMV + 2)]);
    for (uint d = gl_LocalInvocationID.x; d < DIMV; d += LOCAL) {
        float total = 0, v = 0;
        for (uint s = 0; s < n; s++) {
            uint o = at + s * (DIMV + 2);
            float w = exp(part[o] - top);
            total += w * part[o + 1];
            v += w * part[o + 2 + d];
        }
        y[row * DIMV + d] = v / total;
    }
}
