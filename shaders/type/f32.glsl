// F32: four elements a quad; rows are padded to a quad with zeros.
#define CHUNK 4
#define GROUPS 1
#define SCALED 0
#define OFFSET 0

uint chunk_x(uint c, uint g) { return c * 4; }

void load_chunk(uint row, uint c, uint k, out vec4 q[1], out vec2 s[1]) {
    q[0] = uintBitsToFloat(quad(row + c));
    s[0] = vec2(1, 0);
}
