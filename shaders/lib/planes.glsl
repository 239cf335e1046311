// Rows that are packed as planes: some bytes of all blocks, then others of all blocks, each
// plane from a quad on (package gpu, lower/pack.go).

// plane is how many quads so many bytes of every block take.
uint plane(uint blocks, uint size) { return (blocks * size + 15) / 16; }

// word_of returns word i (0…3) of a quad, half_of the number that is half i (0…7) of it,
// byte_of byte i (0…15).
uint word_of(uvec4 v, uint i) { return i < 2 ? (i == 0 ? v.x : v.y) : (i == 2 ? v.z : v.w); }
float half_of(uvec4 v, uint i) { return unpackHalf2x16(word_of(v, i / 2) >> (16 * (i & 1))).x; }
uint byte_of(uvec4 v, uint i) { return (word_of(v, i / 4) >> (8 * (i & 3))) & 255u; }

// pair_of returns words 2i and 2i + 1 (i = 0, 1).
uvec2 pair_of(uvec4 v, uint i) { return i == 0 ? v.xy : v.zw; }

// Of the plane that begins with a quad: the half, the word and the pair of words of block i.
float plane_half(uint first, uint i) { return half_of(quad(first + i / 8), i & 7); }
uint plane_word(uint first, uint i) { return word_of(quad(first + i / 4), i & 3); }
uvec2 plane_pair(uint first, uint i) { return pair_of(quad(first + i / 2), i & 1); }
