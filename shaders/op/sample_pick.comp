#version 450
#extension GL_GOOGLE_include_directive : require
#include "lib/common.glsl"
#include "lib/rank.glsl"
#include "lib/numerics.glsl"

// The second half of Sample, a workgroup a row: sample.Sampler.Pick; −1 where a logit
// is not finite.
//
//	candidates = the top-k logits, ranked
//	keep the fewest whose weights at temperature 1 reach top-p, of those the ones with logit ≥ top + least
//	pick candidate c with probability ∝ weight[c] = 2^((logit[c] − top)·factor)
//
// Weights are added in order of rank, from +0: by one invocation.
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
shared float weight[MOST];
shared uint id[MOST];
shared uint kept; // candidates that the filters leave

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
    return float(c.x >> 8) * (1.0 / 16777216.0);
}

// weigh fills the weights of the first n candidates; every invocation takes some.
void weigh(uint n, float factor) {
    barrier(); // the weights before have been read
    for (uint c = gl_LocalInvocationID.x; c < n; c += LOCAL) {
        precise float d = logit[c] - logit[0];
        precise float e = max(d, -3.40282347e38) * factor;
        weight[c] = exp2_(e);
    }
    barrier();
}

// reached returns the first of n candidates with which the sum of the weights is at
// least share times the sum of all, or with `over` greater; n where none is.
uint reached(uint n, float share, bool over) {
    precise float total = 0;
    for (uint c = 0; c < n; c++) total = total + weight[c];
    precise float least = share * total;
    precise float sum = 0;
    for (uint c = 0; c < n; c++) {
        sum = sum + weight[c];
        if (over ? sum > least : sum >= least) return c;
    }
    return n;
}

// choose picks one of n ranked candidates; the first invocation's answer counts.
int choose(uint n, uint at) {
    bool first = gl_LocalInvocationID.x == 0;
    float top_p = uintBitsToFloat(inputs[at + 2]);
    bool nucleus = top_p > 0 && top_p < 1;
    if (nucleus) weigh(n, 1.44269504);
    if (first) {
        precise float least = logit[0] + uintBitsToFloat(inputs[at + 3]);
        if (nucleus) n = min(reached(n, top_p, false) + 1, n);
        kept = 1; // the most likely always is
        while (kept < n && logit[kept] >= least) kept++;
    }
    barrier();
    n = kept;
    weigh(n, uintBitsToFloat(inputs[at]));
    if (!first) return -1;
    float u = uniform_at(uvec2(inputs[at + 4], inputs[at + 5]), inputs[at + 6]);
    return int(id[min(reached(n, u, true), n - 1)]);
}

void main() {
    uint lane = gl_LocalInvocationID.x, i = gl_WorkGroupID.x;
    if (i >= inputs[1]) return;
    uint at = p.sampling + 8 * i, k = inputs[at + 1];
    bool greedy = uintBitsToFloat(inputs[at]) < 0 || k == 1;
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
    int token = n == 0 ? -1 : int(id[0]);
    if (n > 0 && !greedy) token = choose(n, at);
    if (lane == 0) tokens[i] = token;
}
