#version 450
#extension GL_GOOGLE_include_directive : require
#include "lib/common.glsl"

// MatMul for many rows of x: a workgroup computes a tile of BM rows of W times BN
// rows of x, an invocation TM × TN of it in registers. Workgroups (rows of W / BM,
// rows of x / BN).
//
//	for j in BM, i in BN: y[i][j] = Σ_k x[i][k]·W[j][k]
//
// 32 elements of k at a time go through shared memory, W decoded. An invocation's
// rows and columns are TX and TY apart, so that neighbours read neighbouring quads
// and write neighbouring elements of y. A row of the tile takes one quad more than
// it holds, which spreads neighbouring rows over all banks.

layout(constant_id = 2) const uint TM = 4;
layout(constant_id = 3) const uint TN = 4;
layout(constant_id = 4) const uint BM = 64; // LOCAL = BM/TM · BN/TN
layout(constant_id = 5) const uint BN = 64;
layout(constant_id = 6) const bool TAIL = false; // k is not whole chunks: x is read element by element
layout(constant_id = 7) const uint ADD = 0;      // 1: y += z[i][j]; 2: y += z[j]

layout(push_constant) uniform Push {
    uint k;     // elements in a row of W and x
    uint m;     // elements in a row of y: all rows of the weight
    uint first; // rows first … first + rows − 1 of the weight are in this part of it
    uint rows;
    uint quads; // of 16 bytes in a row of W
    uint count; // word of the inputs with the number of rows of x
} p;

layout(std430, binding = 1) writeonly restrict buffer Y { float y[]; };
layout(std430, binding = 2) readonly restrict buffer Z { float z[]; };
layout(std430, binding = 3) readonly restrict buffer W { uvec4 w_quads[]; };
layout(std430, binding = 4) readonly buffer X { vec4 x_quads[]; };
layout(std430, binding = 4) readonly buffer X1 { float x_floats[]; };
uvec4 quad(uint i) { return w_quads[i]; }
vec4 x_at(uint e, uint row) {
    if (TAIL) {
        vec4 v = vec4(0);
        for (uint i = 0; i < 4; i++) if (e + i < p.k) v[i] = x_floats[row * p.k + e + i];
        return v;
    }
    return x_quads[(row * p.k + e) >> 2];
}

#include "lib/weights.glsl"

const uint SLAB = 8;                // quads of k in shared memory
const uint PITCH = SLAB + 1;        // quads from row to row
const uint CHUNKS = 4 * SLAB / CHUNK; // chunks in a slab
const uint TX = BM / TM, TY = BN / TN;

shared vec4 ws[BM * PITCH];
shared vec4 xs[BN * PITCH];

void main() {
    uint lane = gl_LocalInvocationID.x, tx = lane % TX, ty = lane / TX;
    uint j0 = gl_WorkGroupID.x * BM, i0 = gl_WorkGroupID.y * BN, n = inputs[p.count];
    if (i0 >= n) return;
    float acc[TM * TN];
    for (uint t = 0; t < TM * TN; t++) acc[t] = 0;

    uint chunks = (p.k + CHUNK - 1) / CHUNK;
    for (uint c0 = 0; c0 < chunks; c0 += CHUNKS) {
        for (uint task = lane; task < BM * CHUNKS; task += LOCAL) {
            uint j = task % BM, c = task / BM;
            vec4 q[CHUNK / 4];
            vec2 s[GROUPS];
            load_chunk(min(j0 + j, p.rows - 1) * p.quads, min(c0 + c, chunks - 1), p.k, q, s);
            for (uint v = 0; v < CHUNK / 4; v++)
                ws[j * PITCH + c * (CHUNK / 4) + v] = c0 + c < chunks ? weight(q, s, v) : vec4(0);
        }
        for (uint task = lane; task < BN * SLAB; task += LOCAL) {
            uint i = task / SLAB, at = task % SLAB, c = c0 + at / (CHUNK / 4), v = at % (CHUNK / 4);
            uint e = chunk_x(c, v / (GROUP / 4)) + 4 * (v % (GROUP / 4));
            xs[i * PITCH + at] = c < chunks ? x_at(e, min(i0 + i, n - 1)) : vec4(0);
        }
        barrier();
        for (uint v = 0; v < SLAB; v++) {
            vec4 w[TM];
            for (uint j = 0; j < TM; j++) w[j] = ws[(tx + j * TX) * PITCH + v];
            for (uint i = 0; i < TN; i++) {
                vec4 x = xs[(ty + i * TY) * PITCH + v];
                for (uint j = 0; j < TM; j++) acc[i * TM + j] += dot(w[j], x);
            }
        }
        barrier();
    }

    for (uint i = 0; i < TN; i++)
        for (uint j = 0; j < TM; j++) {
            uint row = i0 + ty + i * TY, col = j0 + tx + j * TX;
            if (row >= n || col >= p.rows) continue;
            uint at = row * p.m + p.first + col;
            float sum = acc[i * TM + j];
            if (ADD == 1) sum += z[at];
            if (ADD == 2) sum += z[p.first + col];
            y[at] = sum;
        }
}
