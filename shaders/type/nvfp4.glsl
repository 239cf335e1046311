// NVFP4: blocks of 64 elements: 4 scales, one for each 16 elements, and for each of them 8
// bytes qs. A packed row has all qs, then all scales.
//
//	y[j]   = scale · level[qs[j] & 15]
//	y[j+8] = scale · level[qs[j] >> 4]      j = 0…7
#include "lib/planes.glsl"
#include "lib/levels_fp4.glsl"
#define HALVES 1
#define MINUS 1

void load_bytes(uint row, uint b, uint j, uint k, out uvec4 q[2]) {
    uvec4 v = quad(row + b), low = levels4(v, levels_fp4), high = levels4(v >> 4, levels_fp4);
    q[0] = uvec4(low.xy, high.xy);
    q[1] = uvec4(low.zw, high.zw);
}

// half_fp8 is half of a number of eight bits without a sign (E4M3, bias 7); the first bit is
// not looked at; the NaN, 0x7f, counts as 0.
float half_fp8(uint x) {
    uint e = (x >> 3) & 15u, f = x & 7u;
    if (x == 0x7f) return 0;
    if (e == 0) return float(int(f)) * uintBitsToFloat((127 - 10) << 23);
    return float(int(8 + f)) * uintBitsToFloat((127 - 11 + e) << 23);
}

void load_scales(uint row, uint b, uint k, out vec3 s[1]) {
    uint two = plane_word(row + k / 32, b / 2) >> (16 * (b & 1));
    s[0] = vec3(half_fp8(two & 255u), half_fp8((two >> 8) & 255u), 0);
}
