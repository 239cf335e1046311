// levels returns what the four nibbles in the low halves of w's bytes stand for, a byte
// each: places in a table of four words of four bytes, chosen by comparing: an array
// indexed by data goes through memory.
uint levels(uint w, uvec4 table) {
    uvec4 n = uvec4(w, w >> 8, w >> 16, w >> 24) & 15u;
    bvec4 odd = notEqual(n & 4u, uvec4(0)), upper = notEqual(n & 8u, uvec4(0));
    uvec4 below = mix(uvec4(table.x), uvec4(table.y), odd);
    uvec4 above = mix(uvec4(table.z), uvec4(table.w), odd);
    uvec4 level = (mix(below, above, upper) >> (8u * (n & 3u))) & 255u;
    return level.x | (level.y << 8) | (level.z << 16) | (level.w << 24);
}

// levels4 is levels of a quad's low nibbles.
uvec4 levels4(uvec4 v, uvec4 table) { return uvec4(levels(v.x, table), levels(v.y, table), levels(v.z, table), levels(v.w, table)); }
