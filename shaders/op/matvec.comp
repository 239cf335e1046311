#version 450
#extension GL_GOOGLE_include_directive : require
#ifdef SUBGROUP
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_shader_subgroup_arithmetic : require
#endif
#include "lib/common.glsl"

// MatMul for few rows of x: a workgroup computes ROWS rows of W times COLS rows of
// x, its invocations share their chunks and add up at the end. Workgroups
// (rows / ROWS over x and y, rows of x / COLS).
//
//	for j in ROWS, i in COLS: y[i][j] = Σ_k x[i][k]·W[j][k]
//
// ADD adds what would be the next step's other operand, a residual or a bias. With
// GLU half of ROWS are of a second weight W2, and SwiGLU follows at once:
//
//	g = Σ_k x[i][k]·W[j][k],  y[i][j] = g / (1 + exp(−g)) · Σ_k x[i][k]·W2[j][k]
//
// One subgroup a workgroup needs no barrier. Reading several rows of W at a time
// keeps more loads in flight and uses each load of x several times; more rows of x
// use each decoded weight several times.

layout(constant_id = 2) const uint ROWS = 4;
layout(constant_id = 3) const uint COLS = 1;
layout(constant_id = 4) const bool TAIL = false; // k is not whole chunks: x is read element by element
layout(constant_id = 5) const uint ADD = 0;      // 1: y += z[i][j]; 2: y += z[j]
layout(constant_id = 6) const bool GLU = false;

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

bool second = false; // the weight that quad reads is W2

#ifdef TEXEL
layout(binding = 3) uniform usamplerBuffer w_quads;
layout(binding = 4) uniform usamplerBuffer w2_quads;
layout(binding = 5) uniform usamplerBuffer x_quads;
uvec4 quad(uint i) { return second ? texelFetch(w2_quads, int(i)) : texelFetch(w_quads, int(i)); }
vec4 x_at(uint e, uint row) { return uintBitsToFloat(texelFetch(x_quads, int((row * p.k + e) >> 2))); }
#else
layout(std430, binding = 3) readonly restrict buffer W { uvec4 w_quads[]; };
layout(std430, binding = 4) readonly restrict buffer W2 { uvec4 w2_quads[]; };
layout(std430, binding = 5) readonly buffer X { vec4 x_quads[]; };
layout(std430, binding = 5) readonly buffer X1 { float x_floats[]; };
uvec4 quad(uint i) { return second ? w2_quads[i] : w_quads[i]; }
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
#include "lib/reduce.glsl"

const uint EACH = GLU ? ROWS / 2 : ROWS; // rows of one weight

// load_row decodes chunk c of row r of the workgroup's.
void load_row(uint j0, uint r, uint c, out vec4 q[CHUNK / 4], out vec2 s[GROUPS]) {
    second = r >= EACH;
    load_chunk(min(j0 + r % EACH, p.rows - 1) * p.quads, c, p.k, q, s);
}

// scaled returns Σ w·x of a group from Σ q·x and Σ x, by its scale and offset.
float scaled(float dots, float xs, vec2 s) {
#if OFFSET
    return s.x * dots - s.y * xs;
#elif SCALED
    return s.x * dots;
#else
    return dots;
#endif
}

void main() {
    uint j0 = (gl_WorkGroupID.x + gl_WorkGroupID.y * gl_NumWorkGroups.x) * EACH;
    uint i0 = gl_WorkGroupID.z * COLS, n = inputs[p.count];
    if (j0 >= p.rows || i0 >= n) return;
    float acc[ROWS * COLS];
    for (uint i = 0; i < ROWS * COLS; i++) acc[i] = 0;

    uint chunks = (p.k + CHUNK - 1) / CHUNK;
    for (uint c = gl_LocalInvocationID.x; c < chunks; c += LOCAL) {
        if (COLS == 1) { // x stays in registers while the rows of W pass
            vec4 x[CHUNK / 4];
            float xs[GROUPS];
            for (uint g = 0; g < GROUPS; g++) {
                xs[g] = 0;
                for (uint v = 0; v < GROUP / 4; v++) {
                    x[g * (GROUP / 4) + v] = x_at(chunk_x(c, g) + 4 * v, i0);
                    xs[g] += sum4(x[g * (GROUP / 4) + v]);
                }
            }
            for (uint r = 0; r < ROWS; r++) {
                vec4 q[CHUNK / 4];
                vec2 s[GROUPS];
                load_row(j0, r, c, q, s);
                for (uint g = 0; g < GROUPS; g++) {
                    vec4 dots = vec4(0);
                    for (uint v = 0; v < GROUP / 4; v++) dots += q[g * (GROUP / 4) + v] * x[g * (GROUP / 4) + v];
                    acc[r] += scaled(sum4(dots), xs[g], s[g]);
                }
            }
            continue;
        }
        // The rows of W stay while x passes.
        vec4 q[ROWS][CHUNK / 4];
        vec2 s[ROWS][GROUPS];
        for (uint r = 0; r < ROWS; r++) load_row(j0, r, c, q[r], s[r]);
        for (uint i = 0; i < COLS; i++) {
            for (uint g = 0; g < GROUPS; g++) {
                float dots[ROWS], xs = 0;
                for (uint r = 0; r < ROWS; r++) dots[r] = 0;
                for (uint v = 0; v < GROUP / 4; v++) {
                    vec4 x = x_at(chunk_x(c, g) + 4 * v, min(i0 + i, n - 1));
                    xs += sum4(x);
                    for (uint r = 0; r < ROWS; r++) dots[r] += dot(q[r][g * (GROUP / 4) + v], x);
                }
                for (uint r = 0; r < ROWS; r++) acc[i * ROWS + r] += scaled(dots[r], xs, s[r][g]);
            }
        }
    }

    for (uint i = 0; i < COLS; i++) {
        for (uint r = 0; r < EACH; r++) {
            float sum = reduce_add(acc[i * ROWS + r]);
            if (GLU) sum = sum / (1 + exp(-sum)) * reduce_add(acc[i * ROWS + EACH + r]);
            if (gl_LocalInvocationID.x == 0 && i0 + i < n && j0 + r < p.rows) {
                uint at = (i0 + i) * p.m + p.first + j0 + r;
                if (ADD == 1) sum += z[at];
                if (ADD == 2) sum += z[p.first + j0 + r];
                y[at] = sum;
            }
        }
    }
}
