// Keys and values as memory has them, of one of four types. Integers lie a page at a time
// as package model says: of all its positions, then the halves that scale blocks of 32.

const uint KEPT_F16 = 0, KEPT_F32 = 1, KEPT_Q8_0 = 2, KEPT_Q4_0 = 3;

// kept_at is the place of head g of a row of p.kv heads of dim elements: its first element,
// and its first scale among the halves of the memory. Of integers an element's number
// counts the room of the scales of the pages before it.
uvec2 kept_at(uint type, uint row, uint g, uint dim) {
    uint cols = p.kv * dim, e = row * cols + g * dim, page = row / PAGE;
    if (type == KEPT_Q8_0) return uvec2(e + page * 2 * cols, PAGE / 2 * cols * (page + 1) + e / 32);
    if (type == KEPT_Q4_0) return uvec2(e + page * 4 * cols, PAGE / 4 * cols * (page + 1) + e / 32);
    return uvec2(e, 0);
}

void halves_of(uvec4 q, out vec4 lo, out vec4 hi) {
    lo = vec4(unpackHalf2x16(q.x), unpackHalf2x16(q.y));
    hi = vec4(unpackHalf2x16(q.z), unpackHalf2x16(q.w));
}

// half_of is half i of memory, which is in this word, or quad.
float half_of(uint w, uint i) {
    vec2 h = unpackHalf2x16(w);
    return (i & 1) == 0 ? h.x : h.y;
}
float half_of(uvec4 q, uint i) { return half_of(q[i / 2 % 4], i); }

vec4 kept_times(vec4 q, float d) {
    precise vec4 v = q * d;
    return v;
}

// eights_of is eight bytes times d; fours_of eight halves of a byte, less 8, times d.
void eights_of(uvec2 w, float d, out vec4 lo, out vec4 hi) {
    lo = kept_times(signed_bytes(w.x), d);
    hi = kept_times(signed_bytes(w.y), d);
}
void eights_of(uvec4 q, uint e, float d, out vec4 lo, out vec4 hi) {
    eights_of((e & 8) == 0 ? q.xy : q.zw, d, lo, hi);
}
void fours_of(uint w, float d, out vec4 lo, out vec4 hi) {
    uvec4 s = uvec4(0, 4, 8, 12);
    lo = kept_times(vec4(ivec4((uvec4(w) >> s) & 15u) - 8), d);
    hi = kept_times(vec4(ivec4((uvec4(w) >> (s + 16)) & 15u) - 8), d);
}
void fours_of(uvec4 q, uint e, float d, out vec4 lo, out vec4 hi) { fours_of(q[e / 8 % 4], d, lo, hi); }
