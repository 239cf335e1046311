// Q4_0: blocks of 32 elements, a half d and 16 bytes qs. A packed row has all qs
// (a quad a block), then all d.
//
//	y[j]    = d · ((qs[j] & 15) − 8)
//	y[j+16] = d · ((qs[j] >> 4) − 8)      j = 0…15
#include "lib/halves.glsl"
#define OFFSET 8

void load_bytes(uint row, uint b, uint j, uint k, out uvec4 q[2]) {
    uvec4 v = quad(row + b);
    q[0] = v & 0x0f0f0f0fu;
    q[1] = (v >> 4) & 0x0f0f0f0fu;
}

void load_scales(uint row, uint b, uint k, out vec3 s[1]) {
    s[0] = vec3(half_at(quad(row + k / 32 + b / 8), b & 7), 0, 0);
}
