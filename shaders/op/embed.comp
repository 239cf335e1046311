#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "lib/common.glsl"

// Embed: y[i] = flush(W[token[i]]), a piece an invocation, workgroups (pieces, tokens).
// With GIVEN a token without an id, −1, takes its row from the inputs. It also decodes
// a norm's or a bias's vector that is not F32: its one row.

layout(constant_id = 1) const bool VECTOR = false; // decode row 0, whatever the tokens
layout(constant_id = 2) const bool TAIL = false;   // k is not whole pieces
layout(constant_id = 3) const bool GIVEN = false;  // tokens may have rows of their own

layout(push_constant) uniform Push {
    uint k;      // elements in a row
    uint first;  // rows first … first + rows − 1 of the weight are in this part of it
    uint rows;
    uint quads;  // of 16 bytes in a row of W
    uint tokens; // word of the inputs where the token ids begin
    uint given;  // and the rows of tokens without id, (tokens, k) floats, token i's at i·k
} p;

layout(std430, binding = 1) writeonly buffer Y { vec4 y_quads[]; };
layout(std430, binding = 1) writeonly buffer Y1 { float y_floats[]; };
layout(std430, binding = 2) readonly restrict buffer W { uvec4 w_quads[]; };
uvec4 quad(uint i) { return w_quads[i]; }

#include "lib/weights.glsl"

// given_at returns four elements from e on of token i's own row.
vec4 given_at(uint i, uint e) {
    vec4 v = vec4(0);
    for (uint t = 0; t < 4; t++) if (!TAIL || e + t < p.k) v[t] = uintBitsToFloat(inputs[p.given + i * p.k + e + t]);
    return v;
}

void main() {
    prepare();
    uint c = gl_GlobalInvocationID.x, i = gl_WorkGroupID.y;
    if (c * PIECE >= p.k || (!VECTOR && i >= inputs[0])) return;
    uint id = VECTOR ? p.first : inputs[p.tokens + i], row = id - p.first; // wraps around below the part
    bool own = GIVEN && !VECTOR && int(id) < 0;
    if (own ? p.first > 0 : row >= p.rows) return; // the first part writes the token's own row
    vec4 w[PIECE / 4];
    if (own)
        for (uint v = 0; v < PIECE / 4; v++) w[v] = given_at(i, c * PIECE + 4 * v);
    else {
#if FLOATS
        load_octet(row * p.quads, c, p.k, w);
#else
        vec4 q[NQ];
        SCALES s;
        load_block(row * p.quads, c, p.k, q, s);
        for (uint v = 0; v < 8; v++) {
#if WIDE
            q[v] += 16 * q[v + 8];
#endif
            precise vec4 y = (HALVES == 1 && v >= 4 ? s.y : s.x) * q[v]; // exact
#if TWO_MINS
            y = y - (v >= 4 ? s.w : s.z);
#elif MINS
            y = y - s.z;
#endif
            w[v] = y;
        }
#endif
    }
    for (uint v = 0; v < PIECE / 4; v++) {
        uint e = c * PIECE + 4 * v;
        vec4 y = flush(w[v]);
        if (TAIL) {
            for (uint t = 0; t < 4; t++) if (e + t < p.k) y_floats[i * p.k + e + t] = y[t];
        } else {
            y_quads[(i * p.k + e) >> 2] = y;
        }
    }
}
