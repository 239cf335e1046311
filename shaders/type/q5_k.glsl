// Q5_K: blocks of 256 elements in 11 quads: d, dmin, scales; 2 quads qh; 8 quads
// qs. As Q4_K, with the fifth bit of element j of group g in bit g of byte j of qh.
//
//	y = d·scale·(q + 16·bit) − dmin·min
#include "lib/scales_k.glsl"
#define CHUNK 32
#define GROUPS 2
#define SCALED 1
#define OFFSET 1

uint chunk_x(uint c, uint g) { return (c >> 1) * 64 + (c & 1) * 16 + g * 32; }

void load_chunk(uint row, uint c, uint k, out vec4 q[8], out vec2 s[2]) {
    uint block = row + (c >> 3) * 11, p = (c & 7) >> 1;
    uvec4 v = quad(block + 3 + (c & 7)), high = quad(block + 1 + (c & 1)) >> (2 * p);
    scales_k(quad(block), p, s);
    uvec4 lo = (v & 0x0f0f0f0fu) | ((high & 0x01010101u) << 4);
    uvec4 hi = ((v >> 4) & 0x0f0f0f0fu) | ((high & 0x02020202u) << 3);
    q[0] = bytes(lo.x);
    q[1] = bytes(lo.y);
    q[2] = bytes(lo.z);
    q[3] = bytes(lo.w);
    q[4] = bytes(hi.x);
    q[5] = bytes(hi.y);
    q[6] = bytes(hi.z);
    q[7] = bytes(hi.w);
}
