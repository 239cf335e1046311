// single_bits is numerics.Single: an infinity becomes NaN.
uint single_bits(float f) {
    uint b = floatBitsToUint(f);
    return (b & 0x7fffffffu) == 0x7f800000u ? 0x7fc00000u : b;
}
