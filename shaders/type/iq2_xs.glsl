// IQ2_XS: blocks of 256 elements: a half d, 16 bits for each eight elements: nine for the
// place in the grid and seven of signs; eight bytes of scales s, a nibble for each 16
// elements. A packed row has the 64 bytes of all blocks, then all scales, then all d.
//
//	y = d·(2s + 1)/8 · ±grid
#define GRID 256
#include "lib/grid.glsl"
#include "lib/iq2.glsl"
#define HALVES 1
#define MINUS 1

void load_bytes(uint row, uint b, uint j, uint k, out uvec4 q[2]) {
    uvec2 v = pair_of(quad(row + b / 2), b & 1);
    for (uint i = 0; i < 2; i++)
        q[i] = uvec4(iq2(point(v[i] & 511u), signs7(v[i] >> 9)), iq2(point((v[i] >> 16) & 511u), signs7(v[i] >> 25)));
}

void load_scales(uint row, uint b, uint k, out vec3 s[1]) {
    uint blocks = k / 256, at = row + blocks * 4, g = b & 7;
    uvec2 eight = plane_pair(at, b / 8);
    uint two = (g < 4 ? eight.x : eight.y) >> (8 * (g & 3));
    float d = plane_half(at + plane(blocks, 8), b / 8);
    s[0] = vec3(iq2_scale(d, two), iq2_scale(d, two >> 4), 0);
}
