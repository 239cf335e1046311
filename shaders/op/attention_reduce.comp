#version 450
#extension GL_GOOGLE_include_directive : require
#include "lib/common.glsl"
#include "lib/numerics.glsl"

// Merges the spans that attention left where workgroups take one each, in order of
// position. A workgroup a row (token, head), x = head, y = token; an invocation an
// element d:
//
//	M, a, b = merge(M, M[s]);  L = L·a + L[s]·b;  O = flush(O·a + O[s]·b)    s rising
//	y[d] = flush(O·recip(L))
//
// with SINKS after one more merge, of the head's sink, whose O is 0;
// rounded at once with ROUND, as attention does.

layout(constant_id = 5) const uint DIMV = 64;
layout(constant_id = 10) const bool ROUND = false;
layout(constant_id = 11) const bool PACK = false;
layout(constant_id = 13) const bool SINKS = false;

layout(push_constant) uniform Push {
    uint heads;  // nHead
    uint spans;  // of a token in `part`
    uint pos;    // word of the inputs where positions begin
    uint window; // of lib/window.glsl
} p;

layout(std430, binding = 1) writeonly buffer Y { vec4 y[]; };
layout(std430, binding = 1) writeonly buffer Y1 { float y_floats[]; };
layout(std430, binding = 1) writeonly buffer Y4 { uvec4 y_quads[]; };
layout(std430, binding = 2) readonly restrict buffer Part { float part[]; }; // (tokens·heads, spans, DIMV + 2): M, L, O

layout(std430, binding = 3) readonly buffer Sinks { float sinks[]; };         // (heads), with SINKS

#include "lib/window.glsl"
#include "lib/round.glsl"

shared vec4 row_of_y[ROUND ? DIMV / 4 : 1];

void main() {
    uint i = gl_WorkGroupID.y;
    if (i >= inputs[0]) return;
    uint pos = inputs[p.pos + i], n = pos / SPAN - first_seen(pos) / SPAN + 1;
    if (n == 1) return; // attention wrote the answer
    uint row = i * p.heads + gl_WorkGroupID.x, at = row * p.spans * (DIMV + 2);
    for (uint d = gl_LocalInvocationID.x; d < DIMV; d += LOCAL) {
        float most = part[at], total = part[at + 1], value = part[at + 2 + d];
        for (uint s = 1; s < n; s++) {
            uint o = at + s * (DIMV + 2);
            vec3 f = merge(most, part[o]);
            most = f.x;
            total = merged(total, f.y, part[o + 1], f.z);
            value = flush(merged(value, f.y, part[o + 2 + d], f.z));
        }
        if (SINKS) {
            vec2 own = sink(flush(sinks[gl_WorkGroupID.x]));
            vec3 f = merge(most, own.x);
            total = merged(total, f.y, own.y, f.z);
            precise float less = value * f.y;
            value = flush(less);
        }
        precise float v = value * recip(total);
        if (ROUND)
            row_of_y[d / 4][d % 4] = flush(v);
        else
            y_floats[row * DIMV + d] = flush(v);
    }
    if (!ROUND) return;
    barrier();
    for (uint b = gl_LocalInvocationID.x; b < DIMV / 32; b += LOCAL) {
        vec4 v[8];
        for (uint e = 0; e < 8; e++) v[e] = row_of_y[b * 8 + e];
        put_block(row * DIMV + b * 32, v, 8);
    }
}
