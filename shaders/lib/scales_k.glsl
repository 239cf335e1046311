// scales_k returns (d·scale, dmin·min) of groups 2p and 2p + 1 from the first quad
// that Q4_K and Q5_K share: d, dmin (halves), then 12 bytes of 6-bit scales and
// minima. Groups 0–3 keep them in the low six bits of bytes j and j+4; groups 4–7
// in a nibble of byte j+4 and the top two bits of bytes j−4 and j.
void scales_k(uvec4 head, uint p, out vec2 s[2]) {
    vec2 d = unpackHalf2x16(head.x);
    uvec3 w = head.yzw >> (16 * (p & 1)); // the two groups' bytes are neighbours
    bool first = p < 2;
    uint scale = first ? w.x & 0x3f3fu : (w.z & 0x0f0fu) | ((w.x >> 2) & 0x3030u);
    uint least = first ? w.y & 0x3f3fu : ((w.z >> 4) & 0x0f0fu) | ((w.y >> 2) & 0x3030u);
    s[0] = d * vec2(int(scale & 255u), int(least & 255u));
    s[1] = d * vec2(int((scale >> 8) & 255u), int((least >> 8) & 255u));
}
