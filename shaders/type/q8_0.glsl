// Q8_0: blocks of 32 elements, a half d and 32 signed bytes qs. A packed row has
// all qs (2 quads a block), then all d.
//
//	y[j] = d · qs[j]
#include "lib/halves.glsl"
#define CHUNK 32
#define GROUPS 1
#define SCALED 1
#define OFFSET 0

uint chunk_x(uint c, uint g) { return c * 32; }

void load_chunk(uint row, uint c, uint k, out vec4 q[8], out vec2 s[1]) {
    uvec4 a = quad(row + 2 * c), b = quad(row + 2 * c + 1);
    q[0] = signed_bytes(a.x);
    q[1] = signed_bytes(a.y);
    q[2] = signed_bytes(a.z);
    q[3] = signed_bytes(a.w);
    q[4] = signed_bytes(b.x);
    q[5] = signed_bytes(b.y);
    q[6] = signed_bytes(b.z);
    q[7] = signed_bytes(b.w);
    s[0] = vec2(half_at(quad(row + k / 16 + c / 8), c & 7), 0);
}
