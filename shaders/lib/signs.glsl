// negated changes the sign of each byte of v, from 1 to 127, whose bit of the low four of
// signs is set.
uint negated(uint v, uint signs) {
    uint m = spread1(signs);
    return (v ^ (m * 255u)) + m;
}

// signs7 makes eight signs of the low seven bits: an even number of them is set.
uint signs7(uint x) { return (x & 127u) | ((bitCount(x & 127u) & 1) << 7); }
