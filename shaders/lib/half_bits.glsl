// half_bits is numerics.Half: the bits of the nearest half, ties to even, within
// ±65504; NaN and the infinities become 0x7e00. (packHalf2x16 may round either way.)
uint half_bits(float f) {
    uint b = floatBitsToUint(f), sign = (b >> 16) & 0x8000u;
    b &= 0x7fffffffu;
    if (b >= 0x7f800000u) return 0x7e00u;
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
