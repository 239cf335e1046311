// IQ2_S: blocks of 256 elements: a half d; for each eight elements eight bits of the place
// in the grid (32 bytes), then the signs (32 bytes); for each 32 elements a byte qh with
// four times two more bits of the places; eight bytes of scales s, a nibble for each 16
// elements. A packed row has the last 80 bytes of all blocks, then all d.
//
//	y = d·(2s + 1)/8 · ±grid
#define GRID 512
#include "lib/grid.glsl"
#include "lib/iq2.glsl"
#define HALVES 1
#define MINUS 1

void load_bytes(uint row, uint b, uint j, uint k, out uvec4 q[2]) {
    uint block = row + b / 8 * 5, g = b & 7;
    uint low = word_of(quad(block + g / 4), g & 3), signs = word_of(quad(block + 2 + g / 4), g & 3);
    uint high = byte_of(quad(block + 4), g);
    for (uint i = 0; i < 2; i++) {
        uvec2 at = (uvec2(low, low >> 8) & 255u) | ((uvec2(high, high >> 2) & 3u) << 8);
        q[i] = uvec4(iq2(point(at.x), signs), iq2(point(at.y), signs >> 8));
        low >>= 16;
        signs >>= 16;
        high >>= 4;
    }
}

void load_scales(uint row, uint b, uint k, out vec3 s[1]) {
    uint two = byte_of(quad(row + b / 8 * 5 + 4), 8 + (b & 7));
    float d = plane_half(row + k / 256 * 5, b / 8);
    s[0] = vec3(iq2_scale(d, two), iq2_scale(d, two >> 4), 0);
}
