#version 450
#extension GL_GOOGLE_include_directive : require
#include "lib/common.glsl"
#include "lib/numerics.glsl"
#include "lib/single_bits.glsl"

// Conv, a causal convolution along each run of tokens of one sequence, a filter of
// `taps` ≥ 2 a channel:
//
//	y[i][c] = f(flush(Σ_k w[c][k]·x[i−taps+1+k][c] + bias[c]))    k = 0…taps−1, in this order from +0
//
// The taps−1 rows before the run's first are in the sequence's slot, oldest first, or
// zeros where the run begins at position 0; afterwards the slot holds the last
// taps−1 rows. A channel of `stretch` tokens of a run an invocation; workgroups
// (channels, runs, stretches). Only a run's first stretch reads and writes the slot,
// so no two invocations meet there.
//
// Word 2 of the inputs is the number of runs. The inputs have four words a run:
//
//	its first token, how many it has (≥ 1), its slot, the position of its first token

layout(constant_id = 1) const bool BIAS = false;
layout(constant_id = 2) const bool SILU = false; // f, or nothing

layout(push_constant) uniform Push {
    uint k;       // channels: elements in a row
    uint taps;
    uint pitch;   // elements from a row of w to the next
    uint stretch; // tokens of a stretch, at least taps − 1
    uint runs;    // word of the inputs where the runs begin
} p;

layout(std430, binding = 1) writeonly restrict buffer Y { float y[]; };
layout(std430, binding = 2) restrict buffer Slots { float slots[]; }; // (slots, taps − 1, k)
layout(std430, binding = 3) readonly restrict buffer X { float x[]; };
layout(std430, binding = 4) readonly buffer W { float w[]; };
layout(std430, binding = 5) readonly buffer B { float bias[]; }; // W where there is none

void main() {
    uint c = gl_GlobalInvocationID.x;
    if (c >= p.k || gl_WorkGroupID.y >= inputs[2]) return;
    uint run = p.runs + 4 * gl_WorkGroupID.y, first = inputs[run], n = inputs[run + 1];
    uint before = p.taps - 1, slot = inputs[run + 2] * before * p.k + c;
    bool fresh = inputs[run + 3] == 0; // what the slot holds is of no sequence
    uint from = gl_WorkGroupID.z * p.stretch, to = min(from + p.stretch, n);

    // Row r of the slot's rows and the run's, one behind the other, is row r of the
    // slot or token r − before of the run.
    for (uint i = from; i < to; i++) {
        float sum = 0;
        for (uint k = 0; k < p.taps; k++) {
            uint r = i + k;
            float v = r >= before ? x[(first + r - before) * p.k + c] : fresh ? 0 : slots[slot + r * p.k];
            sum = plus(sum, flush(w[c * p.pitch + k]), v);
        }
        if (BIAS) {
            precise float more = sum + flush(bias[c]);
            sum = more;
        }
        sum = flush(sum);
        y[(first + i) * p.k + c] = SILU ? silu(sum) : sum;
    }
    if (from > 0) return;
    for (uint j = 0; j < before; j++) { // upwards: a row that moves comes from above
        uint r = n + j;
        slots[slot + j * p.k] = r >= before ? uintBitsToFloat(single_bits(x[(first + r - before) * p.k + c])) : fresh ? 0 : slots[slot + r * p.k];
    }
}
