// Q5_1: blocks of 32 elements: d, m (halves), 32 bits qh, 16 bytes qs. A packed row has all
// qs (a quad a block), then all qh, then all d and m.
//
//	y[j]    = d · (qs[j] & 15 | qh[j]    << 4) + m
//	y[j+16] = d · (qs[j] >> 4 | qh[j+16] << 4) + m      j = 0…15
#include "lib/planes.glsl"
#include "lib/spread.glsl"
#define MINS 1

void load_bytes(uint row, uint b, uint j, uint k, out uvec4 q[2]) {
    uvec4 v = quad(row + b);
    uint high = plane_word(row + k / 32, b);
    q[0] = (v & 0x0f0f0f0fu) | (spread16(high) << 4);
    q[1] = ((v >> 4) & 0x0f0f0f0fu) | (spread16(high >> 16) << 4);
}

void load_scales(uint row, uint b, uint k, out vec3 s[1]) {
    vec2 dm = unpackHalf2x16(plane_word(row + k / 32 + plane(k / 32, 4), b));
    s[0] = vec3(dm.xx, -dm.y);
}
