// BF16, the upper half of a float32: eight elements a quad; rows are padded to a
// quad with zeros.
#define FLOATS 1

void load_octet(uint row, uint o, uint k, out vec4 q[2]) {
    uvec4 v = quad(row + o);
    uvec4 even = v << 16, odd = v & 0xffff0000u;
    q[0] = flush(uintBitsToFloat(uvec4(even.x, odd.x, even.y, odd.y)));
    q[1] = flush(uintBitsToFloat(uvec4(even.z, odd.z, even.w, odd.w)));
}
