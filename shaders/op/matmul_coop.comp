#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#extension GL_KHR_cooperative_matrix : require
#extension GL_KHR_memory_scope_semantics : require
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_EXT_shader_explicit_arithmetic_types_int8 : require
#include "lib/common.glsl"

// MatMul for many rows of packed x (lib/round.glsl), of matrices of bytes that a subgroup
// multiplies: a workgroup computes a tile of BM rows of W times BN rows of x, each of its
// SM × SN subgroups TM × TN matrices (M, N) of it. Workgroups (rows of W / BM, rows of x / BN).
//
//	for j in BM, i in BN: y[i][j] = Σ_k x[i][k]·W[j][k]
//
// in the order of package numerics: one chain after the other, DEPTH of its blocks at a
// time through shared memory. The sums of hi and of lo are exact; what follows is done
// element by element, wherever a subgroup keeps an element: its row's and its column's
// factors come as matrices of the same kind, loaded with stride 0.
//
// A row of bytes in shared memory takes 48 for W and 80 for x, which spreads neighbouring
// rows over all banks. With HALVES the row of W is its first half, 16 zeros, and its second
// half, so that each half can meet 32 bytes of x.

layout(constant_id = 1) const uint TM = 2; // matrices of a subgroup, along W
layout(constant_id = 2) const uint TN = 2; // and along x
layout(constant_id = 3) const uint SM = 2; // subgroups of a workgroup, along W
layout(constant_id = 4) const uint SN = 2; // and along x
layout(constant_id = 5) const uint ADD = 0; // 1: y += z[i][j]; 2: y += z[j]
layout(constant_id = 6) const uint M = 8;  // the device multiplies (M, K) by (K, N)
layout(constant_id = 7) const uint N = 8;
layout(constant_id = 8) const uint K = 8;  // 8, 16 or 32
layout(constant_id = 9) const bool EXPERTS = false; // W is many matrices; see lib/experts.glsl
layout(constant_id = 10) const bool OWN = false;    // each expert of a row has a row of x of its own

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
layout(std430, binding = 4) readonly restrict buffer W { uvec4 w_quads[]; };
layout(std430, binding = 5) readonly restrict buffer X { uvec4 x_quads[]; };
uvec4 quad(uint i) { return w_quads[i]; }

#include "lib/experts.glsl"
uint column(uint i) { return EXPERTS ? tile_slot(i) : i; }
#include "lib/weights.glsl"
#include "lib/packed.glsl"

const uint DEPTH = 2;
const uint BM = SM * TM * M, BN = SN * TN * N;
const uint W_PITCH = 6, X_PITCH = 10;                // eights of bytes from row to row
const uint PARTS = 1 + HALVES;                       // of a block, each with sums of its own
const uint STEPS = HALVES == 1 && K == 32 ? 1 : 32 / PARTS / K; // products of a part

shared uvec2 ws[DEPTH * BM * W_PITCH];
shared uvec2 xs[DEPTH * BN * X_PITCH];
shared float w_scale[DEPTH * BM], w_more[DEPTH * BM]; // d·sc; the second d·sc, or dmin·mn
shared float x_scale[DEPTH * BN], x_sum[DEPTH * BN];  // 2^e, 2^e·Σm
#if TWO_MINS // dmin·mn of the halves; 2^e·Σm of the second, x_sum being of the first
shared float w_least0[DEPTH * BM], w_least1[DEPTH * BM], x_sum1[DEPTH * BN];
#endif
shared float finished[SM * SN * M * N];                  // one matrix a subgroup

#define BYTES_W coopmat<int8_t, gl_ScopeSubgroup, M, K, gl_MatrixUseA>
#define BYTES_X coopmat<int8_t, gl_ScopeSubgroup, K, N, gl_MatrixUseB>
#define INTS coopmat<int, gl_ScopeSubgroup, M, N, gl_MatrixUseAccumulator>
#define REALS coopmat<float, gl_ScopeSubgroup, M, N, gl_MatrixUseAccumulator>

// stage brings blocks b, b + 8 … of the tile's rows to shared memory.
void stage(uint j0, uint i0, uint n, uint b, uint blocks) {
    for (uint task = gl_LocalInvocationID.x; task < DEPTH * BM; task += LOCAL) {
        uint block = b + task / BM * 8;
        if (block >= blocks) break;
        uint q[NQ], at = task * W_PITCH;
        SCALES s;
        load_block(w_row(j0 + task % BM) * p.quads, block, p.k, q, s);
        ws[at] = uvec2(q[0], q[1]);
        ws[at + 1] = uvec2(q[2], q[3]);
#if HALVES
        ws[at + 2] = ws[at + 3] = uvec2(0);
        ws[at + 4] = uvec2(q[4], q[5]);
        ws[at + 5] = uvec2(q[6], q[7]);
        w_more[task] = s.y;
#if TWO_MINS
        w_least0[task] = s.z;
        w_least1[task] = s.w;
#endif
#else
        ws[at + 2] = uvec2(q[4], q[5]);
        ws[at + 3] = uvec2(q[6], q[7]);
        w_more[task] = s.z;
#endif
        w_scale[task] = s.x;
    }
    for (uint task = gl_LocalInvocationID.x; task < DEPTH * BN * 5; task += LOCAL) {
        uint row = task / 5, q = task % 5, block = b + row / BN * 8;
        if (block >= blocks) break;
        uvec4 v = x_quads[packed_at(p.k, x_row(column(min(i0 + row % BN, n - 1))), block) + q];
        if (q == 4) {
            x_scale[row] = uintBitsToFloat(v.x);
#if TWO_MINS
            x_sum[row] = uintBitsToFloat(v.z);
            x_sum1[row] = uintBitsToFloat(v.w);
#else
            x_sum[row] = uintBitsToFloat(v.y);
#endif
        } else {
            xs[row * X_PITCH + 2 * q] = v.xy;
            xs[row * X_PITCH + 2 * q + 1] = v.zw;
        }
    }
}

// w_at and x_at are the eights of bytes of a row that a product begins with, STEPS of
// each part.
uint w_at(uint s) { return HALVES == 1 && K == 32 ? 2 * s : HALVES == 1 ? 4 * (s / STEPS) + s % STEPS * (K / 8) : s * (K / 8); }
uint x_at(uint s) { return HALVES == 1 && K == 32 ? 0 : s * (K / 8); }

REALS plus(REALS a, REALS b) {
    for (int e = 0; e < a.length(); e++) {
        precise float s = a[e] + b[e];
        a[e] = s;
    }
    return a;
}

void main() {
    prepare();
    uint j0 = gl_WorkGroupID.x * BM, i0 = gl_WorkGroupID.y * BN, n = inputs[p.count];
    if (EXPERTS) {
        i0 = 0;
        n = tile_columns(gl_WorkGroupID.y);
    }
    if (i0 >= n || !any_here(j0, BM)) return;
    uint js = gl_SubgroupID % SM * TM * M, is = gl_SubgroupID / SM * TN * N; // the subgroup's part of the tile
    // Sums of one, two and four chains that wait for their neighbours.
    REALS one[TM * TN], two[TM * TN], four[TM * TN];

    uint blocks = p.k / 32;
    for (uint chain = 0; chain < 8; chain++) {
        REALS acc[TM * TN];
        [[unroll]] for (uint t = 0; t < TM * TN; t++) acc[t] = REALS(0);
        for (uint b = chain; b < blocks; b += 8 * DEPTH) {
            stage(j0, i0, n, b, blocks);
            barrier();
            for (uint d = 0; d < DEPTH && b + 8 * d < blocks; d++) {
                [[unroll]] for (uint c = 0; c < TN; c++) {
                    uint i = d * BN + is + c * N;
                    BYTES_X hi[PARTS * STEPS], lo[PARTS * STEPS];
                    [[unroll]] for (uint s = 0; s < PARTS * STEPS; s++) {
                        coopMatLoad(hi[s], xs, i * X_PITCH + x_at(s), X_PITCH, gl_CooperativeMatrixLayoutColumnMajor);
                        coopMatLoad(lo[s], xs, i * X_PITCH + x_at(s) + 4, X_PITCH, gl_CooperativeMatrixLayoutColumnMajor);
                    }
                    REALS power, sum;
                    coopMatLoad(power, x_scale, i, 0, gl_CooperativeMatrixLayoutRowMajor);
#if MINS
                    coopMatLoad(sum, x_sum, i, 0, gl_CooperativeMatrixLayoutRowMajor);
#endif
#if TWO_MINS
                    REALS sum1;
                    coopMatLoad(sum1, x_sum1, i, 0, gl_CooperativeMatrixLayoutRowMajor);
#endif
                    [[unroll]] for (uint r = 0; r < TM; r++) {
                        uint j = d * BM + js + r * M;
                        REALS ints[PARTS], highs, factor, more; // I of each part; of WIDE, Σ lo and Σ hi
                        [[unroll]] for (uint part = 0; part < PARTS; part++) {
                            BYTES_W w[STEPS];
                            INTS high = INTS(0);
                            [[unroll]] for (uint s = 0; s < STEPS; s++) {
                                coopMatLoad(w[s], ws, j * W_PITCH + w_at(part * STEPS + s), W_PITCH, gl_CooperativeMatrixLayoutRowMajor);
                                high = coopMatMulAdd(w[s], hi[part * STEPS + s], high);
                            }
#if WIDE
                            INTS low = INTS(0);
#else
                            INTS low = high * 256; // |I| < 2^24
#endif
                            [[unroll]] for (uint s = 0; s < STEPS; s++) low = coopMatMulAdd(w[s], lo[part * STEPS + s], low);
                            ints[part] = REALS(low);
#if WIDE
                            highs = REALS(high);
#endif
                        }
                        coopMatLoad(factor, w_scale, j, 0, gl_CooperativeMatrixLayoutColumnMajor);
#if HALVES || MINS
                        coopMatLoad(more, w_more, j, 0, gl_CooperativeMatrixLayoutColumnMajor);
#endif
#if TWO_MINS
                        REALS least0, least1;
                        coopMatLoad(least0, w_least0, j, 0, gl_CooperativeMatrixLayoutColumnMajor);
                        coopMatLoad(least1, w_least1, j, 0, gl_CooperativeMatrixLayoutColumnMajor);
#endif
                        for (int e = 0; e < factor.length(); e++) {
                            precise float t = ints[0][e];
#if WIDE
                            t = 256.0 * highs[e] + t; // 256·highs is exact: one rounding
#endif
                            t = power[e] * t;
                            t = factor[e] * t;
#if HALVES
                            precise float t1 = power[e] * ints[1][e];
                            t1 = more[e] * t1;
                            t = t + t1;
#if MINS
                            precise float m0 = least0[e] * sum[e];
                            precise float m1 = least1[e] * sum1[e];
                            m0 = m0 + m1;
                            t = t - m0;
#endif
#elif MINS
                            precise float least = more[e] * sum[e];
                            t = t - least;
#endif
                            t = acc[c * TM + r][e] + t;
                            acc[c * TM + r][e] = t;
                        }
                    }
                }
            }
            barrier();
        }
        [[unroll]] for (uint t = 0; t < TM * TN; t++) {
            if ((chain & 1) == 0) {
                one[t] = acc[t];
                continue;
            }
            acc[t] = plus(one[t], acc[t]);
            if ((chain & 2) == 0) {
                two[t] = acc[t];
                continue;
            }
            acc[t] = plus(two[t], acc[t]);
            four[t] = (chain & 4) == 0 ? acc[t] : plus(four[t], acc[t]);
        }
    }
    [[unroll]] for (uint t = 0; t < TM * TN; t++) {
        uint at = gl_SubgroupID * M * N;
        coopMatStore(four[t], finished, at, M, gl_CooperativeMatrixLayoutColumnMajor);
        barrier();
        for (uint e = gl_SubgroupInvocationID; e < M * N; e += gl_SubgroupSize) {
            uint col = j0 + js + t % TM * M + e % M, row = i0 + is + t / TM * N + e / M;
            if (row >= n || !here(col)) continue;
            uint to = y_at(column(row), col);
            precise float sum = flush(finished[at + e]);
            if (ADD == 1) sum = sum + z[to];
            if (ADD == 2) sum = sum + flush(z[z_at(col)]);
            y[to] = sum;
        }
        barrier();
    }
}
