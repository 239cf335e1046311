// A table of GRID words, two points each, lies behind the rows of each part of a weight: as
// constants, tables this long take some compilers minutes. A workgroup copies it to shared
// memory.
shared uint grid[GRID];

// prepare fills the table; all invocations of the workgroup call it.
void prepare() {
    uint behind = p.rows * p.quads;
    for (uint i = gl_LocalInvocationID.x; i < GRID / 4; i += LOCAL) {
        uvec4 w = quad(behind + i);
        for (uint j = 0; j < 4; j++) grid[4 * i + j] = w[j];
    }
    barrier();
}

// point returns point i: 16 bits.
uint point(uint i) { return (grid[i >> 1] >> (16 * (i & 1))) & 0xffffu; }
