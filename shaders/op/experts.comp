#version 450
#extension GL_GOOGLE_include_directive : require
#include "lib/common.glsl"

// Gathers the slots of all rows by their experts, in one workgroup, for products of many
// rows (lib/experts.glsl says what it writes): counts, places, tiles of at most `width`
// slots. In what order the slots of an expert lie is left open: no product depends on it.

layout(push_constant) uniform Push {
    uint n;     // experts, at most 1024
    uint count; // word of the inputs with the number of rows
    uint used;  // experts of a row
    uint width; // most slots of a tile
    uint slots; // word where slots begin
} p;

layout(std430, binding = 1) writeonly restrict buffer R { uint r[]; };
layout(std430, binding = 2) readonly restrict buffer Routes { uint routes[]; };

const uint MOST = 1024;
shared uint place[MOST];  // slots of each expert, then where its next one goes
shared uvec2 part[LOCAL]; // slots and tiles of an invocation's experts

uint expert_of(uint slot) { return routes[slot / p.used * 2 * p.used + slot % p.used]; }

void main() {
    uint lane = gl_LocalInvocationID.x, all = inputs[p.count] * p.used;
    for (uint e = lane; e < p.n; e += LOCAL) place[e] = 0;
    barrier();
    for (uint s = lane; s < all; s += LOCAL) atomicAdd(place[expert_of(s)], 1);
    barrier();
    uint each = (p.n + LOCAL - 1) / LOCAL, first = min(lane * each, p.n), end = min(first + each, p.n);
    uvec2 own = uvec2(0);
    for (uint e = first; e < end; e++) own += uvec2(place[e], (place[e] + p.width - 1) / p.width);
    part[lane] = own;
    barrier();
    uvec2 at = uvec2(0); // slots and tiles before
    for (uint l = 0; l < lane; l++) at += part[l];
    if (lane == LOCAL - 1) r[0] = at.y + own.y;
    for (uint e = first; e < end; e++) {
        uint has = place[e];
        place[e] = at.x;
        for (uint done = 0; done < has; done += p.width) {
            r[4 + 3 * at.y] = e;
            r[5 + 3 * at.y] = p.slots + at.x + done;
            r[6 + 3 * at.y] = min(p.width, has - done);
            at.y++;
        }
        at.x += has;
    }
    barrier();
    for (uint s = lane; s < all; s += LOCAL) r[p.slots + atomicAdd(place[expert_of(s)], 1)] = s;
}
