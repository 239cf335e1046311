// Q2_K: blocks of 256 elements: 16 bytes of scales (low nibbles) and minimums (high ones),
// 64 bytes qs, d and dmin (halves). A packed row has the first 80 bytes of all blocks, then
// all d and dmin. Two halves of 128 elements; within one, element 32·i + j (i = 0…3,
// j = 0…31) is bits 2i and 2i + 1 of qs[j].
//
//	y = d·scale·q − dmin·min
#include "lib/planes.glsl"
#define HALVES 1
#define MINS 1

void load_bytes(uint row, uint b, uint j, uint k, out uvec4 q[2]) {
    uint at = row + b / 8 * 5 + 1 + 2 * ((b >> 2) & 1), shift = 2 * (b & 3);
    q[0] = (quad(at) >> shift) & 0x03030303u;
    q[1] = (quad(at + 1) >> shift) & 0x03030303u;
}

void load_scales(uint row, uint b, uint k, out vec4 s[1]) {
    uint two = word_of(quad(row + b / 8 * 5), (b & 7) / 2) >> (16 * (b & 1));
    vec2 d = unpackHalf2x16(plane_word(row + k / 256 * 5, b / 8));
    ivec4 i = ivec4((uvec4(two) >> uvec4(0, 8, 4, 12)) & 15u);
    s[0] = vec4(d.xx * vec2(i.xy), d.yy * vec2(i.zw));
}
