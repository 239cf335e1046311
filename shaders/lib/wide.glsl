// wide splits 32 signed bytes into low halves, q[0…7] from 0 to 15, and high ones,
// q[8…15] from −8 to 7: a byte is 16·high + low.
#define WIDE 1
void wide(uvec4 a, uvec4 b, out vec4 q[16]) {
    for (uint i = 0; i < 4; i++) {
        uint u = a[i] ^ 0x80808080u, v = b[i] ^ 0x80808080u; // 128 more: no signs
        q[i] = bytes(u & 0x0f0f0f0fu);
        q[i + 4] = bytes(v & 0x0f0f0f0fu);
        q[i + 8] = bytes((u >> 4) & 0x0f0f0f0fu) - 8;
        q[i + 12] = bytes((v >> 4) & 0x0f0f0f0fu) - 8;
    }
}
