// half_at returns half i (0…7) of a quad.
float half_at(uvec4 v, uint i) {
    uint w = i < 4 ? (i < 2 ? v.x : v.y) : (i < 6 ? v.z : v.w);
    vec2 pair = unpackHalf2x16(w);
    return (i & 1) == 0 ? pair.x : pair.y;
}
