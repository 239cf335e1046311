#version 450
#extension GL_GOOGLE_include_directive : require
#include "lib/common.glsl"

// Writes what products with experts are told (lib/experts.glsl), where each head of a row
// goes to the matrix of its number: what route.comp would have written or, with TILES, what
// experts.comp would. An invocation a slot, and a tile.

layout(constant_id = 1) const bool TILES = false;

layout(push_constant) uniform Push {
    uint heads;
    uint count; // word of the inputs with the number of rows
    uint width; // most slots of a tile
    uint slots; // word where slots begin
} p;

layout(std430, binding = 1) writeonly restrict buffer R { uint r[]; };

void main() {
    uint s = gl_GlobalInvocationID.x, n = inputs[p.count];
    if (s >= n * p.heads) return;
    if (!TILES) {
        r[s / p.heads * 2 * p.heads + s % p.heads] = s % p.heads;
        return;
    }
    r[p.slots + s] = s % n * p.heads + s / n;
    uint each = (n + p.width - 1) / p.width; // tiles of a head
    if (s == 0) r[0] = p.heads * each;
    if (s >= p.heads * each) return;
    uint done = s % each * p.width;
    r[4 + 3 * s] = s / each;
    r[5 + 3 * s] = p.slots + s / each * n + done;
    r[6 + 3 * s] = min(p.width, n - done);
}
