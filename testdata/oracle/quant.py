"""Weights as a file holds them: decoding to float32, and encoding for small models.

Written from the layout of each type, in numpy, without the Go code and without the
ggml library. Every decoder takes blocks (n, bytes) of uint8 and returns (n, elements)
of float32, each product and difference rounded to float32 in the order written.
"""
import numpy as np

import grids

# type: number in a file, elements and bytes of a block
TYPES = {
    "F32": (0, 1, 4), "F16": (1, 1, 2), "Q4_0": (2, 32, 18), "Q8_0": (8, 32, 34), "Q4_K": (12, 256, 144),
    "Q5_K": (13, 256, 176), "Q6_K": (14, 256, 210), "IQ4_NL": (20, 32, 18), "BF16": (30, 1, 2),
    "Q4_1": (3, 32, 20), "Q5_0": (6, 32, 22), "Q5_1": (7, 32, 24), "Q2_K": (10, 256, 84), "Q3_K": (11, 256, 110),
    "IQ4_XS": (23, 256, 136), "MXFP4": (39, 32, 17), "NVFP4": (40, 64, 36), "Q1_0": (41, 128, 18), "Q2_0": (42, 64, 18),
    "TQ1_0": (34, 256, 54), "TQ2_0": (35, 256, 66), "IQ2_XXS": (16, 256, 66), "IQ2_XS": (17, 256, 74), "IQ2_S": (22, 256, 82),
    "IQ3_XXS": (18, 256, 98), "IQ3_S": (21, 256, 110), "IQ1_S": (19, 256, 50), "IQ1_M": (29, 256, 56),
}  # fmt: skip
NUMBERS = {name: t[0] for name, t in TYPES.items()}
NAMES = {t[0]: name for name, t in TYPES.items()}

# The sixteen values of a nibble of IQ4_NL.
IQ4_NL = np.array([-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113], np.float32)


def size(kind, shape):
    """The bytes of a tensor."""
    _, elems, width = TYPES[kind]
    n = 1
    for d in shape:
        n *= d
    if shape and shape[-1] % elems:
        raise ValueError(f"a row of {shape[-1]} is not whole blocks of {kind}")
    return n // elems * width


def decode(kind, raw):
    """The float32 elements of whole blocks."""
    b = np.frombuffer(raw, np.uint8).reshape(-1, TYPES[kind][2])
    with np.errstate(all="ignore"):  # blocks of tests hold infinities and NaN
        return DECODERS[kind](b).reshape(-1)


def half(b):
    """Two bytes as a half, (n, 1)."""
    return np.ascontiguousarray(b).view("<f2").astype(np.float32)


def nibbles(b):
    """Low nibbles, high nibbles."""
    return b & 15, b >> 4


def q4_0(b):
    lo, hi = nibbles(b[:, 2:])
    return half(b[:, :2]) * (np.concatenate([lo, hi], 1).astype(np.float32) - 8)


def iq4_nl(b):
    lo, hi = nibbles(b[:, 2:])
    return half(b[:, :2]) * IQ4_NL[np.concatenate([lo, hi], 1)]


def q8_0(b):
    return half(b[:, :2]) * b[:, 2:].view(np.int8).astype(np.float32)


def scales_k(s):
    """The eight 6-bit scales and minima of the 12 bytes that Q4_K and Q5_K share: (n, 8), (n, 8)."""
    lo, mid, hi = s[:, 0:4], s[:, 4:8], s[:, 8:12]
    scale = np.concatenate([lo & 63, (hi & 15) | (lo >> 6 << 4)], 1)
    least = np.concatenate([mid & 63, (hi >> 4) | (mid >> 6 << 4)], 1)
    return scale.astype(np.float32), least.astype(np.float32)


def groups_k(b, q):
    """d·scale·q − dmin·min for eight groups of 32; q is (n, 8, 32)."""
    scale, least = scales_k(b[:, 4:16])
    d, dmin = half(b[:, 0:2]), half(b[:, 2:4])
    return ((d * scale)[:, :, None] * q.astype(np.float32) - (dmin * least)[:, :, None]).reshape(len(b), 256)


def pairs_k(qs):
    """128 bytes as eight groups of 32: two groups share 32 bytes, the even one in the low nibbles."""
    lo, hi = nibbles(qs.reshape(len(qs), 4, 32))
    return np.stack([lo, hi], 2).reshape(len(qs), 8, 32)


def q4_k(b):
    return groups_k(b, pairs_k(b[:, 16:144]))


def q5_k(b):
    fifth = b[:, None, 16:48] >> np.arange(8, dtype=np.uint8)[None, :, None] & 1
    return groups_k(b, pairs_k(b[:, 48:176]) | fifth << 4)


def q6_k(b):
    ql, qh = b[:, 0:128].reshape(-1, 2, 64), b[:, 128:192].reshape(-1, 2, 32)
    lo, hi = nibbles(ql)
    low = np.concatenate([lo, hi], 2).reshape(-1, 2, 4, 32)  # k = 0, 1 low nibbles, 2, 3 high ones
    high = qh[:, :, None, :] >> (2 * np.arange(4, dtype=np.uint8))[None, None, :, None] & 3
    q = (low | high << 4).astype(np.float32).reshape(-1, 16, 16) - 32
    scale = b[:, 192:208].view(np.int8).astype(np.float32)
    return ((half(b[:, 208:210]) * scale)[:, :, None] * q).reshape(len(b), 256)


def words(b, kind):
    """Bytes as little-endian integers."""
    return np.ascontiguousarray(b).view(kind)


def q4_1(b):
    lo, hi = nibbles(b[:, 4:])
    return half(b[:, :2]) * np.concatenate([lo, hi], 1).astype(np.float32) + half(b[:, 2:4])


def fives(b):
    """Four bytes of fifth bits, 16 of nibbles: 32 integers."""
    lo, hi = nibbles(b[:, 4:])
    return np.concatenate([lo, hi], 1).astype(np.float32) + 16 * np.unpackbits(b[:, :4], axis=1, bitorder="little").astype(np.float32)


def q5_0(b):
    return half(b[:, :2]) * (fives(b[:, 2:]) - 16)


def q5_1(b):
    return half(b[:, :2]) * fives(b[:, 4:]) + half(b[:, 2:4])


def pairs(qs):
    """64 bytes as 256 integers of two bits: of 32 bytes first the lowest bits of each."""
    return (qs.reshape(-1, 2, 1, 32) >> (2 * np.arange(4, dtype=np.uint8))[None, None, :, None] & 3).reshape(-1, 256)


def sixteens(scale, q):
    """A scale for 16 integers."""
    return (scale[:, :, None] * q.reshape(len(q), -1, 16).astype(np.float32)).reshape(q.shape)


def q2_k(b):
    low, high = nibbles(b[:, :16])
    d, dmin = half(b[:, 80:82]), half(b[:, 82:84])
    return sixteens(d * low, pairs(b[:, 16:80])) - np.repeat(dmin * high, 16, 1)


def q3_k(b):
    s = b[:, 96:108]
    low = np.concatenate(nibbles(s[:, :8]), 1)
    high = np.concatenate([s[:, 8:] >> 2 * i & 3 for i in range(4)], 1)
    scale = (low | high << 4).astype(np.float32) - 32
    third = np.concatenate([b[:, :32] >> i & 1 for i in range(8)], 1)
    return sixteens(half(b[:, 108:110]) * scale, pairs(b[:, 32:96]) + 4.0 * third - 4)


def iq4_xs(b):
    low = np.stack(nibbles(b[:, 4:8]), 2).reshape(-1, 8)
    high = (words(b[:, 2:4], "<u2") >> 2 * np.arange(8, dtype=np.uint16) & 3).astype(np.uint8)
    scale = half(b[:, :2]) * ((low | high << 4).astype(np.float32) - 32)
    q = IQ4_NL[np.concatenate(nibbles(b[:, 8:].reshape(-1, 8, 16)), 2)]
    return (scale[:, :, None] * q).reshape(-1, 256)


# Numbers of four bits, E2M1.
FP4 = np.array([0, 0.5, 1, 1.5, 2, 3, 4, 6, 0, -0.5, -1, -1.5, -2, -3, -4, -6], np.float32)


def mxfp4(b):
    """Scales 2^(e − 127); e below 68 counts as 0 (see loader/quant/mxfp4.go)."""
    e = b[:, :1].astype(np.int32)
    scale = np.where(e < 68, 0, np.ldexp(1.0, e - 127)).astype(np.float64)
    return (scale * FP4[np.concatenate(nibbles(b[:, 1:]), 1)]).astype(np.float32)


def nvfp4(b):
    """Scales of E4M3, of which the sign counts for nothing and NaN for 0."""
    x = b[:, :4]
    exp, frac = (x >> 3 & 15).astype(np.int32), (x & 7).astype(np.float64)
    scale = np.where(exp == 0, np.ldexp(frac, -9), np.ldexp(1 + frac / 8, exp - 7))
    scale = np.where(x == 0x7F, 0, scale).astype(np.float32)
    q = FP4[np.concatenate(nibbles(b[:, 4:].reshape(-1, 4, 8)), 2)]
    return (scale[:, :, None] * q).reshape(-1, 64)


def q1_0(b):
    return half(b[:, :2]) * (2 * np.unpackbits(b[:, 2:], axis=1, bitorder="little").astype(np.float32) - 1)


def q2_0(b):
    q = (b[:, 2:, None] >> 2 * np.arange(4, dtype=np.uint8) & 3).reshape(-1, 64)
    return half(b[:, :2]) * (q.astype(np.float32) - 1)


def tq1_0(b):
    out = []
    for part, n in ((b[:, :32], 5), (b[:, 32:48], 5), (b[:, 48:52], 4)):
        rest = part.astype(np.int32)
        for _ in range(n):
            out.append(rest * 3 >> 8)  # a digit, the whole part
            rest = rest * 3 & 255
    return half(b[:, 52:54]) * (np.concatenate(out, 1).astype(np.float32) - 1)


def tq2_0(b):
    return half(b[:, 64:66]) * (pairs(b[:, :64]).astype(np.float32) - 1)


GRIDS = grids.read()


def grid(name, places, levels):
    """The points at places (n, m), (n, m · elements)."""
    elems = grids.GRIDS[name][3]
    level = GRIDS[name][places][:, :, None] >> (16 // elems * np.arange(elems)) & (1 << 16 // elems) - 1
    return np.array(levels, np.float32)[level].reshape(len(places), -1)


def signs(s):
    """Bytes (n, m) of bits as factors 1 and −1, (n, 8m)."""
    return 1 - 2 * np.unpackbits(s.astype(np.uint8), axis=1, bitorder="little").astype(np.float32)


def even(s):
    """Seven bits and an eighth, such that an even number is set."""
    s = s & 127
    return s | (np.unpackbits(s.astype(np.uint8)[..., None], axis=-1).sum(-1) & 1) << 7


def sevens(more):
    """The low 28 bits of words (n, 8): four times seven signs, (n, 32) bytes."""
    return even((more[:, :, None] >> 7 * np.arange(4, dtype=np.uint32) & 127).astype(np.uint8).reshape(len(more), -1))


def in_turn(s):
    """Low nibble, high nibble, byte by byte."""
    return np.stack(nibbles(s), 2).reshape(len(s), -1)


IQ2, IQ3_XXS, IQ3_S = (grids.GRIDS[k][4] for k in ("iq2_s", "iq3_xxs", "iq3_s"))


def scales(d, s, by, each):
    """d·(2s + 1)/by for every element, each scale for so many."""
    return np.repeat(d * (2 * s.astype(np.float32) + 1) / np.float32(by), each, 1)


def iq2_xxs(b):
    w = words(b[:, 2:], "<u4").reshape(-1, 8, 2)
    places = np.ascontiguousarray(w[:, :, 0]).view(np.uint8)
    return scales(half(b[:, :2]), w[:, :, 1] >> 28, 8, 32) * grid("iq2_xxs", places, IQ2) * signs(sevens(w[:, :, 1]))


def iq2_xs(b):
    w = words(b[:, 2:66], "<u2")
    return scales(half(b[:, :2]), in_turn(b[:, 66:]), 8, 16) * grid("iq2_xs", w & 511, IQ2) * signs(even(w >> 9))


def iq2_s(b):
    high = (b[:, 66:74, None] >> 2 * np.arange(4, dtype=np.uint8) & 3).reshape(-1, 32).astype(np.int64)
    places = b[:, 2:34] | high << 8
    return scales(half(b[:, :2]), in_turn(b[:, 74:]), 8, 16) * grid("iq2_s", places, IQ2) * signs(b[:, 34:66])


def iq3_xxs(b):
    more = words(b[:, 66:], "<u4")
    return scales(half(b[:, :2]), more >> 28, 4, 32) * grid("iq3_xxs", b[:, 2:66], IQ3_XXS) * signs(sevens(more))


def iq3_s(b):
    ninth = np.unpackbits(b[:, 66:74], axis=1, bitorder="little").astype(np.int64)
    return scales(half(b[:, :2]), in_turn(b[:, 106:]), 1, 32) * grid("iq3_s", b[:, 2:66] | ninth << 8, IQ3_S) * signs(b[:, 74:106])


def iq1_s(b):
    high = words(b[:, 34:], "<u2")
    places = b[:, 2:34] | ((high[:, :, None] >> 3 * np.arange(4, dtype=np.uint16) & 7).reshape(-1, 32).astype(np.int64) << 8)
    delta = np.where(high >> 15, np.float32(-0.125), np.float32(0.125))
    return scales(half(b[:, :2]), high >> 12 & 7, 1, 32) * (grid("iq1", places, [-1, 0, 1]) + np.repeat(delta, 32, 1))


def iq1_m(b):
    s = words(b[:, 48:], "<u2")
    bits = (s >> 12) << 4 * np.arange(4, dtype=np.uint16)
    d = half(bits.sum(1, dtype=np.uint16)[:, None].view(np.uint8))
    scale = (s[:, :, None] >> 3 * np.arange(4, dtype=np.uint16) & 7).reshape(-1, 16)
    high = in_turn(b[:, 32:48]).astype(np.int64)
    delta = np.where(high >> 3, np.float32(-0.125), np.float32(0.125))
    return scales(d, scale, 1, 16) * (grid("iq1", b[:, :32] | (high & 7) << 8, [-1, 0, 1]) + np.repeat(delta, 8, 1))


DECODERS = {
    "F32": lambda b: np.ascontiguousarray(b).view("<f4"),
    "F16": half,
    "BF16": lambda b: (np.ascontiguousarray(b).view("<u2").astype(np.uint32) << 16).view(np.float32),
    "Q8_0": q8_0, "Q4_0": q4_0, "IQ4_NL": iq4_nl, "Q4_K": q4_k, "Q5_K": q5_k, "Q6_K": q6_k,
    "Q4_1": q4_1, "Q5_0": q5_0, "Q5_1": q5_1, "Q2_K": q2_k, "Q3_K": q3_k, "IQ4_XS": iq4_xs, "MXFP4": mxfp4, "NVFP4": nvfp4,
    "Q1_0": q1_0, "Q2_0": q2_0, "TQ1_0": tq1_0, "TQ2_0": tq2_0, "IQ2_XXS": iq2_xxs, "IQ2_XS": iq2_xs, "IQ2_S": iq2_s,
    "IQ3_XXS": iq3_xxs, "IQ3_S": iq3_s, "IQ1_S": iq1_s, "IQ1_M": iq1_m,
}  # fmt: skip


def encode(kind, a):
    """float32 rows as bytes of the types that the small models use."""
    a = np.ascontiguousarray(a, np.float32)
    if kind == "F32":
        return a.astype("<f4").tobytes()
    if kind == "F16":
        return a.astype("<f2").tobytes()
    x = a.reshape(-1, 32)
    most = np.take_along_axis(x, np.argmax(np.abs(x), 1)[:, None], 1)
    if kind == "Q8_0":
        d = (np.abs(most) / 127).astype("<f2")
        q = np.rint(x / np.maximum(d.astype(np.float32), np.float32(1e-30))).clip(-127, 127).astype(np.int8)
        return np.concatenate([d.view(np.uint8), q.view(np.uint8)], 1).tobytes()
    if kind == "IQ4_NL":  # the largest element becomes −127·d
        d = (most / -127).astype("<f2")
        y = x / np.where(d == 0, 1, d).astype(np.float32)
        q = np.argmin(np.abs(y[:, :, None] - IQ4_NL), 2).astype(np.uint8)
        return np.concatenate([d.view(np.uint8), q[:, :16] | q[:, 16:] << 4], 1).tobytes()
    raise ValueError(f"{kind} is only decoded here")
