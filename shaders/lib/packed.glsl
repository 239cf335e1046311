// Reading rows of x that are packed (lib/round.glsl) from the quads x_quads.

// packed_at is the first quad of block b of a row of k elements.
uint packed_at(uint k, uint row, uint b) { return (row * (k / 32) + b) * 5; }

// load_packed reads elements 16h … 16h + 15 of a block into x[to] and after.
void load_packed(uint at, uint h, uint to, inout uvec2 x[8]) {
    uvec4 hi = x_quads[at + h], lo = x_quads[at + 2 + h];
    [[unroll]] for (uint v = 0; v < 4; v++) x[to + v] = uvec2(hi[v], lo[v]);
}

// packed_sum is 2^e and 2^e·Σm of a block.
vec2 packed_sum(uint at) { return uintBitsToFloat(x_quads[at + 4].xy); }
