// IQ1_S: blocks of 256 elements: a half d; for each eight elements eight bits of the place
// in the grid (32 bytes); 16 bits qh for each 32 elements: four times three more bits of the
// places, three of the scale s, and whether they move down. A packed row has the last 48
// bytes of all blocks, then all d.
//
//	y = d·(2s + 1) · (grid ± 1/8)
#define GRID 1024
#include "lib/grid.glsl"
#include "lib/iq1.glsl"
#define OFFSET 9

uint high_of(uint row, uint b) { return (word_of(quad(row + b / 8 * 3 + 2), (b & 7) / 2) >> (16 * (b & 1))) & 0xffffu; }

void load_bytes(uint row, uint b, uint j, uint k, out uvec4 q[2]) {
    uint low = word_of(quad(row + b / 8 * 3 + (b & 7) / 4), b & 3), high = high_of(row, b);
    for (uint i = 0; i < 2; i++) {
        uvec2 at = (uvec2(low, low >> 8) >> (16 * i)) & 255u;
        at |= ((uvec2(high, high >> 3) >> (6 * i)) & 7u) << 8;
        q[i] = uvec4(iq1(point(at.x), high >> 15), iq1(point(at.y), high >> 15));
    }
}

void load_scales(uint row, uint b, uint k, out vec3 s[1]) {
    float d = plane_half(row + k / 256 * 3, b / 8);
    s[0] = vec3(d * (float(int(2 * ((high_of(row, b) >> 12) & 7u) + 1)) * 0.125), 0, 0);
}
