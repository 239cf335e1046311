// What every kernel shares: the workgroup's size, the inputs buffer, small helpers.

layout(local_size_x_id = 0) in;
const uint LOCAL = gl_WorkGroupSize.x; // invocations a workgroup

// The words that the host writes before each run; package gpu lays them out and
// gives the places as push constants. Word 0 is the number of active tokens,
// word 1 the number of rows whose logits are wanted, word 2 the number of runs, each
// of tokens of one sequence.
layout(std430, binding = 0) readonly restrict buffer Inputs { uint inputs[]; };

const uint PAGE = 32; // positions in a page of memory (model.PageLen)

// memory_row returns the row of position pos in memory with a row a position. table
// is what the inputs say of the token for the memory's pool: the place of its
// sequence's block table, less the pages before the table's first. That may be below
// 0; the sum wraps around to what is meant.
uint memory_row(uint table, uint pos) { return inputs[table + pos / PAGE] * PAGE + pos % PAGE; }

// bytes returns the four bytes of w, the lowest first.
vec4 bytes(uint w) {
    return vec4(int(w & 255u), int((w >> 8) & 255u), int((w >> 16) & 255u), int(w >> 24));
}

// signed_bytes is bytes for two's complement.
vec4 signed_bytes(uint w) {
    int i = int(w);
    return vec4((i << 24) >> 24, (i << 16) >> 24, (i << 8) >> 24, i >> 24);
}

float sum4(vec4 v) { return (v.x + v.y) + (v.z + v.w); }
