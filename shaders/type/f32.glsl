// F32: four elements a quad; rows are padded to a quad with zeros.
#define FLOATS 1

void load_octet(uint row, uint o, uint k, out vec4 q[2]) {
    q[0] = flush(uintBitsToFloat(quad(row + 2 * o)));
    q[1] = 8 * o + 4 < k ? flush(uintBitsToFloat(quad(row + 2 * o + 1))) : vec4(0); // else of the next row
}
