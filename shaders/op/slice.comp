#version 450
#extension GL_GOOGLE_include_directive : require
#include "lib/common.glsl"

// Slice: n elements from first on of every stride of a row,
//
//	y[i][h·n + j] = x[i][h·stride + first + j]    j < n
//
// an invocation an element; workgroups (elements of y, rows).

layout(push_constant) uniform Push {
    uint k;      // elements in a row of y
    uint x_cols; // and of x
    uint first;
    uint n;
    uint stride;
    uint count; // word of the inputs with the number of rows
} p;

layout(std430, binding = 1) writeonly restrict buffer Y { float y[]; };
layout(std430, binding = 2) readonly restrict buffer X { float x[]; };

void main() {
    uint e = gl_GlobalInvocationID.x, i = gl_WorkGroupID.y;
    if (e >= p.k || i >= inputs[p.count]) return;
    y[i * p.k + e] = x[i * p.x_cols + e / p.n * p.stride + p.first + e % p.n];
}
