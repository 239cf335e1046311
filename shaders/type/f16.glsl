// F16: eight elements a quad; rows are padded to a quad with zeros.
#define CHUNK 8
#define GROUPS 1
#define SCALED 0
#define OFFSET 0

uint chunk_x(uint c, uint g) { return c * 8; }

void load_chunk(uint row, uint c, uint k, out vec4 q[2], out vec2 s[1]) {
    uvec4 v = quad(row + c);
    q[0] = vec4(unpackHalf2x16(v.x), unpackHalf2x16(v.y));
    q[1] = vec4(unpackHalf2x16(v.z), unpackHalf2x16(v.w));
    s[0] = vec2(1, 0);
}
