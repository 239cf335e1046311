// IQ2_XXS: blocks of 256 elements: a half d, and eight bytes for each 32 elements: 4 places
// in the grid, of eight elements each, then 32 bits: four times seven of signs, and the
// scale s. A packed row has all of these, then all d.
//
//	y = d·(2s + 1)/8 · ±grid
#define GRID 128
#include "lib/grid.glsl"
#include "lib/iq2.glsl"
#define WIDE 1

uvec2 eight_of(uint row, uint b) { return pair_of(quad(row + b / 2), b & 1); }

void load_bytes(uint row, uint b, uint j, uint k, out uvec4 q[2]) {
    uvec2 v = eight_of(row, b);
    for (uint i = 0; i < 2; i++) {
        uint at = v.x >> (16 * i), signs = v.y >> (14 * i);
        q[i] = uvec4(iq2(point(at & 255u), signs7(signs)), iq2(point((at >> 8) & 255u), signs7(signs >> 7)));
    }
}

void load_scales(uint row, uint b, uint k, out vec3 s[1]) {
    s[0] = vec3(iq2_scale(plane_half(row + k / 256 * 4, b / 8), eight_of(row, b).y >> 28), 0, 0);
}
