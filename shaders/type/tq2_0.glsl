// TQ2_0: blocks of 256 elements: 64 bytes qs, a half d. A packed row has all qs, then all d.
// Two halves of 128 elements; within one, element 32·i + j (i = 0…3, j = 0…31) is bits 2i
// and 2i + 1 of qs[j].
//
//	y = d · (q − 1)
#include "lib/planes.glsl"
#define OFFSET 1

void load_bytes(uint row, uint b, uint j, uint k, out uvec4 q[2]) {
    uint at = row + b / 4 * 2, shift = 2 * (b & 3);
    q[0] = (quad(at) >> shift) & 0x03030303u;
    q[1] = (quad(at + 1) >> shift) & 0x03030303u;
}

void load_scales(uint row, uint b, uint k, out vec3 s[1]) { s[0] = vec3(plane_half(row + k / 256 * 4, b / 8), 0, 0); }
