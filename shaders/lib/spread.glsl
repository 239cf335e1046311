// Bits of a word, a byte each, the lowest in the lowest.

// spread1 is four bits, spread2 four pairs of bits, spread4 four nibbles, of the low bits
// of x.
uint spread1(uint x) { return ((x & 15u) * 0x00204081u) & 0x01010101u; }
uint spread2(uint x) { return (x & 3u) | ((x & 0xcu) << 6) | ((x & 0x30u) << 12) | ((x & 0xc0u) << 18); }
uint spread4(uint x) { return (x & 0xfu) | ((x & 0xf0u) << 4) | ((x & 0xf00u) << 8) | ((x & 0xf000u) << 12); }

// spread16 is spread1 of the low sixteen bits, four after the other.
uvec4 spread16(uint x) { return uvec4(spread1(x), spread1(x >> 4), spread1(x >> 8), spread1(x >> 12)); }
