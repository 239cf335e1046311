// Q8_0: blocks of 32 elements, a half d and 32 signed bytes qs. A packed row has
// all qs (2 quads a block), then all d.
//
//	y[j] = d · qs[j]
#include "lib/halves.glsl"
#define WIDE 1

void load_bytes(uint row, uint b, uint j, uint k, out uvec4 q[2]) {
    q[0] = quad(row + 2 * b);
    q[1] = quad(row + 2 * b + 1);
}

void load_scales(uint row, uint b, uint k, out vec3 s[1]) {
    s[0] = vec3(half_at(quad(row + k / 16 + b / 8), b & 7), 0, 0);
}
