// The table grid_words (lib/grid_TYPE.glsl) has two points a word. A workgroup copies it to
// shared memory: an array of constants that is indexed by data may go through each
// invocation's own memory.
shared uint grid[GRID];

// prepare fills the table; all invocations of the workgroup call it.
void prepare() {
    uint words[GRID] = grid_words; // not in the loop, where compilers would fill it anew each time
    for (uint i = gl_LocalInvocationID.x; i < GRID; i += LOCAL) grid[i] = words[i];
    barrier();
}

// point returns point i: 16 bits.
uint point(uint i) { return (grid[i >> 1] >> (16 * (i & 1))) & 0xffffu; }
