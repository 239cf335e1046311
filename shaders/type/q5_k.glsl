// Q5_K: blocks of 256 elements in 11 quads: d, dmin, scales; 2 quads qh; 8 quads
// qs. As Q4_K, with the fifth bit of element j of group g in bit g of byte j of qh.
//
//	y = d·scale·(q + 16·bit) − dmin·min
#include "lib/scales_k.glsl"
#define MINS 1
#define GROUPS 2
#define CHUNKS 2

// Unit u is pair u & 3 of block u / 4.
uint block_of(uint u, uint g) { return 2 * u + g; }
uvec2 unit_of(uint b) { return uvec2(b / 2, b & 1); }

void load_bytes(uint row, uint u, uint j, uint k, out uvec4 q[2]) {
    uint block = row + (u >> 2) * 11;
    uvec4 v = quad(block + 3 + 2 * (u & 3) + j), high = quad(block + 1 + j) >> (2 * (u & 3));
    q[0] = (v & 0x0f0f0f0fu) | ((high & 0x01010101u) << 4);
    q[1] = ((v >> 4) & 0x0f0f0f0fu) | ((high & 0x02020202u) << 3);
}

void load_scales(uint row, uint u, uint k, out vec3 s[2]) {
    vec2 pair[2];
    scales_k(quad(row + (u >> 2) * 11), u & 3, pair);
    s[0] = pair[0].xxy;
    s[1] = pair[1].xxy;
}
