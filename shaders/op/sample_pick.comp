#version 450
#extension GL_GOOGLE_include_directive : require
#include "lib/common.glsl"
#include "lib/rank.glsl"

// The second half of Sample, a workgroup a row: sample.Sampler.Pick; −1 where a logit
// is not finite.
//
//	candidates = the top-k logits, ranked
//	keep the fewest whose probabilities reach top-p, of those the ones with logit ≥ top + ln(min-p)
//	pick candidate c with probability ∝ exp((logit[c] − top) / temperature)
//
// k rounds each take the best of all stripes and look for the next of its stripe.

layout(push_constant) uniform Push {
    uint k;        // logits in a row
    uint stripes;  // a multiple of LOCAL or fewer
    uint sampling; // word of the inputs where the rows' parameters begin
} p;

layout(std430, binding = 1) writeonly restrict buffer Tokens { int tokens[]; };
layout(std430, binding = 2) restrict buffer Best { uvec2 best[]; };
layout(std430, binding = 3) readonly restrict buffer X { float x[]; };

const uint MOST = 256; // candidates
shared uvec2 pair[LOCAL];
shared float logit[MOST];
shared uint id[MOST];

// first returns the one of the workgroup's pairs that comes before all others.
uvec2 first(uvec2 b) {
    uint lane = gl_LocalInvocationID.x;
    pair[lane] = b;
    barrier();
    for (uint n = LOCAL / 2; n > 0; n /= 2) {
        if (lane < n && before(pair[lane + n], pair[lane])) pair[lane] = pair[lane + n];
        barrier();
    }
    b = pair[0];
    barrier();
    return b;
}

// uniform_at is sample.Uniform: the first word of Philox4x32-10 of counter (pos, 0, 0, 0).
float uniform_at(uvec2 key, uint pos) {
    uvec4 c = uvec4(pos, 0, 0, 0);
    for (uint i = 0; i < 10; i++) {
        uint h0, l0, h1, l1;
        umulExtended(0xD2511F53u, c.x, h0, l0);
        umulExtended(0xCD9E8D57u, c.z, h1, l1);
        c = uvec4(h1 ^ c.y ^ key.x, l1, h0 ^ c.w ^ key.y, l0);
        key += uvec2(0x9E3779B9u, 0xBB67AE85u);
    }
    return float(c.x >> 8) / 16777216.0;
}

// choose picks one of n ranked candidates.
int choose(uint n, uint at) {
    float temp = uintBitsToFloat(inputs[at]), top_p = uintBitsToFloat(inputs[at + 2]), least = logit[0] + uintBitsToFloat(inputs[at + 3]);
    float top = logit[0], total = 0, sum = 0;
    uint keep = n;
    if (top_p > 0 && top_p < 1) {
        for (uint c = 0; c < n; c++) total += exp(logit[c] - top);
        for (uint c = 0; c < n; c++) {
            sum += exp(logit[c] - top);
            if (sum >= top_p * total) {
                keep = c + 1;
                break;
            }
        }
    }
    uint likely = 1; // the most likely is always kept
    while (likely < keep && logit[likely] >= least) likely++;
    keep = likely;
    total = 0;
    for (uint c = 0; c < keep; c++) total += exp((logit[c] - top) / temp);
    float u = uniform_at(uvec2(inputs[at + 4], inputs[at + 5]), inputs[at + 6]) * total;
    sum = 0;
    for (uint c = 0; c < keep; c++) {
        sum += exp((logit[c] - top) / temp);
        if (sum > u) return int(id[c]);
    }
    return int(id[keep - 1]);
}

void main() {
    uint lane = gl_LocalInvocationID.x, i = gl_WorkGroupID.x;
    if (i >= inputs[1]) return;
    uint at = p.sampling + 8 * i, k = inputs[at + 1];
    bool greedy = !(uintBitsToFloat(inputs[at]) > 0) || k == 1;
    k = greedy ? 1 : min(k == 0 ? p.k : k, min(p.k, MOST));

    uvec2 mine = uvec2(0, 0xffffffffu); // the best of this invocation's stripes
    for (uint s = lane; s < p.stripes; s += LOCAL)
        if (before(best[i * p.stripes + s], mine)) mine = best[i * p.stripes + s];
    uint n = 0;
    while (n < k) {
        uvec2 b = first(mine);
        if (b.x == 0 || b.x == BROKEN) break; // none is left, or the row is no good
        if (lane == 0) {
            logit[n] = x[i * p.k + b.y];
            id[n] = b.y;
        }
        if (++n == k) break;
        uint stripe = b.y % p.stripes;
        uvec2 next = uvec2(0, 0xffffffffu);
        for (uint e = stripe + lane * p.stripes; e < p.k; e += LOCAL * p.stripes) {
            uvec2 c = uvec2(rank_of(x[i * p.k + e]), e);
            if (before(b, c) && before(c, next)) next = c;
        }
        next = first(next);
        if (stripe % LOCAL == lane) {
            best[i * p.stripes + stripe] = next;
            mine = uvec2(0, 0xffffffffu);
            for (uint s = lane; s < p.stripes; s += LOCAL)
                if (before(best[i * p.stripes + s], mine)) mine = best[i * p.stripes + s];
        }
    }
    barrier();
    if (lane > 0) return;
    if (n == 0)
        tokens[i] = -1;
    else
        tokens[i] = greedy ? int(id[0]) : choose(n, at);
}
