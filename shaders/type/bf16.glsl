// BF16, the upper half of a float32: eight elements a quad; rows are padded to a
// quad with zeros.
#define CHUNK 8
#define GROUPS 1
#define SCALED 0
#define OFFSET 0

uint chunk_x(uint c, uint g) { return c * 8; }

void load_chunk(uint row, uint c, uint k, out vec4 q[2], out vec2 s[1]) {
    uvec4 v = quad(row + c);
    uvec4 even = v << 16, odd = v & 0xffff0000u;
    q[0] = uintBitsToFloat(uvec4(even.x, odd.x, even.y, odd.y));
    q[1] = uintBitsToFloat(uvec4(even.z, odd.z, even.w, odd.w));
    s[0] = vec2(1, 0);
}
