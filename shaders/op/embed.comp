#version 450
#extension GL_GOOGLE_include_directive : require
#include "lib/common.glsl"

// Embed: y[i] = W[token[i]], a chunk an invocation, workgroups (chunks, tokens).
// It also decodes a norm's or a bias's vector that is not F32: its one row.

layout(constant_id = 1) const bool VECTOR = false; // decode row 0, whatever the tokens
layout(constant_id = 2) const bool TAIL = false;   // k is not whole chunks

layout(push_constant) uniform Push {
    uint k;      // elements in a row
    uint first;  // rows first … first + rows − 1 of the weight are in this part of it
    uint rows;
    uint quads;  // of 16 bytes in a row of W
    uint tokens; // word of the inputs where the token ids begin
} p;

layout(std430, binding = 1) writeonly buffer Y { vec4 y_quads[]; };
layout(std430, binding = 1) writeonly buffer Y1 { float y_floats[]; };
layout(std430, binding = 2) readonly restrict buffer W { uvec4 w_quads[]; };
uvec4 quad(uint i) { return w_quads[i]; }

#include "lib/weights.glsl"

void main() {
    uint c = gl_GlobalInvocationID.x, i = gl_WorkGroupID.y;
    if (c * CHUNK >= p.k || (!VECTOR && i >= inputs[0])) return;
    uint row = VECTOR ? 0 : inputs[p.tokens + i] - p.first; // wraps around below the part
    if (row >= p.rows) return;
    vec4 q[CHUNK / 4];
    vec2 s[GROUPS];
    load_chunk(row * p.quads, c, p.k, q, s);
    for (uint v = 0; v < CHUNK / 4; v++) {
        uint e = chunk_x(c, v / (GROUP / 4)) + 4 * (v % (GROUP / 4));
        vec4 w = weight(q, s, v);
        if (TAIL) {
            for (uint t = 0; t < 4; t++) if (e + t < p.k) y_floats[i * p.k + e + t] = w[t];
        } else {
            y_quads[(i * p.k + e) >> 2] = w;
        }
    }
}
