#include "lib/planes.glsl"
#include "lib/spread.glsl"
#include "lib/signs.glsl"

// iq2 returns the eight elements of a point with their signs: levels 8, 25, 43.
uvec2 iq2(uint point, uint signs) {
    uvec2 l = uvec2(spread2(point), spread2(point >> 8));
    uvec2 v = 0x08080808u + (l & 0x01010101u) * 17 + ((l >> 1) & 0x01010101u) * 35;
    return uvec2(negated(v.x, signs), negated(v.y, signs >> 4));
}

// iq2_scale is d·(2s + 1)/8 of the low four bits.
float iq2_scale(float d, uint s) { return d * (float(int(2 * (s & 15u) + 1)) * 0.125); }
