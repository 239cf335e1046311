// The twin of package model/numerics: the same sequences of single roundings.
// `precise` keeps a compiler from fusing and reordering. Bits are compared as
// integers where a NaN could come in.
//
// No loop around precise operations may be marked [[unroll]] where its bounds are
// known to glslc: its optimiser unrolls it, and the copies of the body lose `precise`.

// flush returns x, or +0 where |x| < 2^-40.
float flush(float x) { return (floatBitsToUint(x) & 0x7fffffffu) < 0x2b800000u ? 0.0 : x; }
vec4 flush(vec4 x) { return vec4(flush(x.x), flush(x.y), flush(x.z), flush(x.w)); }

bool is_nan(float x) { return (floatBitsToUint(x) & 0x7fffffffu) > 0x7f800000u; }

// exp2_ is 2^x for −125 ≤ x ≤ 127, 0 below, 2^127 above, NaN of NaN.
float exp2_(float x) {
    precise float at = min(x, 127.0);
    precise float shifted = at + 0.5;
    precise float n = floor(shifted);
    precise float f = at - n;
    precise float r = 1.5403530e-4;
    r = r * f;
    r = r + 1.3333558e-3;
    r = r * f;
    r = r + 9.6181291e-3;
    r = r * f;
    r = r + 5.5504109e-2;
    r = r * f;
    r = r + 2.4022651e-1;
    r = r * f;
    r = r + 6.9314718e-1;
    r = r * f;
    r = r + 1.0;
    float y = intBitsToFloat(floatBitsToInt(r) + (int(n) << 23));
    return is_nan(x) ? x : x < -125.0 ? 0.0 : y;
}

// recip is 1/x for 2^-101 ≤ x ≤ 2^101.
float recip(float x) {
    precise float r = uintBitsToFloat(0x7EF311C7u - floatBitsToUint(x));
    for (int i = 0; i < 4; i++) {
        precise float p = x * r;
        precise float t = 1.0 - p;
        precise float d = r * t;
        r = r + d;
    }
    return r;
}

// rsqrt is 1/√x for 2^-120 ≤ x < 2^127.
float rsqrt(float x) {
    precise float r = uintBitsToFloat(0x5f3759dfu - (floatBitsToUint(x) >> 1));
    precise float h = 0.5 * x;
    for (int i = 0; i < 4; i++) {
        precise float a = h * r;
        precise float b = a * r;
        precise float t = 0.5 - b;
        precise float d = r * t;
        r = r + d;
    }
    return r;
}

// clamp60 keeps x within ±60, and NaN.
float clamp60(float x) { return x < -60.0 ? -60.0 : x > 60.0 ? 60.0 : x; }

// sigmoid is 1/(1+e^-x).
float sigmoid(float x) {
    precise float v = x * -1.44269504;
    precise float e = exp2_(clamp60(v));
    precise float d = 1.0 + e;
    return recip(d);
}

// silu is x·sigmoid(x), flushed.
float silu(float x) {
    precise float y = x * sigmoid(x);
    return flush(y);
}

// tanh_ is 1 − 2/(1+e^2x), and within ±1/4 a polynomial.
float tanh_(float x) {
    if (x > -0.25 && x < 0.25) {
        precise float z = x * x;
        precise float r = z * 2.1869488e-2;
        r = r - 5.3968254e-2;
        r = r * z;
        r = r + 1.3333333e-1;
        r = r * z;
        r = r - 3.3333333e-1;
        r = r * z;
        r = r + 1.0;
        precise float y = x * r;
        return y;
    }
    precise float v = x * 2.88539008;
    precise float e = exp2_(clamp60(v));
    precise float d = 1.0 + e;
    precise float h = 2.0 * recip(d);
    precise float y = 1.0 - h;
    return y;
}

// softplus is ln(1+e^x).
float softplus(float x) {
    precise float v = abs(x) * -1.44269504;
    precise float u = exp2_(clamp60(v));
    precise float d = 2.0 + u;
    precise float z = u * recip(d);
    precise float q = z * z;
    precise float r = q * 7.6923077e-2;
    r = r + 9.0909091e-2;
    r = r * q;
    r = r + 1.1111111e-1;
    r = r * q;
    r = r + 1.4285714e-1;
    r = r * q;
    r = r + 2e-1;
    r = r * q;
    r = r + 3.3333333e-1;
    r = r * q;
    r = r + 1.0;
    precise float l = z * r;
    l = 2.0 * l;
    precise float y = max(x, 0.0) + l;
    return is_nan(x) ? x : y;
}

// cap is c·tanh(x/c), by being 1/c, flushed.
float cap(float x, float c, float by) {
    precise float t = x * by;
    precise float y = tanh_(flush(t)) * c;
    return flush(y);
}

// clamped_gate is g·sigmoid(1.702·g), g = min(x, 7), flushed.
float clamped_gate(float x) {
    float g = x > 7.0 ? 7.0 : x;
    precise float v = g * 1.702;
    precise float y = g * sigmoid(v);
    return flush(y);
}

// clamped_up is x within ±7, plus 1, flushed.
float clamped_up(float x) {
    float u = x > 7.0 ? 7.0 : x < -7.0 ? -7.0 : x;
    precise float y = u + 1.0;
    return flush(y);
}

// relu2 is max(x, 0)², flushed.
float relu2(float x) {
    precise float y = x * x;
    return x <= 0.0 ? 0.0 : flush(y);
}

// gelu is x·sigmoid(2·√(2/π)·x·(1 + 0.044715·x²)), flushed.
float gelu(float x) {
    precise float z = x * x;
    z = z * 0.044715;
    z = z + 1.0;
    precise float v = x * 1.5957691;
    v = v * z;
    precise float y = x * sigmoid(v);
    return flush(y);
}

const float DROP = 40.0;  // powers of two below the largest that count as zero
const uint SPAN = 256;    // positions that attention takes together

// weight_of is a position's share of its span, 2^(s−m).
float weight_of(float s, float m) {
    precise float v = s - m;
    return v < -DROP ? 0.0 : exp2_(v);
}

// block_scale returns 2^e and 2^-e for a block whose largest |x| has these bits; 2^e is
// NaN where that is no number.
void block_scale(uint largest, out float scale, out float inverse) {
    uint e = max(largest >> 23, 80u);
    scale = e >= 255u ? uintBitsToFloat(0x7fc00000u) : uintBitsToFloat((e - 13u) << 23);
    inverse = e >= 255u ? 0.0 : uintBitsToFloat((267u - e) << 23);
}

// rounded is the nearest integer of x·inverse, ties to even, times scale.
float rounded(float x, float scale, float inverse) {
    precise float v = x * inverse;
    v = v + 12582912.0; // 1.5·2^23: what is left of the fraction is rounded
    v = v - 12582912.0;
    v = v * scale;
    return v;
}

// plus is sum + x·y, each rounded.
float plus(float sum, float x, float y) {
    precise float p = x * y;
    precise float s = sum + p;
    return s;
}
vec4 plus(vec4 sum, float x, vec4 y) {
    precise vec4 p = x * y;
    precise vec4 s = sum + p;
    return s;
}

// plus_each adds the products of eight elements to a chain, one after the other.
float plus_each(float sum, vec4 x, vec4 y, vec4 x4, vec4 y4) {
    precise vec4 p = x * y;
    precise vec4 p4 = x4 * y4;
    precise float s = sum + p.x;
    s = s + p.y;
    s = s + p.z;
    s = s + p.w;
    s = s + p4.x;
    s = s + p4.y;
    s = s + p4.z;
    s = s + p4.w;
    return s;
}

// rotate turns the pair (a, b) by an angle whose cosine and sine are given.
vec2 rotate(float a, float b, float c, float s) {
    precise float ac = a * c;
    precise float bs = b * s;
    precise float as = a * s;
    precise float bc = b * c;
    precise float x = ac - bs;
    precise float y = as + bc;
    return vec2(flush(x), flush(y));
}

// sink is the span of a sink alone: its maximum and its sum of weights.
vec2 sink(float x) {
    precise float s = x * 1.44269504;
    s = flush(s);
    float m = ceil(s);
    return vec2(m, weight_of(s, m));
}

// merge returns the maximum of two spans, a before b, and the factors of their sums.
vec3 merge(float a, float b) {
    float m = max(a, b);
    return vec3(m, weight_of(a, m), weight_of(b, m));
}

// merged is what two spans' sums become.
float merged(float a, float fa, float b, float fb) {
    precise float x = a * fa;
    precise float y = b * fb;
    precise float s = x + y;
    return s;
}
vec4 merged(vec4 a, float fa, vec4 b, float fb) {
    precise vec4 x = a * fa;
    precise vec4 y = b * fb;
    precise vec4 s = x + y;
    return s;
}
