// IQ4_NL: blocks of 32 elements, a half d and 16 bytes qs, whose nibbles are places in
// a table of levels that lie closer around zero. A packed row has all qs (a quad a
// block), then all d.
//
//	y[j]    = d · level[qs[j] & 15]
//	y[j+16] = d · level[qs[j] >> 4]      j = 0…15
#include "lib/halves.glsl"
#define CHUNK 32
#define GROUPS 1
#define SCALED 1
#define OFFSET 0

uint chunk_x(uint c, uint g) { return c * 32; }

// levels returns those of the four nibbles in the low halves of w's bytes. The table
// is four words of four signed bytes, chosen by comparing: an array indexed by data
// goes through memory.
//
//	−127 −104 −83 −65 | −49 −35 −22 −10 | 1 13 25 38 | 53 69 89 113
vec4 levels(uint w) {
    uvec4 n = uvec4(w, w >> 8, w >> 16, w >> 24) & 15u;
    bvec4 odd = notEqual(n & 4u, uvec4(0)), upper = notEqual(n & 8u, uvec4(0));
    uvec4 below = mix(uvec4(0xbfad9881u), uvec4(0xf6eaddcfu), odd);
    uvec4 above = mix(uvec4(0x26190d01u), uvec4(0x71594535u), odd);
    uvec4 four = mix(below, above, upper);
    return vec4(ivec4(four << (24u - 8u * (n & 3u))) >> 24);
}

void load_chunk(uint row, uint c, uint k, out vec4 q[8], out vec2 s[1]) {
    uvec4 v = quad(row + c), hi = v >> 4;
    q[0] = levels(v.x);
    q[1] = levels(v.y);
    q[2] = levels(v.z);
    q[3] = levels(v.w);
    q[4] = levels(hi.x);
    q[5] = levels(hi.y);
    q[6] = levels(hi.z);
    q[7] = levels(hi.w);
    s[0] = vec2(half_at(quad(row + k / 32 + c / 8), c & 7), 0);
}
