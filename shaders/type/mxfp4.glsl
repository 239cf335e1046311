// MXFP4: blocks of 32 elements: an exponent e and 16 bytes qs. A packed row has all qs (a
// quad a block), then all e.
//
//	y[j]    = 2^(e−128) · level[qs[j] & 15]
//	y[j+16] = 2^(e−128) · level[qs[j] >> 4]      j = 0…15
//
// A scale below 2^-60 is 0.
#include "lib/planes.glsl"
#include "lib/levels_fp4.glsl"
#define MINUS 1

void load_bytes(uint row, uint b, uint j, uint k, out uvec4 q[2]) {
    uvec4 v = quad(row + b);
    q[0] = levels4(v, levels_fp4);
    q[1] = levels4(v >> 4, levels_fp4);
}

void load_scales(uint row, uint b, uint k, out vec3 s[1]) {
    uint e = byte_of(quad(row + k / 32 + b / 16), b & 15);
    s[0] = vec3(e < 68 ? 0.0 : uintBitsToFloat((e - 1) << 23), 0, 0);
}
