#version 450
#extension GL_GOOGLE_include_directive : require
#include "lib/common.glsl"
#include "lib/numerics.glsl"

// The ops that work element by element, over all rows as one array, four
// elements an invocation. What lies behind the last row belongs to the same
// tensor, so the last four may reach beyond it.
//
//	OP 0, SwiGLU: z = flush(silu(x)·y)
//	OP 1, Add:    z = x + y
//	OP 2, Mul:    z = flush(x·y)
//	OP 3 …, Act:  z = flush(f(x)), f an activation in the order of model.Activation; y is x

layout(constant_id = 1) const uint OP = 0;

layout(push_constant) uniform Push {
    uint k;     // elements in a row
    uint count; // word of the inputs with the number of rows
    float c;    // of an activation: its constant
    float by;   // and 1/c
} p;

layout(std430, binding = 1) writeonly restrict buffer Z { vec4 z[]; };
layout(std430, binding = 2) readonly buffer X { vec4 x[]; };
layout(std430, binding = 3) readonly buffer Y { vec4 y[]; };

vec4 product(vec4 a, vec4 b) {
    precise vec4 v = a * b;
    return flush(v);
}

vec4 sum(vec4 a, vec4 b) {
    precise vec4 v = a + b;
    return v;
}

float scaled(float x, float c) {
    precise float y = x * c;
    return flush(y);
}

float activation(float x) {
    switch (OP) {
    case 3: return silu(x);
    case 4: return flush(sigmoid(x));
    case 5: return flush(softplus(x));
    case 6: return relu2(x);
    case 7: return gelu(x);
    case 8: return scaled(x, p.c);
    case 9: return cap(x, p.c, p.by);
    case 10: return clamped_gate(x);
    default: return clamped_up(x);
    }
}

void main() {
    uint total = (inputs[p.count] * p.k + 3) / 4;
    for (uint e = gl_GlobalInvocationID.x; e < total; e += gl_NumWorkGroups.x * LOCAL) {
        if (OP == 0)
            z[e] = product(vec4(silu(x[e].x), silu(x[e].y), silu(x[e].z), silu(x[e].w)), y[e]);
        else if (OP == 1)
            z[e] = sum(x[e], y[e]);
        else if (OP == 2)
            z[e] = product(x[e], y[e]);
        else
            for (uint i = 0; i < 4; i++) z[e][i] = activation(x[e][i]);
    }
}
