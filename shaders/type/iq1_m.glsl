// IQ1_M: blocks of 256 elements: for each eight elements eight bits of the place in the grid
// (32 bytes), then a nibble each (16 bytes): three more bits of the place, and whether they
// move down; four times 16 bits: four times three of a scale s for 16 elements, and a nibble
// of d (half), the lowest first. A packed row has the first 48 bytes of all blocks, then the
// last eight.
//
//	y = d·(2s + 1) · (grid ± 1/8)
#define GRID 1024
#include "lib/grid.glsl"
#include "lib/iq1.glsl"
#define HALVES 1
#define OFFSET 9

void load_bytes(uint row, uint b, uint j, uint k, out uvec4 q[2]) {
    uint block = row + b / 8 * 3, low = word_of(quad(block + (b & 7) / 4), b & 3);
    uint high = word_of(quad(block + 2), (b & 7) / 2) >> (16 * (b & 1));
    for (uint i = 0; i < 2; i++) {
        uvec2 nibble = (uvec2(high, high >> 4) >> (8 * i)) & 15u;
        uvec2 at = ((uvec2(low, low >> 8) >> (16 * i)) & 255u) | ((nibble & 7u) << 8);
        q[i] = uvec4(iq1(point(at.x), nibble.x >> 3), iq1(point(at.y), nibble.y >> 3));
    }
}

void load_scales(uint row, uint b, uint k, out vec3 s[1]) {
    uvec2 four = plane_pair(row + k / 256 * 3, b / 8), top = (four >> 12) & 15u;
    top |= (four >> 28) << 4;
    float d = unpackHalf2x16(top.x | (top.y << 8)).x;
    uint two = ((b & 7) < 4 ? four.x : four.y) >> (16 * ((b >> 1) & 1) + 6 * (b & 1));
    ivec2 odd = ivec2(2 * (uvec2(two, two >> 3) & 7u) + 1);
    s[0] = vec3(d * (vec2(odd) * 0.125), 0);
}
