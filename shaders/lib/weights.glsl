// One type of weights. Each type's include says how its rows lie in memory, in
// quads of 16 bytes, and defines
//
//	CHUNK, GROUPS                    elements and groups that one call decodes
//	SCALED, OFFSET                   1 where a group has a scale, an offset
//	chunk_x(c, g)                    first element of group g of chunk c in its row
//	load_chunk(row, c, k, q, s)      the chunk's numbers q and its groups' (scale, offset)
//
// with W[j][chunk_x(c, g) + i] = s[g].x · q[g·CHUNK/GROUPS + i] − s[g].y. Scale and
// offset are kept apart so that a dot product applies them once a group.
// row is the row's first quad, k its number of elements.
//
// The row lies as in the file where blocks are whole quads (Q4_K, Q5_K) and as
// package gpu packs it otherwise: padded to a quad, scales behind the numbers.
// quad(i) reads quad i of the weight, from a storage buffer or, with TEXEL, a
// texel buffer.

#if TYPE == 0
#include "type/f32.glsl"
#elif TYPE == 1
#include "type/f16.glsl"
#elif TYPE == 2
#include "type/q4_0.glsl"
#elif TYPE == 8
#include "type/q8_0.glsl"
#elif TYPE == 12
#include "type/q4_k.glsl"
#elif TYPE == 13
#include "type/q5_k.glsl"
#elif TYPE == 14
#include "type/q6_k.glsl"
#elif TYPE == 20
#include "type/iq4_nl.glsl"
#elif TYPE == 30
#include "type/bf16.glsl"
#endif

#define GROUP (CHUNK / GROUPS)

// weight returns vec4 i of the decoded chunk.
vec4 weight(vec4 q[CHUNK / 4], vec2 s[GROUPS], uint i) {
#if OFFSET
    return s[i / (GROUP / 4)].x * q[i] - s[i / (GROUP / 4)].y;
#elif SCALED
    return s[i / (GROUP / 4)].x * q[i];
#else
    return q[i];
#endif
}
