// Q4_0: blocks of 32 elements, a half d and 16 bytes qs. A packed row has all qs
// (a quad a block), then all d.
//
//	y[j]    = d · ((qs[j] & 15) − 8)
//	y[j+16] = d · ((qs[j] >> 4) − 8)      j = 0…15
#include "lib/halves.glsl"
#define CHUNK 32
#define GROUPS 1
#define SCALED 1
#define OFFSET 1

uint chunk_x(uint c, uint g) { return c * 32; }

void load_chunk(uint row, uint c, uint k, out vec4 q[8], out vec2 s[1]) {
    uvec4 v = quad(row + c);
    uvec4 lo = v & 0x0f0f0f0fu, hi = (v >> 4) & 0x0f0f0f0fu;
    q[0] = bytes(lo.x);
    q[1] = bytes(lo.y);
    q[2] = bytes(lo.z);
    q[3] = bytes(lo.w);
    q[4] = bytes(hi.x);
    q[5] = bytes(hi.y);
    q[6] = bytes(hi.z);
    q[7] = bytes(hi.w);
    float d = half_at(quad(row + k / 32 + c / 8), c & 7);
    s[0] = vec2(d, 8 * d);
}
