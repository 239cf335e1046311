"""Weights as a file holds them: decoding to float32, and encoding for small models.

Written from the layout of each type, in numpy, without the Go code and without the
ggml library. Every decoder takes blocks (n, bytes) of uint8 and returns (n, elements)
of float32, each product and difference rounded to float32 in the order written.
"""
import numpy as np

# type: number in a file, elements and bytes of a block
TYPES = {
    "F32": (0, 1, 4), "F16": (1, 1, 2), "Q4_0": (2, 32, 18), "Q8_0": (8, 32, 34), "Q4_K": (12, 256, 144),
    "Q5_K": (13, 256, 176), "Q6_K": (14, 256, 210), "IQ4_NL": (20, 32, 18), "BF16": (30, 1, 2),
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


DECODERS = {
    "F32": lambda b: np.ascontiguousarray(b).view("<f4"),
    "F16": half,
    "BF16": lambda b: (np.ascontiguousarray(b).view("<u2").astype(np.uint32) << 16).view(np.float32),
    "Q8_0": q8_0, "Q4_0": q4_0, "IQ4_NL": iq4_nl, "Q4_K": q4_k, "Q5_K": q5_k, "Q6_K": q6_k,
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
