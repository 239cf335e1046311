// Rows as matrix products take them: blocks of 32 elements with one power of two and
// integers of 15 bits each, x ≈ m·2^e (numerics.Round). They lie as floats m·2^e or, with
// PACK, in five quads a block, so that products can be of bytes, m = 256·hi + lo:
//
//	quads 0, 1   hi, from −64 to 64
//	quads 2, 3   lo, from −128 to 127
//	quad 4       floats: 2^e, and 2^e·Σm of all elements, of 0–15 and of 16–31
//
// A block with a NaN or an infinity has m = 0 and 2^e NaN.
//
// y and y_quads are the vec4s and the uvec4s of where they go.

uint four_bytes(ivec4 b) {
    uvec4 u = uvec4(b) & 255u;
    return u.x | (u.y << 8) | (u.z << 16) | (u.w << 24);
}

vec4 rounded(vec4 v, float scale, float inverse) {
    return vec4(rounded(v.x, scale, inverse), rounded(v.y, scale, inverse), rounded(v.z, scale, inverse), rounded(v.w, scale, inverse));
}

// put_block writes the n ≤ 8 fours of a block, which begins at element e of all rows.
void put_block(uint e, vec4 v[8], uint n) {
    uint largest = 0;
    for (uint i = 0; i < n; i++) {
        uvec4 bits = floatBitsToUint(v[i]) & 0x7fffffffu;
        largest = max(largest, max(max(bits.x, bits.y), max(bits.z, bits.w)));
    }
    float scale, inverse;
    block_scale(largest, scale, inverse);
    if (!PACK) {
        for (uint i = 0; i < n; i++) y[e / 4 + i] = rounded(v[i], scale, inverse);
        return;
    }
    uint at = e / 32 * 5;
    vec2 sums; // of the halves: exact, as is all that is made of them
    for (uint j = 0; j < 2; j++) {
        ivec4 sum = ivec4(0);
        uvec4 hi, lo;
        for (uint i = 0; i < 4; i++) {
            ivec4 m = is_nan(scale) ? ivec4(0) : ivec4(rounded(v[4 * j + i], 1, inverse));
            ivec4 h = (m + 128) >> 8;
            sum += m;
            hi[i] = four_bytes(h);
            lo[i] = four_bytes(m - 256 * h);
        }
        y_quads[at + j] = hi;
        y_quads[at + 2 + j] = lo;
        sums[j] = float(sum.x + sum.y + sum.z + sum.w) * scale;
    }
    y_quads[at + 4] = floatBitsToUint(vec4(scale, sums.x + sums.y, sums));
}
