#version 450
#extension GL_GOOGLE_include_directive : require
#include "lib/common.glsl"

// Join: the columns of two rows, head by head,
//
//	y[i][h·(a+b) + j] = x[i][h·a + j]        j < a
//	y[i][h·(a+b) + a + j] = z[i][h·b + j]    j < b, or where z has one head for all z[i][j]
//
// an invocation an element; workgroups (elements of y, rows).

layout(push_constant) uniform Push {
    uint k;      // elements in a row of y
    uint x_cols; // of x
    uint z_cols; // and of z
    uint a;
    uint b;
    uint count; // word of the inputs with the number of rows
} p;

layout(std430, binding = 1) writeonly restrict buffer Y { float y[]; };
layout(std430, binding = 2) readonly buffer X { float x[]; };
layout(std430, binding = 3) readonly buffer Z { float z[]; };

void main() {
    uint e = gl_GlobalInvocationID.x, i = gl_WorkGroupID.y;
    if (e >= p.k || i >= inputs[p.count]) return;
    uint h = e / (p.a + p.b), j = e % (p.a + p.b);
    if (j < p.a)
        y[i * p.k + e] = x[i * p.x_cols + h * p.a + j];
    else
        y[i * p.k + e] = z[i * p.z_cols + (p.z_cols > p.b ? h * p.b : 0) + j - p.a];
}
