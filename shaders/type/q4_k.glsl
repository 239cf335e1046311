// Q4_K: blocks of 256 elements in 9 quads: d, dmin, scales; then 8 quads qs. Two
// groups of 32 elements share two quads, the even one in the low nibbles.
//
//	y = d·scale·q − dmin·min
//
// A chunk is one quad of qs: 16 elements of group 2p, 16 of group 2p + 1.
#include "lib/scales_k.glsl"
#define CHUNK 32
#define GROUPS 2
#define SCALED 1
#define OFFSET 1

// Chunk c is quad c & 7 of block c / 8: pair p = quad / 2, half = quad & 1.
uint chunk_x(uint c, uint g) { return (c >> 1) * 64 + (c & 1) * 16 + g * 32; }

void load_chunk(uint row, uint c, uint k, out vec4 q[8], out vec2 s[2]) {
    uint block = row + (c >> 3) * 9;
    uvec4 v = quad(block + 1 + (c & 7));
    scales_k(quad(block), (c & 7) >> 1, s);
    uvec4 lo = v & 0x0f0f0f0fu, hi = (v >> 4) & 0x0f0f0f0fu;
    q[0] = bytes(lo.x);
    q[1] = bytes(lo.y);
    q[2] = bytes(lo.z);
    q[3] = bytes(lo.w);
    q[4] = bytes(hi.x);
    q[5] = bytes(hi.y);
    q[6] = bytes(hi.z);
    q[7] = bytes(hi.w);
}
