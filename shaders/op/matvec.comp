#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#ifdef DOT
#extension GL_EXT_integer_dot_product : require
#endif
#include "lib/common.glsl"

// MatMul for few rows of x, which are rounded (round.comp): a workgroup computes rows
// of W times COLS rows of x. Workgroups (rows of W over x and y, rows of x / COLS).
//
//	for j in rows, i in COLS: y[i][j] = Σ_k x[i][k]·W[j][k]
//
// in the order of package numerics: eight chains, whose sums are added as a tree.
// LANES invocations share a row of W, each with GROUPS of the chains, so that it reads
// what lies together in memory; the others of the workgroup have other rows, ROWS
// each. The chains meet in shared memory.
//
// ADD adds what would be the next step's other operand, a residual or a bias. With
// GLU half of ROWS are of a second weight W2, and SwiGLU follows at once:
//
//	g = Σ_k x[i][k]·W[j][k],  y[i][j] = g / (1 + exp(−g)) · Σ_k x[i][k]·W2[j][k]
//
// Reading several rows of W at a time keeps more loads in flight and uses each load of
// x several times; more rows of x use each decoded weight several times. With EXPERTS
// the third size of the workgroups is slots, or where COLS is more than 1 tiles.

layout(constant_id = 1) const uint ROWS = 4;     // of an invocation
layout(constant_id = 2) const uint COLS = 1;
layout(constant_id = 3) const bool TAIL = false; // k is not whole pieces: x is read element by element
layout(constant_id = 4) const uint ADD = 0;      // 1: y += z[i][j]; 2: y += z[j]
layout(constant_id = 5) const bool GLU = false;
layout(constant_id = 6) const bool EXPERTS = false; // W is many matrices; see lib/experts.glsl
layout(constant_id = 7) const bool OWN = false;     // each expert of a row has a row of x of its own

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

bool second = false; // the weight that quad reads is W2

#ifdef TEXEL
layout(binding = 4) uniform usamplerBuffer w_quads;
layout(binding = 5) uniform usamplerBuffer w2_quads;
layout(binding = 6) uniform usamplerBuffer x_quads;
uvec4 quad(uint i) { return second ? texelFetch(w2_quads, int(i)) : texelFetch(w_quads, int(i)); }
vec4 x_at(uint e, uint row) { return uintBitsToFloat(texelFetch(x_quads, int((row * p.k + e) >> 2))); }
#else
layout(std430, binding = 4) readonly restrict buffer W { uvec4 w_quads[]; };
layout(std430, binding = 5) readonly restrict buffer W2 { uvec4 w2_quads[]; };
uvec4 quad(uint i) { return second ? w2_quads[i] : w_quads[i]; }
#ifdef DOT
layout(std430, binding = 6) readonly restrict buffer X { uvec4 x_quads[]; };
#else
layout(std430, binding = 6) readonly buffer X { vec4 x_quads[]; };
layout(std430, binding = 6) readonly buffer X1 { float x_floats[]; };
vec4 x_at(uint e, uint row) {
    if (TAIL) {
        vec4 v = vec4(0);
        for (uint i = 0; i < 4; i++) if (e + i < p.k) v[i] = x_floats[row * p.k + e + i];
        return v;
    }
    return x_quads[(row * p.k + e) >> 2];
}
#endif
#endif

#include "lib/weights.glsl"

// four is elements 4v … 4v + 3 of block b of a row of x. x_sum is what is known of the
// block's sum, and add_sum adds what is not.
#if DOT
#include "lib/packed.glsl"
uvec2 four(uint row, uint b, uint v) { return packed_four(packed_at(p.k, row, b), v); }
XSUM x_sum(uint row, uint b) { return packed_sum(packed_at(p.k, row, b)); }
#define add_sum(xs, x, v)
#elif !FLOATS
vec4 four(uint row, uint b, uint v) { return x_at(b * 32 + 4 * v, row); }
#define x_sum(row, b) XSUM(0)
#if TWO_MINS
#define add_sum(xs, x, v) xs[(v) / 4] += sum4(x)
#else
#define add_sum(xs, x, v) if (MINS == 1) xs += sum4(x)
#endif
#endif

const uint LANES = 8 / GROUPS;
const uint TEAMS = LOCAL / LANES;            // invocations that share a row
const uint EACH = GLU ? ROWS / 2 : ROWS;     // rows of one weight
const uint EIGHTH = 8 / GROUPS;               // quads of a chunk in a group
const uint OUTS = TEAMS * ROWS * COLS;

shared float chains[OUTS * 8];

// row_of returns the first quad of row r of a team's, and chooses its weight.
uint row_of(uint j0, uint r) {
    second = r >= EACH;
    return w_row(j0 + r % EACH) * p.quads;
}

uint i0, n; // the first column, and the columns there are

// With EXPERTS and several columns: their slots, and the rows of x that these meet, which
// take a division. A list of an invocation's own would be read with an index of its own,
// or have the loop over columns unrolled, which is more code than some caches hold.
shared uint slots_of[COLS], rows_of[COLS];

// column is row i of the workgroup's, of x or with EXPERTS a slot; x_of the row of x.
uint column(uint i) { return !EXPERTS ? min(i0 + i, n - 1) : COLS == 1 ? i0 : slots_of[i]; }
uint x_of(uint i) { return EXPERTS && COLS > 1 ? rows_of[i] : x_row(column(i)); }

float tree(uint at) {
    precise float a = chains[at] + chains[at + 1];
    precise float b = chains[at + 2] + chains[at + 3];
    precise float c = chains[at + 4] + chains[at + 5];
    precise float d = chains[at + 6] + chains[at + 7];
    precise float l = a + b;
    precise float h = c + d;
    precise float y = l + h;
    return flush(y);
}

void main() {
    prepare();
    uint lane = gl_LocalInvocationID.x, team = lane / LANES, unit = lane % LANES;
    uint first_row = (gl_WorkGroupID.x + gl_WorkGroupID.y * gl_NumWorkGroups.x) * EACH * TEAMS, j0 = first_row + team * EACH;
    i0 = gl_WorkGroupID.z * COLS;
    n = inputs[p.count];
    if (EXPERTS && COLS > 1) {
        i0 = 0;
        n = tile_columns(gl_WorkGroupID.z);
    } else if (EXPERTS) {
        n *= p.used;
    }
    if (i0 >= n) return;
    if (EXPERTS && COLS == 1) slot_matrix(i0);
    if (!any_here(first_row, EACH * TEAMS)) return;
    if (EXPERTS && COLS > 1) {
        for (uint i = lane; i < COLS; i += LOCAL) {
            slots_of[i] = tile_slot(min(i, n - 1));
            rows_of[i] = x_row(slots_of[i]);
        }
        barrier();
    }
    precise float acc[ROWS * COLS * GROUPS];
    for (uint i = 0; i < ROWS * COLS * GROUPS; i++) acc[i] = 0;

#if FLOATS
    for (uint o = unit; o * 8 < p.k; o += LANES) {
        vec4 q[ROWS][2];
        for (uint r = 0; r < ROWS; r++) load_octet(row_of(j0, r), o, p.k, q[r]);
        for (uint i = 0; i < COLS; i++) {
            vec4 x[2] = vec4[2](x_at(o * 8, x_of(i)), x_at(o * 8 + 4, x_of(i)));
            for (uint r = 0; r < ROWS; r++)
                for (uint e = 0; e < 8; e++) {
                    precise float t = q[r][e / 4][e % 4] * x[e / 4][e % 4];
                    acc[i * ROWS + r] = acc[i * ROWS + r] + t;
                }
        }
    }
#else
    for (uint u = unit; u * GROUPS * 32 < p.k; u += LANES) {
        if (COLS == 1) { // x stays in registers while the rows of W pass
            SUM a[ROWS * GROUPS], b[ROWS * GROUPS];
            XSUM xs[GROUPS];
            [[unroll]] for (uint g = 0; g < GROUPS; g++) xs[g] = x_sum(x_of(0), block_of(u, g));
            [[unroll]] for (uint j = 0; j < CHUNKS; j++) {
                XFOUR x[8];
                [[unroll]] for (uint v = 0; v < 8; v++) {
                    x[v] = four(x_of(0), block_of(u, v / EIGHTH), 4 * j + v % EIGHTH);
                    add_sum(xs[v / EIGHTH], x[v], 4 * j + v % EIGHTH);
                }
                [[unroll]] for (uint r = 0; r < ROWS; r++) {
                    WFOUR q[NQ];
                    load_chunk(row_of(j0, r), u, j, p.k, q);
                    [[unroll]] for (uint g = 0; g < GROUPS; g++) {
                        uint o = r * GROUPS + g;
#if HALVES && GROUPS == 1
                        a[o] = quads_sum(q, 0, x, 0, 4);
                        b[o] = quads_sum(q, 4, x, 4, 4);
#else
                        SUM sum = quads_sum(q, g * EIGHTH, x, g * EIGHTH, EIGHTH);
                        if (j == 0)
                            a[o] = sum;
                        else if (HALVES == 1)
                            b[o] = sum;
                        else
                            a[o] += sum;
#endif
#if WIDE && !DOT
                        b[o] = quads_sum(q, 8, x, 0, 8);
#endif
                    }
                }
            }
            [[unroll]] for (uint r = 0; r < ROWS; r++) {
                SCALES s[GROUPS];
                load_scales(row_of(j0, r), u, p.k, s);
                for (uint g = 0; g < GROUPS; g++) {
                    uint o = r * GROUPS + g;
                    acc[o] = acc[o] + term(a[o], b[o], s[g], xs[g]);
                }
            }
            continue;
        }
        for (uint g = 0; g < GROUPS; g++) { // the rows of W stay while x passes
            uint b = block_of(u, g);
            WFOUR q[ROWS][NQ];
            SCALES s[ROWS];
            for (uint r = 0; r < ROWS; r++) load_block(row_of(j0, r), b, p.k, q[r], s[r]);
            for (uint i = 0; i < COLS; i++) {
                uint row = x_of(i);
                XFOUR x[8];
                XSUM xs = x_sum(row, b);
                for (uint v = 0; v < 8; v++) {
                    x[v] = four(row, b, v);
                    add_sum(xs, x[v], v);
                }
                for (uint r = 0; r < ROWS; r++)
                    acc[(i * ROWS + r) * GROUPS + g] = acc[(i * ROWS + r) * GROUPS + g] + block_term(q[r], s[r], x, xs);
            }
        }
    }
#endif

    for (uint o = 0; o < ROWS * COLS; o++)
        for (uint g = 0; g < GROUPS; g++) chains[(team * ROWS * COLS + o) * 8 + block_of(unit, g)] = acc[o * GROUPS + g];
    barrier();
    for (uint o = lane; o < TEAMS * EACH * COLS; o += LOCAL) { // rows beside each other first
        uint j = o % (TEAMS * EACH), i = o / (TEAMS * EACH), r = j % EACH;
        if (i0 + i >= n || !here(first_row + j)) continue;
        uint from = ((j / EACH * COLS + i) * ROWS + r) * 8;
        precise float sum = tree(from);
        if (GLU) {
            sum = silu(sum) * tree(from + EACH * 8);
            sum = flush(sum);
        }
        uint at = y_at(column(i), first_row + j);
        if (ADD == 1) sum = sum + z[at];
        if (ADD == 2) sum = sum + flush(z[z_at(first_row + j)]);
        y[at] = sum;
    }
}
