// IQ4_NL: blocks of 32 elements, a half d and 16 bytes qs, whose nibbles are places in
// a table of levels. A packed row has all qs (a quad a block), then all d.
//
//	y[j]    = d · level[qs[j] & 15]
//	y[j+16] = d · level[qs[j] >> 4]      j = 0…15
#include "lib/halves.glsl"
#include "lib/levels_iq4.glsl"
#define WIDE 1

void load_bytes(uint row, uint b, uint j, uint k, out uvec4 q[2]) {
    uvec4 v = quad(row + b);
    q[0] = levels4(v, levels_iq4);
    q[1] = levels4(v >> 4, levels_iq4);
}

void load_scales(uint row, uint b, uint k, out vec3 s[1]) {
    s[0] = vec3(half_at(quad(row + k / 32 + b / 8), b & 7), 0, 0);
}
