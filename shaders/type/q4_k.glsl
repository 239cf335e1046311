// Q4_K: blocks of 256 elements in 9 quads: d, dmin, scales; then 8 quads qs. Two
// groups of 32 elements share two quads, the even one in the low nibbles.
//
//	y = d·scale·q − dmin·min
#include "lib/scales_k.glsl"
#define MINS 1
#define GROUPS 2
#define CHUNKS 2

// Unit u is pair u & 3 of block u / 4.
uint block_of(uint u, uint g) { return 2 * u + g; }
uvec2 unit_of(uint b) { return uvec2(b / 2, b & 1); }

void load_bytes(uint row, uint u, uint j, uint k, out uvec4 q[2]) {
    uint block = row + (u >> 2) * 9;
    uvec4 v = quad(block + 1 + 2 * (u & 3) + j);
    q[0] = v & 0x0f0f0f0fu;
    q[1] = (v >> 4) & 0x0f0f0f0fu;
}

void load_scales(uint row, uint u, uint k, out vec3 s[2]) {
    vec2 pair[2];
    scales_k(quad(row + (u >> 2) * 9), u & 3, pair);
    s[0] = pair[0].xxy;
    s[1] = pair[1].xxy;
}
