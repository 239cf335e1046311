#version 450
#extension GL_GOOGLE_include_directive : require
#include "lib/common.glsl"
#include "lib/numerics.glsl"
#include "lib/rank.glsl"

// Route: the experts of a row and their weights, a workgroup a row (package numerics,
// Experts). An expert's place in the order is how many come before it.

layout(constant_id = 1) const uint GATING = 0; // 0: softmax of all, 1: sigmoid, 2: softmax of those chosen
layout(constant_id = 2) const bool BIAS = false;

layout(push_constant) uniform Push {
    uint n;     // experts, at most 1024
    uint count; // word of the inputs with the number of rows
    uint used;  // experts of a row
    uint norm;  // 1: weights are divided by their sum
    uint scale; // float bits
    uint groups;
    uint from;  // groups that experts come from
    uint floor; // least that is divided by, float bits
} p;

layout(std430, binding = 1) writeonly restrict buffer Y { uint y[]; };
layout(std430, binding = 2) readonly restrict buffer X { float x[]; };
layout(std430, binding = 3) readonly restrict buffer B { float bias[]; };

const uint MOST = 1024;
shared float v[MOST];
shared uint rank[MOST];   // in the order of choice; 0 where a group is left out
shared uint group[MOST];  // ranks of groups
shared uint chosen[MOST]; // the experts of the row
shared float sums[32];

float in_powers(float l) {
    precise float s = l * 1.44269504;
    return flush(s);
}

// top_of is the largest of sums, rounded up.
float top_of(uint n) {
    float top = sums[0];
    for (uint c = 1; c < n; c++) top = max(top, sums[c]);
    return ceil(top);
}

float times(float a, float b) {
    precise float w = a * b;
    return flush(w);
}

float biased(uint e) {
    if (!BIAS) return v[e];
    precise float s = v[e] + flush(bias[e]);
    return s;
}

// softmax_all turns all of v, logits, into shares that add up to 1.
void softmax_all(uint lane) {
    for (uint e = lane; e < p.n; e += LOCAL) v[e] = in_powers(v[e]);
    barrier();
    for (uint c = lane; c < min(p.n, 32); c += LOCAL) {
        float most = v[c];
        for (uint e = c + 32; e < p.n; e += 32) most = max(most, v[e]);
        sums[c] = most;
    }
    barrier();
    float top = top_of(min(p.n, 32));
    barrier();
    for (uint c = lane; c < 32; c += LOCAL) {
        precise float sum = 0;
        for (uint e = c; e < p.n; e += 32) {
            v[e] = weight_of(v[e], top);
            sum = sum + v[e];
        }
        sums[c] = sum;
    }
    barrier();
    for (uint step = 1; step < 32; step *= 2) { // neighbours
        for (uint c = lane * 2 * step; c < 32; c += LOCAL * 2 * step) {
            precise float sum = sums[c] + sums[c + step];
            sums[c] = sum;
        }
        barrier();
    }
    float r = recip(sums[0]);
    for (uint e = lane; e < p.n; e += LOCAL) v[e] = times(v[e], r);
}

// leave_groups makes the ranks of all groups but the best nothing.
void leave_groups(uint lane) {
    uint size = p.n / p.groups;
    for (uint g = lane; g < p.groups; g += LOCAL) {
        uint a = g * size, b = a + 1; // the best and the second
        if (rank[b] > rank[a]) {
            a = b;
            b = g * size;
        }
        for (uint e = g * size + 2; e < (g + 1) * size; e++) {
            if (rank[e] > rank[a]) {
                b = a;
                a = e;
            } else if (rank[e] > rank[b]) {
                b = e;
            }
        }
        precise float score = biased(a) + biased(b);
        group[g] = rank_of(score);
    }
    barrier();
    for (uint e = lane; e < p.n; e += LOCAL) {
        uint g = e / size, ahead = 0;
        for (uint o = 0; o < p.groups; o++) ahead += uint(before(uvec2(group[o], o), uvec2(group[g], g)));
        if (ahead >= p.from) rank[e] = 0;
    }
    barrier();
}

void main() {
    uint i = gl_WorkGroupID.x, lane = gl_LocalInvocationID.x;
    if (i >= inputs[p.count]) return;
    for (uint e = lane; e < p.n; e += LOCAL) {
        float l = x[i * p.n + e];
        v[e] = GATING == 1 ? flush(sigmoid(l)) : l;
    }
    barrier();
    if (GATING == 0) {
        softmax_all(lane);
        barrier();
    }
    for (uint e = lane; e < p.n; e += LOCAL) rank[e] = rank_of(biased(e));
    barrier();
    if (p.groups > 1) leave_groups(lane);
    for (uint e = lane; e < p.n; e += LOCAL) {
        uint ahead = 0;
        for (uint o = 0; o < p.n; o++) ahead += uint(before(uvec2(rank[o], o), uvec2(rank[e], e)));
        if (ahead < p.used) chosen[ahead] = e;
    }
    barrier();
    float top = 0;
    if (GATING == 2) { // all compute the same
        top = in_powers(v[chosen[0]]);
        for (uint j = 1; j < p.used; j++) top = max(top, in_powers(v[chosen[j]]));
        top = ceil(top);
    }
    precise float sum = 0;
    if (GATING == 2 || p.norm != 0) {
        for (uint j = 0; j < p.used; j++) {
            float w = v[chosen[j]];
            sum = sum + (GATING == 2 ? weight_of(in_powers(w), top) : w);
        }
        if (GATING != 2 && sum < uintBitsToFloat(p.floor)) sum = uintBitsToFloat(p.floor);
    }
    float r = recip(sum);
    for (uint j = lane; j < p.used; j += LOCAL) {
        float w = v[chosen[j]];
        if (GATING == 2)
            w = times(weight_of(in_powers(w), top), r);
        else if (p.norm != 0)
            w = times(w, r);
        y[i * 2 * p.used + j] = chosen[j];
        y[i * 2 * p.used + p.used + j] = floatBitsToUint(times(w, uintBitsToFloat(p.scale)));
    }
}
