// TQ1_0: blocks of 256 elements: 48 bytes qs and 4 bytes qh, each of five ternary digits (qh
// of four); a half d. A packed row has all qs, then all qh, then all d. The first digits of
// the bytes 0–31 of qs are elements 0–31, then come their second ones …; bytes 32–47 and qh
// follow in like manner. A byte b stands for b/256, whose first digit is the whole part of
// 3·b/256.
//
//	y = d · (digit − 1)
#include "lib/planes.glsl"
#define OFFSET 1

// digits returns the first digits of bytes that are multiplied by a power of three before,
// which brings another to the front.
uvec4 digits(uvec4 w, uvec4 power) {
    uvec4 even = ((((w & 0x00ff00ffu) * power) & 0x00ff00ffu) * 3) >> 8;
    uvec4 odd = (((((w >> 8) & 0x00ff00ffu) * power) & 0x00ff00ffu) * 3) >> 8;
    return (even & 0x00ff00ffu) | ((odd & 0x00ff00ffu) << 8);
}

// power3 is 3^i, i = 0…4.
uint power3(uint i) { return i < 2 ? 1 + 2 * i : i == 2 ? 9u : i == 3 ? 27u : 81u; }

void load_bytes(uint row, uint b, uint j, uint k, out uvec4 q[2]) {
    uint at = row + b / 8 * 3, g = b & 7;
    if (g < 5) {
        q[0] = digits(quad(at), uvec4(power3(g)));
        q[1] = digits(quad(at + 1), uvec4(power3(g)));
        return;
    }
    uvec4 w = quad(at + 2);
    q[0] = digits(w, uvec4(power3(2 * (g - 5))));
    if (g < 7)
        q[1] = digits(w, uvec4(power3(2 * (g - 5) + 1)));
    else
        q[1] = digits(uvec4(plane_word(row + k / 256 * 3, b / 8)), uvec4(1, 3, 9, 27));
}

void load_scales(uint row, uint b, uint k, out vec3 s[1]) {
    uint blocks = k / 256;
    s[0] = vec3(plane_half(row + blocks * 3 + plane(blocks, 4), b / 8), 0, 0);
}
