// Q6_K: blocks of 256 elements: 128 bytes ql, 64 bytes qh, 16 signed scales, a
// half d. A packed row has the first 13 quads of all blocks, then all d. Two
// halves of 128 elements; within one, element 32·k + j (k = 0…3, j = 0…31) has its
// low bits in ql[32·(k&1)+j] (the high nibble when k ≥ 2), its high bits in bits 2k
// of qh[j], and the scale of its group of 16.
//
//	y = d · scale · (q − 32)
//
// A chunk is one quad of ql: 16 elements of k = 0 or 1, 16 of k + 2.
#include "lib/halves.glsl"
#define CHUNK 32
#define GROUPS 2
#define SCALED 1
#define OFFSET 1

// Chunk c is quad c & 7 of block c / 8: half = bit 2, k = bit 1, j / 16 = bit 0.
uint chunk_x(uint c, uint g) { return (c >> 2) * 128 + (c & 3) * 16 + g * 64; }

void load_chunk(uint row, uint c, uint k, out vec4 q[8], out vec2 s[2]) {
    uint block = row + (c >> 3) * 13, hf = (c >> 2) & 1;
    uvec4 v = quad(block + (c & 7));
    uvec4 high = quad(block + 8 + hf * 2 + (c & 1)) >> (c & 2);
    uvec4 sc = quad(block + 12);
    float d = half_at(quad(row + (k >> 8) * 13 + (c >> 6)), (c >> 3) & 7);
    uvec4 lo = (v & 0x0f0f0f0fu) | ((high & 0x03030303u) << 4);
    uvec4 hi = ((v >> 4) & 0x0f0f0f0fu) | (high & 0x30303030u);
    q[0] = bytes(lo.x);
    q[1] = bytes(lo.y);
    q[2] = bytes(lo.z);
    q[3] = bytes(lo.w);
    q[4] = bytes(hi.x);
    q[5] = bytes(hi.y);
    q[6] = bytes(hi.z);
    q[7] = bytes(hi.w);
    ivec2 pair = ivec2(hf == 0 ? sc.xy : sc.zw) << (24 - 8 * int(c & 3));
    vec2 scale = d * vec2(pair >> 24);
    s[0] = vec2(scale.x, 32 * scale.x);
    s[1] = vec2(scale.y, 32 * scale.y);
}
