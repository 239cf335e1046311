#version 450
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"

// Store: cache row of token i's position = x[i] as f16. Two elements, one word of
// the cache, an invocation; workgroups (words, tokens). k is even.

layout(push_constant) uniform Push {
    uint k;     // elements in a row
    uint pos;   // word of the inputs where the positions begin
    uint table; // where the places of the tokens' block tables begin
} p;

layout(std430, binding = 1) writeonly restrict buffer Cache { uint cache[]; };
layout(std430, binding = 2) readonly restrict buffer X { float x[]; };

// half_bits rounds to the nearest half, ties to even, within ±65504; NaN stays
// NaN. (packHalf2x16 may round either way.)
uint half_bits(float f) {
    uint b = floatBitsToUint(f), sign = (b >> 16) & 0x8000u;
    b &= 0x7fffffffu;
    if (b > 0x7f800000u) return sign | 0x7e00u;
    if (b >= 0x477fe000u) return sign | 0x7bffu; // 65504 and more
    if (b < 0x38800000u) { // subnormal: units of 2^-24, rounded with a 24-bit fraction in place
        uint exponent = b >> 23;
        if (exponent < 102) return sign; // below half a unit
        uint m = (b & 0x7fffffu) | 0x800000u, shift = 126 - exponent; // 14…24
        uint q = m >> shift, rest = m & ((1u << shift) - 1), tie = 1u << (shift - 1);
        return sign | (q + ((rest > tie || (rest == tie && (q & 1) == 1)) ? 1 : 0));
    }
    b += 0xfffu + ((b >> 13) & 1); // half a unit in the last place, to even
    return sign | min((b - 0x38000000u) >> 13, 0x7bffu);
}

void main() {
    uint e = gl_GlobalInvocationID.x, i = gl_WorkGroupID.y, words = p.k / 2;
    if (e >= words || i >= inputs[0]) return;
    uint pos = inputs[p.pos + i];
    uint row = inputs[inputs[p.table + i] + pos / PAGE] * PAGE + pos % PAGE;
    uint at = i * p.k + 2 * e;
    cache[row * words + e] = half_bits(x[at]) | (half_bits(x[at + 1]) << 16);
}
