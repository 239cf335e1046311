// Q3_K: blocks of 256 elements: 32 bytes hmask, 64 bytes qs, 12 bytes of 6-bit scales, one
// for each 16 elements, a half d. A packed row has the first 96 bytes of all blocks, then
// the next eight, the next four, and d. Two halves of 128 elements; within half h, element
// 32·i + j (i = 0…3, j = 0…31) has its low bits in bits 2i and 2i + 1 of qs[j], and its
// high one in bit 4h + i of hmask[j]. Scale i (0…15) has its low four bits in a nibble of
// byte i mod 8, its high two in bits 2·(i/4) of byte 8 + i mod 4.
//
//	y = d · (scale − 32) · (q + 4·bit − 4)
#include "lib/planes.glsl"
#define HALVES 1
#define OFFSET 4

void load_bytes(uint row, uint b, uint j, uint k, out uvec4 q[2]) {
    uint at = row + b / 8 * 6, low = at + 2 + 2 * ((b >> 2) & 1), shift = 2 * (b & 3);
    for (uint i = 0; i < 2; i++)
        q[i] = ((quad(low + i) >> shift) & 0x03030303u) | (((quad(at + i) >> (b & 7)) & 0x01010101u) << 2);
}

void load_scales(uint row, uint b, uint k, out vec3 s[1]) {
    uint blocks = k / 256, at = row + blocks * 6, more = at + plane(blocks, 8), g = b & 7;
    uvec2 eight = plane_pair(at, b / 8);
    uint low = ((g & 2) == 0 ? eight.x : eight.y) >> (16 * (g & 1) + (g & 4));
    uint high = plane_word(more, b / 8) >> (16 * (g & 1) + 2 * (g / 2));
    uint two = (low & 0x0f0fu) | ((high & 0x0303u) << 4);
    float d = plane_half(more + plane(blocks, 4), b / 8);
    s[0] = vec3(d * vec2(ivec2(two & 255u, two >> 8) - 32), 0);
}
