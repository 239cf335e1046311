#version 450
#extension GL_GOOGLE_include_directive : require
#include "lib/common.glsl"
#include "lib/numerics.glsl"
#include "lib/half_bits.glsl"

// One function of lib/numerics.glsl over many arguments, an invocation an answer, so
// that a test can hold a device against package numerics. No plan runs it.

layout(constant_id = 1) const uint FUNCTION = 0; // in the order of the switch below

layout(push_constant) uniform Push {
    uint n; // answers
} p;

layout(std430, binding = 1) writeonly restrict buffer Y { uvec2 y[]; };
layout(std430, binding = 2) readonly restrict buffer X { uvec4 x[]; };

uvec2 one(float v) { return uvec2(floatBitsToUint(v), 0); }

uvec2 answer(uvec4 bits) {
    vec4 v = uintBitsToFloat(bits);
    switch (FUNCTION) {
    case 0: return one(flush(v.x));
    case 1: return one(exp2_(v.x));
    case 2: return one(recip(v.x));
    case 3: return one(rsqrt(v.x));
    case 4: return one(sigmoid(v.x));
    case 5: return one(silu(v.x));
    case 6: return one(tanh_(v.x));
    case 7: return one(softplus(v.x));
    case 8: return one(weight_of(v.x, v.y));
    case 9: return uvec2(half_bits(v.x), 0);
    case 10: return floatBitsToUint(rotate(v.x, v.y, v.z, v.w));
    case 11: return one(merged(v.x, v.y, v.z, v.w));
    case 12: return one(plus(v.x, v.y, v.z));
    case 13: { // of the block (x, y): its power of two and the element y, rounded
        float scale, inverse;
        block_scale(max(bits.x & 0x7fffffffu, bits.y & 0x7fffffffu), scale, inverse);
        return floatBitsToUint(vec2(scale, rounded(v.y, scale, inverse)));
    }
    case 14: return one(relu2(v.x));
    case 15: return one(gelu(v.x));
    case 16: return one(cap(v.x, v.y, v.z));
    case 17: return one(clamped_gate(v.x));
    case 18: return one(clamped_up(v.x));
    }
    return uvec2(0);
}

void main() {
    uint i = gl_GlobalInvocationID.x;
    if (i < p.n) y[i] = answer(x[i]);
}
