// IQ3_XXS: blocks of 256 elements: a half d; 64 places in the grid, of four elements each;
// 32 bits for each 32 elements: four times seven of signs, and the scale s. A packed row has
// the last 96 bytes of all blocks, then all d.
//
//	y = d·(2s + 1)/4 · ±grid
#define GRID 128
#include "lib/grid.glsl"
#include "lib/planes.glsl"
#include "lib/spread.glsl"
#include "lib/signs.glsl"
#define WIDE 1

// four_of returns the elements of a point with their signs: levels 4, 12 … 52, 62.
uint four_of(uint place, uint signs) {
    uint l = spread4(point(place & 255u));
    return negated(0x04040404u + l * 8 + ((l & (l >> 1) & (l >> 2) & 0x01010101u) << 1), signs);
}

uint more_of(uint row, uint b) { return word_of(quad(row + b / 8 * 6 + 4 + (b & 7) / 4), b & 3); }

void load_bytes(uint row, uint b, uint j, uint k, out uvec4 q[2]) {
    uvec2 v = pair_of(quad(row + b / 8 * 6 + (b & 7) / 2), b & 1);
    uint more = more_of(row, b);
    for (uint i = 0; i < 2; i++) {
        uint first = signs7(more >> (14 * i)), second = signs7(more >> (14 * i + 7));
        q[i] = uvec4(four_of(v[i], first), four_of(v[i] >> 8, first >> 4), four_of(v[i] >> 16, second), four_of(v[i] >> 24, second >> 4));
    }
}

void load_scales(uint row, uint b, uint k, out vec3 s[1]) {
    float d = plane_half(row + k / 256 * 6, b / 8);
    s[0] = vec3(d * (float(int(2 * (more_of(row, b) >> 28) + 1)) * 0.25), 0, 0);
}
