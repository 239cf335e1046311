// Writing to memory, whose words are the array `memory`.
#include "lib/half_bits.glsl"
#include "lib/single_bits.glsl"

// put writes the neighbours a and b at element e of the memory, which is even where
// it is f16; b only where there are both.
void put(uint e, float a, float b, bool both) {
    if (WIDE) {
        memory[e] = single_bits(a);
        if (both) memory[e + 1] = single_bits(b);
    } else {
        memory[e / 2] = half_bits(a) | (half_bits(b) << 16);
    }
}
