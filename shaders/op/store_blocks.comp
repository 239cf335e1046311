#version 450
#extension GL_GOOGLE_include_directive : require
#include "lib/common.glsl"
#include "lib/numerics.glsl"
#include "lib/half_bits.glsl"

// Store into memory of integers: a block of 32 elements of token i's row becomes integers
// and one half (numerics.Keeping):
//
//	d = the least half h with n·h ≥ a, a the largest |x|, or 65504
//	q = x·recip(h), to the nearest integer, ties to even, within low … high
//
// with n = 127 and q of ±127, or with FOUR n = 8, q from −8 to 7, and d and q turned about
// where a itself is an element. A block an invocation; workgroups (blocks, tokens). A page
// lies as package model says: the integers of its positions, then their scales. Two scales
// share a word, and two invocations may write it: each takes its own half out and puts it in.

layout(constant_id = 1) const bool FOUR = false; // two integers to a byte: Q4_0, not Q8_0

layout(push_constant) uniform Push {
    uint k;     // elements in a row
    uint pos;   // word of the inputs where the positions begin
    uint table; // where the places of the tokens' block tables begin
} p;

layout(std430, binding = 1) restrict buffer Memory { uint memory[]; };
layout(std430, binding = 2) readonly restrict buffer X { float x[]; };

#define STEPS (FOUR ? 8.0 : 127.0)
#define PER_STEP (FOUR ? 0.125 : uintBitsToFloat(0x3c010204u)) // 1/127
#define LOW (FOUR ? -8.0 : -127.0)
#define HIGH (FOUR ? 7.0 : 127.0)

// bits_of returns the half of a block, the factor to its integers, and whether there are any.
uint bits_of(uint at, out float factor) {
    uint largest = 0, over = 0; // bits of the largest |x|, and of the largest x
    for (uint i = 0; i < 32; i++) {
        uint b = floatBitsToUint(x[at + i]);
        largest = max(largest, b & 0x7fffffffu);
        if (b >> 31 == 0) over = max(over, b);
    }
    factor = 0;
    if (largest >= 0x7f800000u) return 0x7e00u;
    if (largest == 0) return 0;
    float a = uintBitsToFloat(largest);
    precise float step = a * PER_STEP;
    uint d = half_bits(step);
    precise float reach = unpackHalf2x16(d).x * STEPS;
    if (d < 0x7bffu && reach < a) d++;
    factor = recip(unpackHalf2x16(d).x);
    if (FOUR && over == largest) {
        factor = -factor;
        d |= 0x8000u;
    }
    return d;
}

// integer is element e, rounded.
int integer(uint e, float factor) {
    precise float v = x[e] * factor;
    v = min(max(v, LOW), HIGH);
    v = v + 12582912.0; // 1.5·2^23: what is left of the fraction is rounded
    v = v - 12582912.0;
    return factor == 0 ? 0 : int(v); // not a NaN
}

void main() {
    uint b = gl_GlobalInvocationID.x, i = gl_WorkGroupID.y, blocks = p.k / 32;
    if (b >= blocks || i >= inputs[0]) return;
    uint at = i * p.k + b * 32;
    float factor;
    uint d = bits_of(at, factor);

    uint row = memory_row(inputs[p.table + i], inputs[p.pos + i]);
    uint page = row / PAGE, r = row % PAGE;
    uint ints = FOUR ? PAGE * p.k / 8 : PAGE * p.k / 4; // words of a page's integers
    uint first = page * (ints + PAGE * blocks / 2);     // word where the page begins
    if (FOUR) {
        uint to = first + (r * blocks + b) * 4;
        for (uint w = 0; w < 4; w++) {
            uint word = 0;
            for (uint e = 0; e < 8; e++) word |= uint(integer(at + 8 * w + e, factor) + 8) << (4 * e);
            memory[to + w] = word;
        }
    } else {
        uint to = first + (r * blocks + b) * 8;
        for (uint w = 0; w < 8; w++) {
            uint word = 0;
            for (uint e = 0; e < 4; e++) word |= (uint(integer(at + 4 * w + e, factor)) & 255u) << (8 * e);
            memory[to + w] = word;
        }
    }
    uint scale = r * blocks + b, shift = 16 * (scale & 1);
    atomicAnd(memory[first + ints + scale / 2], ~(0xffffu << shift));
    atomicOr(memory[first + ints + scale / 2], d << shift);
}
