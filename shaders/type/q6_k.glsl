// Q6_K: blocks of 256 elements: 128 bytes ql, 64 bytes qh, 16 signed scales, a
// half d. A packed row has the first 13 quads of all blocks, then all d. Two
// halves of 128 elements; within one, element 32·k + j (k = 0…3, j = 0…31) has its
// low bits in ql[32·(k&1)+j] (the high nibble when k ≥ 2), its high bits in bits 2k
// of qh[j], and the scale of its group of 16.
//
//	y = d · scale · (q − 32)
#include "lib/halves.glsl"
#define HALVES 1
#define OFFSET 32
#define GROUPS 2
#define CHUNKS 2

// Unit u is groups k and k + 2 of a half, which share their bytes: bit 0 is k, bit 1 the
// half, the rest the block.
uint block_of(uint u, uint g) { return (u >> 1) * 4 + (u & 1) + 2 * g; }
uvec2 unit_of(uint b) { return uvec2((b >> 2) * 2 + (b & 1), (b >> 1) & 1); }

void load_bytes(uint row, uint u, uint j, uint k, out uvec4 q[2]) {
    uint block = row + (u >> 2) * 13;
    uvec4 v = quad(block + 2 * (u & 3) + j), high = quad(block + 8 + (u & 2) + j) >> (2 * (u & 1));
    q[0] = (v & 0x0f0f0f0fu) | ((high & 0x03030303u) << 4);
    q[1] = ((v >> 4) & 0x0f0f0f0fu) | (high & 0x30303030u);
}

void load_scales(uint row, uint u, uint k, out vec3 s[2]) {
    float d = half_at(quad(row + (k >> 8) * 13 + (u >> 5)), (u >> 2) & 7);
    uvec4 all = quad(row + (u >> 2) * 13 + 12); // two bytes a group
    uvec2 four = ((u & 2) == 0 ? all.xy : all.zw) >> (16 * (u & 1));
    s[0] = vec3(d * vec2((ivec2(four.x) << ivec2(24, 16)) >> 24), 0);
    s[1] = vec3(d * vec2((ivec2(four.y) << ivec2(24, 16)) >> 24), 0);
}
