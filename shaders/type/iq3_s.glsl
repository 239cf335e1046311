// IQ3_S: blocks of 256 elements: a half d; for each four elements eight bits of the place in
// the grid (64 bytes); for each 32 a byte qh with a ninth bit of each of the places; for
// each eight a byte of signs (32 bytes); four bytes of scales s, a nibble for each 32
// elements. A packed row has the 64 bytes of all blocks, then all qh, all signs, all scales
// and all d.
//
//	y = d·(2s + 1) · ±grid
#define GRID 256
#include "lib/grid.glsl"
#include "lib/planes.glsl"
#include "lib/spread.glsl"
#include "lib/signs.glsl"
#define MINUS 1

// four_of returns the elements of a point with their signs: levels 1, 3 … 15.
uint four_of(uint low, uint ninth, uint signs) {
    return negated(0x01010101u + spread4(point((low & 255u) | ((ninth & 1u) << 8))) * 2, signs);
}

void load_bytes(uint row, uint b, uint j, uint k, out uvec4 q[2]) {
    uint blocks = k / 256, at = row + blocks * 4, g = b & 7;
    uvec2 v = pair_of(quad(row + b / 2), b & 1), eight = plane_pair(at, b / 8);
    uint high = (g < 4 ? eight.x : eight.y) >> (8 * (g & 3));
    uint signs = plane_word(at + plane(blocks, 8), b);
    for (uint i = 0; i < 2; i++) {
        q[i] = uvec4(four_of(v[i], high, signs), four_of(v[i] >> 8, high >> 1, signs >> 4),
            four_of(v[i] >> 16, high >> 2, signs >> 8), four_of(v[i] >> 24, high >> 3, signs >> 12));
        high >>= 4;
        signs >>= 16;
    }
}

void load_scales(uint row, uint b, uint k, out vec3 s[1]) {
    uint blocks = k / 256, at = row + blocks * 4 + plane(blocks, 8) + blocks * 2;
    uint scale = (plane_word(at, b / 8) >> (4 * (b & 7))) & 15u;
    float d = plane_half(at + plane(blocks, 4), b / 8);
    s[0] = vec3(d * float(int(2 * scale + 1)), 0, 0);
}
