// Q1_0: blocks of 128 elements: a half d, 128 bits qs. A packed row has all qs (a quad a
// block), then all d.
//
//	y[j] = d where bit j is set, else −d
#include "lib/planes.glsl"
#include "lib/spread.glsl"
#define OFFSET 1

void load_bytes(uint row, uint b, uint j, uint k, out uvec4 q[2]) {
    uint v = word_of(quad(row + b / 4), b & 3);
    q[0] = spread16(v) << 1;
    q[1] = spread16(v >> 16) << 1;
}

void load_scales(uint row, uint b, uint k, out vec3 s[1]) { s[0] = vec3(plane_half(row + k / 128, b / 4), 0, 0); }
