// IQ4_XS: blocks of 256 elements: a half d, 16 bits scales_h, 4 bytes scales_l, 128 bytes
// qs. A packed row has all qs, then the eight other bytes of all blocks. Eight groups of 32
// elements, each of 16 bytes as in IQ4_NL; the scale of group g has its low bits in nibble
// g of scales_l, its high ones in bits 2g of scales_h.
//
//	y[j]    = d · (scale − 32) · level[qs[j] & 15]
//	y[j+16] = d · (scale − 32) · level[qs[j] >> 4]      j = 0…15
#include "lib/planes.glsl"
#include "lib/levels_iq4.glsl"
#define WIDE 1

void load_bytes(uint row, uint b, uint j, uint k, out uvec4 q[2]) {
    uvec4 v = quad(row + b);
    q[0] = levels4(v, levels_iq4);
    q[1] = levels4(v >> 4, levels_iq4);
}

void load_scales(uint row, uint b, uint k, out vec3 s[1]) {
    uvec2 head = plane_pair(row + k / 32, b / 8);
    uint g = b & 7, scale = ((head.y >> (4 * g)) & 15u) | (((head.x >> (16 + 2 * g)) & 3u) << 4);
    s[0] = vec3(unpackHalf2x16(head.x).x * float(int(scale) - 32), 0, 0);
}
