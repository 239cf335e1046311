#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#ifdef DOT
#extension GL_EXT_integer_dot_product : require
#endif
#include "lib/common.glsl"

// MatMul for many rows of x, which are rounded (round.comp): a workgroup computes a
// tile of BM rows of W times BN rows of x, an invocation TM × TN of it in registers.
// Workgroups (rows of W / BM, rows of x / BN).
//
//	for j in BM, i in BN: y[i][j] = Σ_k x[i][k]·W[j][k]
//
// in the order of package numerics: one chain after the other, 32 of its elements at a
// time through shared memory. An invocation's rows and columns are TX and TY apart, so
// that neighbours read neighbouring fours and write neighbouring elements of y. A row
// of the tile takes one four more than it holds, which spreads neighbouring rows over
// all banks. With EXPERTS the second size of the workgroups is tiles.

layout(constant_id = 1) const uint TM = 4;
layout(constant_id = 2) const uint TN = 4;
layout(constant_id = 3) const uint BM = 64; // LOCAL = BM/TM · BN/TN
layout(constant_id = 4) const uint BN = 64;
layout(constant_id = 5) const bool TAIL = false; // k is not whole pieces: x is read element by element
layout(constant_id = 6) const uint ADD = 0;      // 1: y += z[i][j]; 2: y += z[j]
layout(constant_id = 7) const bool EXPERTS = false; // W is many matrices; see lib/experts.glsl
layout(constant_id = 8) const bool OWN = false;     // each expert of a row has a row of x of its own

layout(push_constant) uniform Push {
    uint k;     // elements in a row of W and x
    uint m;     // elements in a row of y: all rows of the weight, or those used of an expert
    uint first; // rows first … first + rows − 1 of the weight are in this part of it
    uint rows;
    uint quads; // of 16 bytes in a row of W
    uint count; // word of the inputs with the number of rows of x
    uint stack; // with EXPERTS: rows of the weight for each of them,
    uint skip;  // of which the first so many are left out,
    uint used;  // experts of a row of x
    uint pitch; // elements from one expert's row of z to the next's
} p;

layout(std430, binding = 1) writeonly restrict buffer Y { float y[]; };
layout(std430, binding = 2) readonly restrict buffer Z { float z[]; };
layout(std430, binding = 3) readonly restrict buffer R { uint r[]; };
#include "lib/experts.glsl"
uint column(uint i) { return EXPERTS ? tile_slot(i) : i; }

layout(std430, binding = 4) readonly restrict buffer W { uvec4 w_quads[]; };
uvec4 quad(uint i) { return w_quads[i]; }
#ifdef DOT
layout(std430, binding = 5) readonly restrict buffer X { uvec4 x_quads[]; };
#else
layout(std430, binding = 5) readonly buffer X { vec4 x_quads[]; };
layout(std430, binding = 5) readonly buffer X1 { float x_floats[]; };
vec4 x_at(uint e, uint row) {
    if (TAIL) {
        vec4 v = vec4(0);
        for (uint i = 0; i < 4; i++) if (e + i < p.k) v[i] = x_floats[row * p.k + e + i];
        return v;
    }
    return x_quads[(row * p.k + e) >> 2];
}
#endif

#include "lib/weights.glsl"
#if DOT
#include "lib/packed.glsl"
#endif

const uint TX = BM / TM, TY = BN / TN;
#if FLOATS
const uint STEP = 4; // octets of a chain at a time
const uint WQ = 8; // fours of a row of W
#else
const uint STEP = 1;
const uint WQ = NQ;
#endif
const uint W_PITCH = WQ + 1, X_PITCH = 9; // fours from row to row

shared WFOUR ws[BM * W_PITCH];
shared XFOUR xs[BN * X_PITCH];
#if !FLOATS
shared SCALES scales[BM];
shared XSUM sums[BN];
#endif

// stage brings a step's part of the rows to shared memory: pieces b, b + 8, ….
void stage(uint j0, uint i0, uint n, uint b, uint pieces) {
    for (uint task = gl_LocalInvocationID.x; task < BM + BN; task += LOCAL) {
        if (task < BM) {
            uint row = w_row(j0 + task) * p.quads;
#if FLOATS
            for (uint o = 0; o < STEP; o++) {
                vec4 q[2] = vec4[2](vec4(0), vec4(0));
                if (b + 8 * o < pieces) load_octet(row, b + 8 * o, p.k, q);
                ws[task * W_PITCH + 2 * o] = q[0];
                ws[task * W_PITCH + 2 * o + 1] = q[1];
            }
#else
            WFOUR q[NQ];
            SCALES s;
            load_block(row, b, p.k, q, s);
            for (uint v = 0; v < NQ; v++) ws[task * W_PITCH + v] = q[v];
            scales[task] = s;
#endif
            continue;
        }
        uint i = task - BM, row = x_row(column(min(i0 + i, n - 1)));
#if DOT
        uint at = packed_at(p.k, row, b);
        for (uint v = 0; v < 8; v++) xs[i * X_PITCH + v] = packed_four(at, v);
        sums[i] = packed_sum(at);
#else
        XSUM sum = XSUM(0);
        for (uint v = 0; v < 8; v++) {
            uint piece = b + (v * 4 / PIECE) * 8;
            vec4 x = piece < pieces ? x_at(piece * PIECE + (v * 4) % PIECE, row) : vec4(0);
            xs[i * X_PITCH + v] = x;
#if !FLOATS && TWO_MINS
            sum[v / 4] += sum4(x);
#else
            sum += sum4(x);
#endif
        }
#if !FLOATS
        sums[i] = sum;
#endif
#endif
    }
}

void main() {
    prepare();
    uint lane = gl_LocalInvocationID.x, tx = lane % TX, ty = lane / TX;
    uint j0 = gl_WorkGroupID.x * BM, i0 = gl_WorkGroupID.y * BN, n = inputs[p.count];
    if (EXPERTS) {
        i0 = 0;
        n = tile_columns(gl_WorkGroupID.y);
    }
    if (i0 >= n || !any_here(j0, BM)) return;
    // Sums of one, two and four chains that wait for their neighbours.
    precise float one[TM * TN], two[TM * TN], four[TM * TN];

    uint pieces = (p.k + PIECE - 1) / PIECE;
    for (uint chain = 0; chain < 8; chain++) {
        precise float acc[TM * TN];
        for (uint t = 0; t < TM * TN; t++) acc[t] = 0;
        for (uint b = chain; b < pieces; b += 8 * STEP) {
            stage(j0, i0, n, b, pieces);
            barrier();
            for (uint i = 0; i < TN; i++) {
                XFOUR x[8];
                for (uint v = 0; v < 8; v++) x[v] = xs[(ty + i * TY) * X_PITCH + v];
                for (uint j = 0; j < TM; j++) {
#if FLOATS
                    for (uint e = 0; e < 32; e++) {
                        precise float t = ws[(tx + j * TX) * W_PITCH + e / 4][e % 4] * x[e / 4][e % 4];
                        acc[i * TM + j] = acc[i * TM + j] + t;
                    }
#else
                    WFOUR q[NQ];
                    for (uint v = 0; v < NQ; v++) q[v] = ws[(tx + j * TX) * W_PITCH + v];
                    acc[i * TM + j] = acc[i * TM + j] + block_term(q, scales[tx + j * TX], x, sums[ty + i * TY]);
#endif
                }
            }
            barrier();
        }
        for (uint t = 0; t < TM * TN; t++) {
            precise float sum = acc[t];
            if ((chain & 1) == 0) {
                one[t] = sum;
                continue;
            }
            sum = one[t] + sum;
            if ((chain & 2) == 0) {
                two[t] = sum;
                continue;
            }
            sum = two[t] + sum;
            if ((chain & 4) == 0) {
                four[t] = sum;
                continue;
            }
            sum = four[t] + sum;
            uint i = t / TM, j = t % TM, row = i0 + ty + i * TY, col = j0 + tx + j * TX;
            if (row >= n || !here(col)) continue;
            uint at = y_at(column(row), col);
            sum = flush(sum);
            if (ADD == 1) sum = sum + z[at];
            if (ADD == 2) sum = sum + flush(z[z_at(col)]);
            y[at] = sum;
        }
    }
}
