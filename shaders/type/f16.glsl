// F16: eight elements a quad; rows are padded to a quad with zeros.
#define FLOATS 1

void load_octet(uint row, uint o, uint k, out vec4 q[2]) {
    uvec4 v = quad(row + o); // the least, 2^-24, is above what is flushed
    q[0] = vec4(unpackHalf2x16(v.x), unpackHalf2x16(v.y));
    q[1] = vec4(unpackHalf2x16(v.z), unpackHalf2x16(v.w));
}
