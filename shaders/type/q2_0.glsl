// Q2_0: blocks of 64 elements: a half d, 16 bytes qs of four elements each. A packed row has
// all qs (a quad a block), then all d.
//
//	y[j] = d · (q − 1), q bits 2·(j mod 4) and the next of qs[j/4]
#include "lib/planes.glsl"
#include "lib/spread.glsl"
#define OFFSET 1

void load_bytes(uint row, uint b, uint j, uint k, out uvec4 q[2]) {
    uvec2 v = pair_of(quad(row + b / 2), b & 1);
    q[0] = uvec4(spread2(v.x), spread2(v.x >> 8), spread2(v.x >> 16), spread2(v.x >> 24));
    q[1] = uvec4(spread2(v.y), spread2(v.y >> 8), spread2(v.y >> 16), spread2(v.y >> 24));
}

void load_scales(uint row, uint b, uint k, out vec3 s[1]) { s[0] = vec3(plane_half(row + k / 64, b / 2), 0, 0); }
