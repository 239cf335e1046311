#version 450
#extension GL_GOOGLE_include_directive : require
#include "lib/common.glsl"
#include "lib/numerics.glsl"

// RMSNorm over each group of a row's elements (a head's, or the whole row), which all
// have the same weight; a workgroup a group, workgroups (rows, groups of a row):
//
//	y = flush((x·r)·flush(w)),  r = rsqrt(Σx²·inv + eps)
//
// Σx² has 256 chains: element e is added to chain e mod 256, e rising; then neighbours
// are added until one is left (numerics.SumSquares). An invocation takes four
// neighbouring chains at a time, whatever the workgroup's size. With ROUND the rows go to
// products alone and are rounded at once (lib/round.glsl): blocks of 32, of which a group
// is whole ones.

// What weights the groups have: with BARE there is none; with UNIT too, inv is 1, which
// makes it L2Norm, and elements beyond the groups are copied.
const uint SHARED = 0, OWN = 1, UNIT = 2, BARE = 3;

layout(constant_id = 1) const bool TAIL = false;  // a group is not a multiple of 4
layout(constant_id = 2) const uint KIND = SHARED;
#ifdef ROUND
layout(constant_id = 3) const bool PACK = false;
#endif

layout(push_constant) uniform Push {
    uint k;     // elements in a row
    uint eps;   // float bits
    uint count; // word of the inputs with the number of rows
    uint group; // elements that are normed together, a divisor of k
    uint inv;   // 1 / group, float bits
    uint groups;
} p;

layout(std430, binding = 1) writeonly buffer Y { vec4 y[]; };
layout(std430, binding = 1) writeonly buffer Y1 { float y_floats[]; };
layout(std430, binding = 1) writeonly buffer Y4 { uvec4 y_quads[]; };
layout(std430, binding = 2) readonly buffer X { vec4 x[]; };
layout(std430, binding = 2) readonly buffer X1 { float x_floats[]; };
layout(std430, binding = 3) readonly buffer W { vec4 w[]; };
layout(std430, binding = 3) readonly buffer W1 { float w_floats[]; };

#ifdef ROUND
#include "lib/round.glsl"
#endif

const uint FOURS = 64;  // of chains
shared float fours[FOURS]; // the sums of four neighbours; of eight times as many at every eighth

// x_at returns four elements from e on of the group that begins at `at`, zeros beyond it.
vec4 x_at(uint at, uint e) {
    if (!TAIL) return x[(at + e) / 4];
    vec4 v = vec4(0);
    for (uint t = 0; t < 4; t++) if (e + t < p.group) v[t] = x_floats[at + e + t];
    return v;
}

float sum4_of(vec4 v) {
    precise float a = v.x + v.y;
    precise float b = v.z + v.w;
    precise float s = a + b;
    return s;
}

// eight adds eight of fours, `step` apart.
float eight(uint at, uint step) {
    precise float a = sum4_of(vec4(fours[at], fours[at + step], fours[at + 2 * step], fours[at + 3 * step]));
    precise float b = sum4_of(vec4(fours[at + 4 * step], fours[at + 5 * step], fours[at + 6 * step], fours[at + 7 * step]));
    precise float s = a + b;
    return s;
}

vec4 normed(vec4 x, float r, vec4 weight) {
    precise vec4 v = x * r;
    if (KIND < UNIT) v = v * flush(weight);
    return flush(v);
}

void main() {
    uint i = gl_WorkGroupID.x, lane = gl_LocalInvocationID.x;
    if (i >= inputs[p.count]) return;
    uint at = i * p.k + gl_WorkGroupID.y * p.group, own = KIND == OWN ? gl_WorkGroupID.y * p.group : 0;
    if (KIND == UNIT && gl_WorkGroupID.y >= p.groups) {
        uint n = min(p.group, p.k - gl_WorkGroupID.y * p.group);
        for (uint e = lane; e < n; e += LOCAL) y_floats[at + e] = x_floats[at + e];
        return;
    }
    for (uint c = lane; c < FOURS; c += LOCAL) {
        vec4 sum = vec4(0);
        for (uint e = 4 * c; e < p.group; e += 4 * FOURS) {
            vec4 v = x_at(at, e);
            precise vec4 square = v * v;
            precise vec4 more = sum + square;
            sum = more;
        }
        fours[c] = sum4_of(sum);
    }
    barrier();
    for (uint c = lane; c < 8; c += LOCAL) fours[8 * c] = eight(8 * c, 1);
    barrier();
    precise float mean = eight(0, 8) * uintBitsToFloat(p.inv);
    mean = mean + uintBitsToFloat(p.eps);
    float r = rsqrt(mean);
#ifdef ROUND
    for (uint b = lane; b < p.group / 32; b += LOCAL) {
        vec4 v[8];
        for (uint e = 0; e < 8; e++) v[e] = normed(x_at(at, 32 * b + 4 * e), r, w[own / 4 + 8 * b + e]);
        put_block(at + 32 * b, v, 8);
    }
#else
    for (uint e = 4 * lane; e < p.group; e += 4 * LOCAL) {
        vec4 weight = vec4(1);
        if (KIND < UNIT) {
            if (TAIL) {
                for (uint t = 0; t < 4; t++) if (e + t < p.group) weight[t] = w_floats[own + e + t];
            } else {
                weight = w[(own + e) / 4];
            }
        }
        vec4 v = normed(x_at(at, e), r, weight);
        if (TAIL) {
            for (uint t = 0; t < 4; t++) if (e + t < p.group) y_floats[at + e + t] = v[t];
        } else {
            y[(at + e) / 4] = v;
        }
    }
#endif
}
