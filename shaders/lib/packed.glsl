// Reading rows of x that are packed (lib/round.glsl) from the quads x_quads.

// packed_at is the first quad of block b of a row of k elements.
uint packed_at(uint k, uint row, uint b) { return (row * (k / 32) + b) * 5; }

// packed_four is elements 4v … 4v + 3 of the block at a quad, hi and lo.
uvec2 packed_four(uint at, uint v) { return uvec2(x_quads[at + v / 4][v % 4], x_quads[at + 2 + v / 4][v % 4]); }

// packed_sum is 2^e and 2^e·Σm of a block, or of its halves.
#if TWO_MINS
vec3 packed_sum(uint at) { return uintBitsToFloat(x_quads[at + 4].xzw); }
#else
vec2 packed_sum(uint at) { return uintBitsToFloat(x_quads[at + 4].xy); }
#endif
