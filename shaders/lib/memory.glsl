// Writing to memory, whose words are the array `memory`.
#include "lib/half_bits.glsl"

// finite_bits clamps to float32's range; NaN stays NaN.
uint finite_bits(float f) {
    uint b = floatBitsToUint(f);
    return (b & 0x7fffffffu) == 0x7f800000u ? b - 1 : b;
}

// put writes the neighbours a and b at element e of the memory, which is even where
// it is f16; b only where there are both.
void put(uint e, float a, float b, bool both) {
    if (WIDE) {
        memory[e] = finite_bits(a);
        if (both) memory[e + 1] = finite_bits(b);
    } else {
        memory[e / 2] = half_bits(a) | (half_bits(b) << 16);
    }
}
