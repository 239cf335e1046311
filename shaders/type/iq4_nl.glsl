// IQ4_NL: blocks of 32 elements, a half d and 16 bytes qs, whose nibbles are places in
// a table of levels that lie closer around zero. A packed row has all qs (a quad a
// block), then all d.
//
//	y[j]    = d · level[qs[j] & 15]
//	y[j+16] = d · level[qs[j] >> 4]      j = 0…15
#include "lib/halves.glsl"
#define WIDE 1

// levels returns those of the four nibbles in the low halves of w's bytes, a byte each.
// The table is four words of four signed bytes, chosen by comparing: an array indexed
// by data goes through memory.
//
//	−127 −104 −83 −65 | −49 −35 −22 −10 | 1 13 25 38 | 53 69 89 113
uint levels(uint w) {
    uvec4 n = uvec4(w, w >> 8, w >> 16, w >> 24) & 15u;
    bvec4 odd = notEqual(n & 4u, uvec4(0)), upper = notEqual(n & 8u, uvec4(0));
    uvec4 below = mix(uvec4(0xbfad9881u), uvec4(0xf6eaddcfu), odd);
    uvec4 above = mix(uvec4(0x26190d01u), uvec4(0x71594535u), odd);
    uvec4 level = (mix(below, above, upper) >> (8u * (n & 3u))) & 255u;
    return level.x | (level.y << 8) | (level.z << 16) | (level.w << 24);
}

void load_bytes(uint row, uint b, uint j, uint k, out uvec4 q[2]) {
    uvec4 v = quad(row + b), hi = v >> 4;
    q[0] = uvec4(levels(v.x), levels(v.y), levels(v.z), levels(v.w));
    q[1] = uvec4(levels(hi.x), levels(hi.y), levels(hi.z), levels(hi.w));
}

void load_scales(uint row, uint b, uint k, out vec3 s[1]) {
    s[0] = vec3(half_at(quad(row + k / 32 + b / 8), b & 7), 0, 0);
}
